"""The benches run, on made-up data, and say what they need. Their figures mean nothing here."""

import csv
import gzip
import importlib
import json
import math
import random
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(1200)  # all benches, one after the other
FOLDER = Path(__file__).parents[1] / "bench"
SHARED = ("common", "match_data", "match_peers", "month_steps", "postgres")
BENCHES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)
SIMULATED = ("gate", "ranking", "sequences")
"""They make up their data and need no folder."""

# One process: each would import TensorFlow again.
ALL_IN_ONE = """
import runpy, sys
folder, *options = sys.argv[1:]
sys.path.insert(0, folder)
for bench in sys.stdin.read().split():
    sys.argv[:] = [f"{folder}/{bench}.py", *options]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        print(bench, stop.code, flush=True)
"""


def run_all(
    data: Path, *options: str, benches: Sequence[str] = BENCHES
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", ALL_IN_ONE, FOLDER, "--data", data, *options],
        input=" ".join(benches),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each bench prints with --json."""
    data = tmp_path_factory.mktemp("data")
    write_data(data)
    done = run_all(data, "--quick", "--json")
    lines = done.stdout.splitlines()
    assert lines[1::2] == [f"{bench} 0" for bench in BENCHES], done.stderr
    return dict(zip(BENCHES, map(json.loads, lines[::2]), strict=True))


def write_data(folder: Path) -> None:
    """A few postings of random words; a job has the tags that its text names twice."""
    words = "nurse ward cook kitchen driver van python code pay shifts remote menu route".split()
    rng = random.Random(0)
    (folder / "tags").mkdir()
    (folder / "pos").mkdir()
    sets = ("indeed", "wuzzuf", "remoteintech", "analytics_eng", "reuters_train", "reuters_test")
    for name, n_jobs in (*((name, 70) for name in sets), ("unlabelled", 40)):
        with gzip.open(folder / f"tags/{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            for i in range(n_jobs):
                found = rng.choices(words, k=20)
                job: dict[str, Any] = {"id": str(i), "title": rng.choice(words)}
                job["text"] = f"{' '.join(found)} {i}."
                if name != "unlabelled":
                    job["tags"] = [tag for tag in ("nurse", "cook") if found.count(tag) > 1]
                    if name.startswith("reuters"):  # topics that bench/reuters_tags.csv describes
                        job["tags"] = [{"nurse": "gold", "cook": "tea"}[tag] for tag in job["tags"]]
                file.write(json.dumps(job) + "\n")
    with gzip.open(folder / "pos/en_ewt_test.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("We\tPRP\nhire\tVBP\nnurses\tNNS\n.\t.\n\nThe\tDT\ncook\tNN\n")
    write_resumes(folder / "match", words, rng)
    write_match_data(folder / "match", rng, words)


def write_resumes(folder: Path, words: list[str], rng: random.Random) -> None:
    """Resumes of random words in two categories, and vectors of the words."""
    for name in ("resumes", "vectors"):
        (folder / name).mkdir(parents=True)
    path = folder / "resumes/resumes_text.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("resume_id", "category", "text"))
        for i in range(40):
            rows.writerow((i, ("CARE", "FOOD")[i % 2], " ".join(rng.choices(words, k=20))))
    vectors = np.array([[rng.gauss(0, 1) for _ in range(5)] for _ in words], np.float32)
    path = folder / "vectors/glove_twitter_25d_11925.npz"
    np.savez(path, words=np.array(words), vectors=vectors)


def write_match_data(folder: Path, rng: random.Random, words: list[str]) -> None:
    """Half the candidates want every second job, the others the rest."""
    people, jobs = [f"c{c}" for c in range(60)], [f"j{j}" for j in range(30)]
    pairs = [(c, j) for at, c in enumerate(people) for j in rng.sample(jobs[at % 2 :: 2], 6)]
    text = {row: " ".join(rng.choices(words, k=8)) for row in (*people, *jobs)}
    write_csv(folder / "dacon/apply_train", ["resume_seq", "recruitment_seq"], pairs)
    job_head = ["recruitment_seq", "education", "text_keyword"]
    write_csv(folder / "dacon/recruitment", job_head, [(j, len(j), text[j]) for j in jobs])
    write_csv(folder / "dacon/company", ["recruitment_seq", "employee"], [(j, 10) for j in jobs])
    resume_head = ["resume_seq", "degree", "text_keyword", "career_job_code"]
    write_csv(folder / "dacon/resume", resume_head, [(c, len(c), text[c], "a;b") for c in people])
    write_csv(folder / "dacon/resume_education", ["resume_seq", "univ"], [(c, 1) for c in people])
    view_head = ["Applicant.ID", "Job.ID", "Position", "Company", "City", "State.Code", "Industry"]
    views = [
        (c, j, text[j], f"C{len(j)}", "Oslo", "NO", "", f"2020-01-{day:02} 10:{at % 60:02}:00 UTC")
        for at, (c, j) in enumerate(pairs)
        for day in [rng.randint(1, 28)]
    ]
    write_csv(folder / "kandij/Job_Views", [*view_head, "View.Start"], views)
    replies = [(c, j, 3, 1_500_000_000 + 40_000 * at) for at, (c, j) in enumerate(pairs)]
    xing_head = ["user_id", "item_id", "interaction_type", "created_at"]
    write_csv(folder / "xing/replies", xing_head, replies)
    days = [(c, j, "apply", f"2020-02-{1 + at % 28:02}") for at, (c, j) in enumerate(pairs)]
    event_head = ["candidate", "job", "action", "occurred_at"]
    write_csv(folder / "prospects/events", event_head, days)
    titles = [(j, text[j], "remote") for j in jobs]
    write_csv(folder / "prospects/jobs", ["id", "title", "mode"], titles)
    work = [(c, text[c]) for c in people]
    write_csv(folder / "kandij/Experience", ["Applicant.ID", "Position.Name"], work)


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path.with_suffix(".csv.gz"), "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def test_make_bench_runs_them_all() -> None:
    named = re.search(r"BENCHES \?= ((?:.*\\\n)*.*)", (FOLDER.parent / "Makefile").read_text())
    assert named is not None
    assert sorted(named[1].replace("\\", "").split()) == BENCHES


def test_every_bench_prints_tables_and_claims_with_names(
    results: dict[str, dict[str, Any]],
) -> None:
    assert all(result["checks"] for result in results.values())
    for result in results.values():
        assert all(rows for rows in result["tables"].values())
        assert all(check["name"] and math.isfinite(check["value"]) for check in result["checks"])


def test_ours_and_the_peers_stand_in_one_table(results: dict[str, dict[str, Any]]) -> None:
    methods = {
        bench: [{next(iter(row.values())) for row in rows} for rows in result["tables"].values()]
        for bench, result in results.items()
    }
    learned = {"TF-IDF + logistic regression", "hashed terms + logistic regression"}
    for found in (*methods["tagging"], *methods["labels"][:4]):  # behind them come ratios
        assert learned | {"TruncatedSVD-100 + logistic regression"} <= found
        assert any(name.startswith("jobtool") for name in found - learned)
    assert all({"jobtool", "TruncatedSVD-100"} <= found for found in methods["codes"])
    assert methods["throughput"][0] == {"jobtool", "TF-IDF + one-vs-rest"}
    assert {"jobtool", "TruncatedSVD-100", "GloVe means"} <= methods["resumes"][0]
    assert {"jobtool ncf", "search", "popularity"} <= methods["resumes"][-1]
    assert all({"jobtool", "empirical precision"} <= found for found in methods["promises"][:5])
    assert methods["pos"] == [{"tagger.pos", "NLTK, same weights"}]


def test_the_forward_pass_without_keras_gives_its_probabilities(
    results: dict[str, dict[str, Any]],
) -> None:
    by_name = {check["name"]: check for check in results["throughput"]["checks"]}
    check = by_name["largest difference of a probability from Keras'"]
    assert check["value"] <= check["high"]


def test_a_bench_without_its_data_says_so_and_is_exit_code_2(tmp_path: Path) -> None:
    benches = [bench for bench in BENCHES if bench not in SIMULATED]
    done = run_all(tmp_path, "--quick", benches=benches)
    assert done.stdout.splitlines() == [f"{bench} 2" for bench in benches], done.stderr
    assert done.stderr.count("name the data folder with --data") == len(benches)


def test_what_a_candidate_met_and_reposts_of_the_answer_do_not_compete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from matcher.splits import split
    from tests.matcher.made_up import made_up

    monkeypatch.syspath_prepend(FOLDER)
    answer = importlib.import_module("match_peers").answer
    data = made_up(times=False)
    groups = np.arange(len(data.jobs)) // 2
    held = split(replace(data, jobs=replace(data.jobs, groups=groups)))
    met = [
        set(groups[held.known.events.jobs[held.known.events.candidates == c]])
        for c in held.candidates
    ]
    free = [len(groups) - 2 * len(own) - 1 for own in met]  # each job has one repost
    ranks, n_jobs = answer(held, lambda people, _: np.zeros((len(people), len(groups))))
    assert n_jobs.tolist() == free
    assert ranks.tolist() == [(1 + n) / 2 for n in free]


def test_labels_needed_are_read_off_a_curve_made_monotone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    needed = importlib.import_module("labelling_queue").labels_needed
    curve = [(0, 0.3), (50, 0.5), (100, 0.4), (150, 0.7)]  # 50 and 100 are both worth 0.45
    assert needed(curve, 0.3) == 0
    assert needed(curve, 0.375) == pytest.approx(25)
    assert needed(curve, 0.575) == pytest.approx(125)
    assert needed(curve, 0.8) == 150  # never reached
    assert needed([(0, 0.3), (50, 0.2), (100, 0.4)], 0.35) == pytest.approx(75)
