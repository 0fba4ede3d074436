"""`jobtool match` on files: what it prints, where it writes, how it ends."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

import cli
from matcher import registry, spaces
from matcher.data import ACTIONS, MatchData
from tests.matcher.made_up import made_up


@pytest.fixture(autouse=True)
def leaning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A model with options, and a folder of its own to work in."""
    monkeypatch.setitem(registry.MODELS, "leaning", "tests.matcher.leaning:Leaning")
    monkeypatch.setitem(spaces.SPACES, "leaning", {"weight": spaces.Span(0.0, 1.0)})
    monkeypatch.delenv("JOBTOOL_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


class Letters:
    """In the place of a tagger: how often a text has some letters."""

    def __init__(self, folder: Path) -> None:
        self.identity = f"tagger {folder}"

    def __call__(self, texts):
        counts = [[text.count(letter) for letter in "aeiounrs"] for _, text in texts]
        return np.array(counts, np.float32)


@pytest.fixture
def tagger(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The option that names a tagger, which is none."""
    monkeypatch.setattr(cli.Tagging, "encoder", lambda self, folder: Letters(folder))
    return ("--tagger", "letters")


def match(*args: object) -> Result:
    return CliRunner().invoke(cli.app, ["match", *(str(arg) for arg in args)])


def write(path: str, rows: list[dict]) -> Path:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Path(path)


def iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def as_files(data: MatchData) -> list[str]:
    """Made-up data as three files, and the options that name them."""
    events = data.events
    columns = (events.candidates, events.jobs, events.actions, events.times)
    rows = [
        {
            "candidate": data.candidates.ids[c],
            "job": data.jobs.ids[j],
            "action": str(ACTIONS[action]),
            "occurred_at": iso(time),
        }
        for c, j, action, time in zip(*columns, strict=True)
    ]
    for name, side in (("jobs", data.jobs), ("candidates", data.candidates)):
        texts = [f"work in {value}" for value in side.fields["category"]]
        found = [
            {"id": id, "text": text, **{key: values[row] for key, values in side.fields.items()}}
            for row, (id, text) in enumerate(zip(side.ids, texts, strict=True))
        ]
        write(f"{name}.jsonl", found)
    write("events.jsonl", rows)
    return [f"--{kind}={kind}.jsonl" for kind in ("events", "jobs", "candidates")]


@pytest.fixture
def files() -> list[str]:
    return as_files(made_up())


# ---- train


def test_a_model_is_trained_and_saved_in_a_folder(files):
    done = match("train", "popularity", *files)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Trained popularity to predict apply on ")
    assert "60 candidates with 40 jobs" in done.stdout
    assert "candidates have no codes" in done.stderr
    assert (Path("match-model") / "meta.json").is_file()


def test_training_as_json_tells_what_it_was_trained_on(files):
    told = json.loads(match("train", "popularity", *files, "-m", "other", "--json").stdout)
    assert (told["saved"], told["n_jobs"], told["codes"], told["rejected"]) == (
        "other",
        40,
        None,
        0,
    )


def test_codes_come_from_a_tagger(files, tiny_model):
    told = json.loads(match("train", "leaning", *files, "--tagger", tiny_model, "--json").stdout)
    assert told["codes"].startswith("tagger ")
    assert told["n_numbers"] == 8
    assert not any("codes" in note for note in told["notes"])


def test_a_model_of_codes_must_be_asked_with_the_same_ones(files, tagger):
    assert match("train", "leaning", *files, *tagger).exit_code == 0
    asked = ("predict", "--candidate", "c1", *files)
    assert match(*asked, *tagger).exit_code == 0
    done = match(*asked)
    assert done.exit_code == 1
    assert "learned from the codes of tagger letters and there are none" in done.stderr
    done = match(*asked, "--tagger", "digits")
    assert done.exit_code == 1
    assert "are by tagger digits: train it again, jobtool match train" in done.stderr


def test_a_model_that_reads_no_codes_may_be_asked_with_any(files, tagger):
    told = json.loads(match("train", "popularity", *files, *tagger, "--json").stdout)
    assert (told["codes"], told["n_numbers"]) == (None, None)
    for codes in ((), tagger, ("--tagger", "digits")):
        done = match("predict", "--candidate", "c1", *files, *codes)
        assert done.exit_code == 0, done.output


def test_a_model_without_codes_takes_no_notice_of_them(files, tagger):
    match("train", "popularity", *files)
    assert match("predict", "--all", "-o", "a.csv", *files).exit_code == 0
    assert match("predict", "--all", "-o", "b.csv", *files, *tagger).exit_code == 0
    lists = [
        [line.split(",")[:4] for line in Path(name).read_text().splitlines()]
        for name in ("a.csv", "b.csv")
    ]
    assert lists[0] == lists[1]


def test_ids_alone_are_enough():
    as_files(made_up())
    assert match("train", "popularity", "--events", "events.jsonl").exit_code == 0
    done = match("predict", "--events", "events.jsonl", "--candidate", "c1", "-k", "2")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 3)


def test_what_a_model_did_without_is_told(files):
    done = match("train", "sequence-cnn", *files, "--config", tiny_sequences())
    assert done.exit_code == 0, done.output
    assert "note: learned from " in done.stderr
    done = match("train", "popularity", *files, "--work", "work")
    assert "note: popularity begins anew after a stop: nothing of it is kept in work" in done.stderr


def test_a_stopped_training_goes_on(files, monkeypatch):
    from matcher.checkpoint import Checkpoint

    args = ("train", "sequence-cnn", *files, "--config", tiny_sequences(), "--work", "work")
    saved, save = [], Checkpoint.save

    def stop(self, state):
        save(self, state)
        saved.append(state.epoch)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", stop)
    done = match(*args)
    assert (done.exit_code, Path("match-model").exists()) == (130, False)
    assert match(*args).exit_code == 0
    assert saved[:3] == [1, 2, 3]
    assert not Path("work/sequence-cnn").exists()


def tiny_sequences() -> Path:
    config = {"filters": [4, 4], "epochs": 4, "patience": 4}
    Path("tiny.json").write_text(json.dumps(config))
    return Path("tiny.json")


def test_a_configuration_from_a_file(files):
    Path("best.json").write_text('{"model": "leaning", "config": {"weight": 0.25}}')
    done = match("train", "popularity", *files, "--config", "best.json")
    assert done.exit_code == 1
    assert "is a configuration of leaning, not of popularity" in done.stderr


def test_kinds_of_models_are_listed():
    lines = match("train", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(registry.MODELS)
    assert all(len(line.split()) > 3 and line.endswith(".") for line in lines)
    assert "Likeness of codes, and how many candidates wanted a job." in lines[-1]


def test_an_unknown_kind_is_one_clear_error(files):
    done = match("train", "magic", *files)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "unknown model 'magic'; known: popularity" in done.stderr


# ---- predict


@pytest.fixture
def trained(files) -> list[str]:
    assert match("train", "popularity", *files).exit_code == 0
    return files


def test_jobs_for_a_candidate_are_printed_with_model_and_time(trained):
    done = match("predict", "--candidate", "c1", "-k", "3", *trained)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("model match-model, 20")
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert all(line.split()[2] == "c1" for line in lines[1:])


def test_reasons_are_sentences(trained):
    told = match("predict", "--candidate", "c1", "-k", "3", "--explain", *trained).stdout
    assert "candidates applied to it, the 1st most of 40 jobs" in told
    found = json.loads(
        match("predict", "--candidate", "c1", "--explain", "--json", *trained).stdout
    )
    assert all(row["reasons"] for row in found)


def test_candidates_to_invite_for_a_job(trained):
    found = json.loads(match("predict", "--job", "j3", "-k", "4", "--json", *trained).stdout)
    assert [row["rank"] for row in found] == [1, 2, 3, 4]
    assert {row["job"] for row in found} == {"j3"}
    assert len({row["candidate"] for row in found}) == 4


def test_the_list_of_a_job_goes_into_a_file_too(trained):
    done = match("predict", "--job", "j3", "-k", 4, "-o", "invite.csv", *trained)
    assert (done.exit_code, done.stdout) == (0, "4 places for 4 candidates: invite.csv\n")
    assert len(Path("invite.csv").read_text().splitlines()) == 5


def test_lists_of_everyone_go_into_a_file(trained):
    done = match("predict", "--all", "-k", "2", "-o", "lists.parquet", "--explain", *trained)
    assert (done.exit_code, done.stdout) == (0, "120 places for 60 candidates: lists.parquet\n")
    table = pq.read_table("lists.parquet")
    assert table.column_names == [
        *("candidate", "job", "score", "rank", "model", "computed_at", "reasons")
    ]
    assert table.num_rows == 120


def test_lists_that_mean_nothing_are_counted(files):
    with Path("candidates.jsonl").open("a") as more:
        more.write(json.dumps({"id": "new", "text": "whoever"}) + "\n")
    match("train", "item-knn", *files)
    done = match("predict", "--candidate", "new", *files)
    assert "1 lists have equal scores: the model knows too little" in done.stderr
    assert "equal scores" not in match("predict", "--candidate", "c1", *files).stderr


def test_only_young_jobs_with_a_limit_of_age():
    now = datetime.now(UTC).timestamp()
    jobs = [{"id": n, "posted_at": iso(now - 86_400 * n)} for n in range(1, 8)]
    events = [{"candidate": "p", "job": n, "action": "apply"} for n in (1, 7, 7)]
    write("e.jsonl", [*events, {"candidate": "q", "job": 7, "action": "view"}])
    files = ("--events=e.jsonl", f"--jobs={write('j.jsonl', jobs)}")
    assert match("train", "popularity", *files).exit_code == 0
    asked = ("predict", "--candidate", "q", "--json", *files)
    assert [row["job"] for row in json.loads(match(*asked).stdout)][:2] == ["1", "7"]
    young = json.loads(match(*asked, "--max-age", "3.5").stdout)
    assert [row["job"] for row in young] == ["1", "2", "3"]
    assert "all are too old" in match(*asked, "--max-age", "0.1").stderr
    assert "no job has a date" in match(*asked[:-1], "--max-age", "1").stderr


def test_jobs_posted_in_the_future_are_left_out_and_counted():
    now = datetime.now(UTC).timestamp()
    jobs = [{"id": n, "posted_at": iso(now + 86_400 * (n - 3.5))} for n in range(1, 6)]
    events = [{"candidate": "p", "job": n, "action": "apply"} for n in (1, 4)]
    write("e.jsonl", [*events, {"candidate": "q", "job": 2, "action": "view"}])
    files = ("--events=e.jsonl", f"--jobs={write('j.jsonl', jobs)}")
    assert match("train", "popularity", *files).exit_code == 0
    done = match("predict", "--candidate", "q", "--json", *files)
    assert {row["job"] for row in json.loads(done.stdout)} == {"1", "2", "3"}
    assert "note: 2 jobs are left out: their posted_at lies in the future" in done.stderr
    aged = match("predict", "--candidate", "q", "--json", "--max-age", "1", *files)
    assert {row["job"] for row in json.loads(aged.stdout)} == {"3"}
    assert match("predict", "--job", "5", *files).exit_code == 0


def test_a_missing_model_is_told_of_before_anything_is_read(files, monkeypatch):
    monkeypatch.setattr("matcher.files.read_files", lambda *_, **__: 1 / 0)
    done = match("predict", "--candidate", "c1", *files)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "there is no model match-model" in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "problem"),
    [
        (("--candidate", "nobody"), 1, "there is no candidate 'nobody'"),
        (("--job", "nothing"), 1, "there is no job 'nothing'"),
        ((), 2, "say for whom"),
        (("--all", "--job", "j1"), 2, "say for whom"),
        (("--all",), 2, "name the --output FILE"),
        (("--candidate", "c1", "--save"), 2, "go into a database"),
        (("--candidate", "c1", "-o", "x.csv", "--save"), 2, "go into a database"),
        (("--job", "j1", "--resume"), 2, "go into a database"),
        (("--candidate", "c1", "-m", "none"), 1, "there is no model none"),
    ],
)
def test_what_cannot_be_predicted_is_one_clear_error(trained, args, code, problem):
    done = match("predict", *args, *trained)
    assert done.exit_code == code
    assert problem in done.stderr


# ---- evaluate


def test_models_are_compared_on_one_split_with_a_report(files, tagger):
    options = (*files, *tagger, "--max-questions", 20, "-k", 5, "-k", 2)
    Path("half.json").write_text('{"model": "leaning", "config": {"weight": 0.5}}')
    args = ("evaluate", "popularity", "leaning", *options, "--config", "half.json")
    done = match(*args, "--report", "report.html", "--work", "work")
    assert done.exit_code == 0, done.output
    assert "popularity" in done.stdout
    assert done.stdout.endswith("Report: report.html\n")
    assert "leaning" in Path("report.html").read_text("utf-8")
    told = json.loads(match(*args, "--work", "work", "--json").stdout)
    assert told["ks"] == [2, 5]
    assert [model["name"] for model in told["models"]] == ["popularity", "leaning"]


def test_data_with_nothing_to_hold_out_are_one_clear_error(files):
    write("few.jsonl", [{"candidate": "p", "job": "a", "action": "apply"}])
    done = match("evaluate", "popularity", "--events", "few.jsonl")
    assert done.exit_code == 1
    assert "there are too few to hold some out" in done.stderr


# ---- bad input


def test_rejected_rows_are_counted_and_exit_code_3(trained):
    with Path("events.jsonl").open("a") as file:
        file.write('{"candidate": "", "job": "j1", "action": "view"}\nnot json\n')
    done = match("predict", "--candidate", "c1", *trained, "--rejects", "bad.jsonl")
    assert done.exit_code == 3
    assert done.stdout
    assert "2 rejected rows" in done.stderr
    assert len(Path("bad.jsonl").read_text().splitlines()) == 2


def test_events_with_nothing_to_predict_are_one_clear_error(files):
    write("shown.jsonl", [{"candidate": "p", "job": "a", "action": "impression"}])
    done = match("train", "popularity", "--events", "shown.jsonl")
    assert done.exit_code == 1
    assert "no event can be predicted: there must be one of apply" in done.stderr


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ((), "name a database with --db, or files: --events FILE"),
        (("--jobs", "jobs.jsonl"), "go with --events"),
        (("--db", "jobs.db", "--jobs", "jobs.jsonl"), "go with --events"),
        (("--db", "jobs.db", "--events", "events.jsonl"), "not both"),
    ],
)
def test_options_of_files_and_of_databases_do_not_mix(files, args, problem):
    done = match("train", "popularity", *args)
    assert done.exit_code == 2
    assert problem in " ".join(done.stderr.replace("│", " ").split())


def test_a_wrong_column_option_is_one_clear_error(files):
    done = match("train", "popularity", *files, "--column", "id=nr")
    assert done.exit_code == 1
    assert "write --column KIND.OURS=YOURS, as in jobs.id=nr" in done.stderr


# ---- embed and tune


def test_vectors_go_into_a_file_under_their_version(files, tagger):
    match("train", "leaning", *files, *tagger)
    done = match("embed", "--name", "mean", "-o", "v.parquet", *files, *tagger)
    assert (done.exit_code, done.stdout) == (
        0,
        "60 vectors of version mean for 60 candidates: v.parquet\n",
    )
    rows = pq.read_table("v.parquet").to_pylist()
    assert {(row["version"], row["model"], len(row["numbers"])) for row in rows} == {
        ("mean", "match-model", 8)
    }
    match("embed", "-o", "v.csv", *files, *tagger)
    assert Path("v.csv").read_text().splitlines()[1].startswith('c0,"[')


def test_a_model_without_vectors_says_so(trained):
    done = match("embed", "-o", "v.jsonl", *trained)
    assert (done.exit_code, "popularity makes no vectors" in done.stderr) == (1, True)


def test_a_search_is_kept_beside_and_its_best_can_be_trained(files, tagger):
    options = (*files, *tagger, "--max-questions", 10, "--splits", 2)
    done = match("tune", "leaning", *options, "--trials", 2, "-o", "best.json")
    assert done.exit_code == 0, done.output
    assert "is the best of 2 trials" in done.stdout
    more = json.loads(match("tune", "leaning", *options, "--trials", 3, "--json").stdout)
    assert more["n_finished"] + more["n_pruned"] == 3
    assert Path("match-tuning.db").is_file()
    done = match("train", "leaning", *files, *tagger, "--config", "best.json", "--json")
    assert json.loads(done.stdout)["config"] == json.loads(Path("best.json").read_text())["config"]
