"""The command line: what it prints, where it writes, how it ends."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

import cli

COMMANDS = (
    *("tag", "export", "import", "train", "evaluate", "info", "demo", "promise", "status", "db"),
    *("retrain", "drift", "models", "label", "suspects", "labels", "audit", "agreement"),
    *("history", "tags", "forget", "match"),
)
SLOW = {"alembic", "keras", "matplotlib", "nltk", "pyarrow", "sklearn", "sqlalchemy", "tensorflow"}
NURSE = "Night nurse wanted, three nights a week, $38/hr. BSN required."


def jobtool(*args: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli.app, [str(arg) for arg in args], input=stdin)


def write_jobs(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    rows = ({"id": f"j{n}", "title": "Cook", "text": f"Cook number {n}"} for n in range(3))
    return write_jobs(tmp_path / "jobs.jsonl", *rows)


# ---- start


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_loads_nothing_slow(command: str) -> None:
    slow = SLOW | {"numpy", "scipy", "rich", "tqdm"}
    code = (
        "import sys, cli\n"
        f"sys.argv = ['jobtool', '{command}', '--help']\n"
        "try: cli.main()\n"
        f"finally: print('loaded:', *{slow} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[-1]) == (0, "loaded:"), done.stderr
    assert lines[0].startswith(f"Usage: jobtool {command}")
    assert lines[2].startswith("  ")


def test_tagging_one_posting_loads_nothing_slow(tiny_model: Path) -> None:
    code = (
        "import sys, cli\n"
        f"sys.argv = ['jobtool', 'tag', '--model', {str(tiny_model)!r}, '--json']\n"
        "try: cli.main()\n"
        f"finally: print('loaded:', *{SLOW} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=NURSE, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "loaded:"), done.stderr


def test_wrong_use_is_exit_code_2() -> None:
    assert jobtool("tag", "--nonsense").exit_code == 2
    assert jobtool("train").exit_code == 2
    assert jobtool("train", "x.csv", "--column", "text").exit_code == 2


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_the_plain_chain_takes_no_tags_file(jobs: Path, command: str) -> None:
    tags = jobs.with_name("tags.csv")
    tags.write_text("tag,words\ncook,kitchen\n")
    done = jobtool(command, jobs, "--tags", tags, "--plain-chain")
    assert done.exit_code == 2
    assert "takes nothing from the file of --tags" in " ".join(done.stderr.split())


@pytest.mark.parametrize("option", ["--output", "--report"])
@pytest.mark.parametrize("place", [".", "/", "", "folder"])
def test_a_folder_in_the_place_of_a_file_is_wrong_use(
    jobs: Path, option: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(jobs.parent)
    Path("folder").mkdir()
    command = "evaluate" if option == "--report" else "tag"
    done = jobtool(command, jobs, option, place)
    assert done.exit_code == 2
    assert "is a directory" in done.stderr


# ---- tag one posting


def test_a_posting_from_standard_input_gives_a_table(tiny_model: Path) -> None:
    done = jobtool("tag", "--model", tiny_model, stdin=NURSE)
    assert done.exit_code == 0
    assert done.stdout.split()[:4] == ["tag", "proba", "threshold", "verdict"]
    assert any(line.split()[::3] == ["pay-stated", "given"] for line in done.stdout.splitlines())


def test_a_file_and_standard_input_give_the_same_json(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "nurse.txt").write_text(NURSE)
    file = jobtool("tag", "--model", tiny_model, tmp_path / "nurse.txt", "--json")
    stdin = jobtool("tag", "--model", tiny_model, "-", "--json", stdin=NURSE)
    of_file, of_stdin = json.loads(file.stdout), json.loads(stdin.stdout)
    assert of_file.pop("id") == str(tmp_path / "nurse.txt")
    assert of_stdin.pop("id") == "standard input"
    assert of_file == of_stdin
    assert of_file.keys() == {"tags", "review", "scores", "without_labels"}
    assert of_file["without_labels"] is False


def test_a_model_without_labels_says_so_whatever_it_tags(
    tiny_model: Path, jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.display import NO_LABELS
    from tagger.model import TagModel

    monkeypatch.setattr(TagModel, "without_labels", True)
    assert NO_LABELS in jobtool("tag", "-m", tiny_model, stdin=NURSE).stdout
    one = json.loads(jobtool("tag", "-m", tiny_model, "--json", stdin=NURSE).stdout)
    assert one["without_labels"] is True
    printed = jobtool("tag", "-m", tiny_model, jobs)
    assert printed.stderr.startswith(f"{NO_LABELS}\n")
    assert [json.loads(line)["id"] for line in printed.stdout.splitlines()] == ["j0", "j1", "j2"]
    done = jobtool("tag", "-m", tiny_model, jobs, "-o", tmp_path / "tags.jsonl", "--json")
    assert NO_LABELS in done.stderr
    assert json.loads(done.stdout)["without_labels"] is True


def test_a_title_counts(tiny_model: Path) -> None:
    scores = [
        json.loads(jobtool("tag", "-m", tiny_model, "--json", *title, stdin=NURSE).stdout)["scores"]
        for title in ((), ("--title", "Accountant"))
    ]
    assert scores[0] != scores[1]


def test_explain_names_words_of_the_posting(tiny_model: Path) -> None:
    done = jobtool("tag", "-m", tiny_model, "--json", "--explain", stdin=NURSE)
    effects = dict(json.loads(done.stdout)["reasons"]["pay-stated"])
    assert max(effects, key=effects.__getitem__) in ("$38", "hr", "$38 hr")
    assert effects["$38"] > 0
    table = jobtool("tag", "-m", tiny_model, "--explain", stdin=NURSE).stdout
    assert "raised by" in table
    assert "$38 +" in table


def test_html_is_read_as_text(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "nurse.html").write_text(f"<p>{NURSE}</p>")
    html = jobtool("tag", "-m", tiny_model, tmp_path / "nurse.html", "--json").stdout
    text = jobtool("tag", "-m", tiny_model, "--json", stdin=NURSE).stdout
    assert json.loads(html)["tags"] == json.loads(text)["tags"]


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_posting_is_an_error(tiny_model: Path, text: str) -> None:
    done = jobtool("tag", "-m", tiny_model, stdin=text)
    assert (done.exit_code, done.stderr) == (1, "error: standard input: empty posting\n")


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0 nurse",
        b"<" * 100_000,
        b"<div>" * 50_000,
        b"night nurse " * 900_000,
        "\N{PILE OF POO}\u202e\ufeff".encode(),
    ],
    ids=["nul", "brackets", "deep", "10 MB", "signs"],
)
def test_a_strange_posting_is_tagged(tiny_model: Path, data: bytes) -> None:
    done = jobtool("tag", "-m", tiny_model, "--json", stdin=data)
    assert done.exit_code == 0, done.stderr
    assert all(0 <= proba <= 1 for proba in json.loads(done.stdout)["scores"].values())


def test_wrong_encodings_are_told_apart(tiny_model: Path) -> None:
    latin = "Café manager, £12 an hour".encode("cp1252")
    done = jobtool("tag", "-m", tiny_model, stdin=latin)
    assert done.exit_code == 1
    assert "standard input is not utf-8: byte 4 does not fit" in done.stderr
    assert jobtool("tag", "-m", tiny_model, "--encoding", "cp1252", stdin=latin).exit_code == 0
    assert (
        "unknown encoding" in jobtool("tag", "-m", tiny_model, "--encoding", "x", stdin="a").stderr
    )
    assert "UTF-16" in jobtool("tag", "-m", tiny_model, stdin=NURSE.encode("utf-16")).stderr


def test_options_for_files_are_refused_with_one_posting(tiny_model: Path, tmp_path: Path) -> None:
    done = jobtool("tag", "-m", tiny_model, "-o", tmp_path / "x.jsonl", stdin=NURSE)
    assert done.exit_code == 2


# ---- models


def test_a_missing_model_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    done = jobtool("tag", "-m", tmp_path / "none", stdin=NURSE)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("name another folder, or train one: jobtool train\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["tag", "info"])
def test_a_model_with_one_changed_byte_is_refused(
    tiny_model: Path, tmp_path: Path, command: str
) -> None:
    broken = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    data = bytearray((broken / "deep.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (broken / "deep.npz").write_bytes(data)
    done = jobtool(*(("info", broken) if command == "info" else ("tag", "-m", broken)), stdin=NURSE)
    assert done.exit_code == 1
    assert "is not what was saved" in done.stderr


def test_info_tells_tags_and_scores(tiny_model: Path) -> None:
    told = json.loads(jobtool("info", tiny_model, "--json").stdout)
    assert len(told["tags"]) == 16
    assert told["n_labelled"] > 100
    assert "pay-stated" in jobtool("info", tiny_model).stdout


# ---- tag a file of jobs


def test_a_file_is_tagged_in_its_order_and_rejects_are_exit_code_3(
    tiny_model: Path, tmp_path: Path
) -> None:
    source, output = tmp_path / "jobs.csv", tmp_path / "tags.jsonl"
    source.write_text('id,title,text\nb,Cook,"Cook, £12/hr"\nx,,\na,Nurse,Night nurse\n')
    (tmp_path / "tags.jsonl.rejects.jsonl").write_text("of an earlier run")
    done = jobtool("tag", "-m", tiny_model, source, "-o", output)
    assert (done.exit_code, done.stdout) == (3, f"Tagged 2 jobs: {output}\n")
    assert [row["id"] for row in read_lines(output)] == ["b", "a"]
    assert "1 rejected row" in done.stderr
    reject = read_lines(tmp_path / "tags.jsonl.rejects.jsonl")
    assert [(row["line"], row["id"], row["reason"]) for row in reject] == [
        (3, "x", "empty posting")
    ]
    assert not list(tmp_path.glob("*.part"))


def test_rows_are_those_of_one_posting_alone(tiny_model: Path, jobs: Path) -> None:
    lines = jobtool("tag", "-m", tiny_model, jobs, "--explain").stdout.splitlines()
    alone = jobtool(
        "tag", "-m", tiny_model, "--json", "--title", "Cook", "--explain", stdin="Cook number 1"
    )
    other = {"id": "standard input", "without_labels": False}
    assert {**json.loads(lines[1]), **other} == json.loads(alone.stdout)


def test_other_column_names_are_named(tiny_model: Path, tmp_path: Path) -> None:
    source = tmp_path / "jobs.csv"
    source.write_text("nr,body\n7,Night nurse\n")
    done = jobtool("tag", "-m", tiny_model, source, "-c", "text=body", "-c", "id=nr")
    assert json.loads(done.stdout)["id"] == "7"
    done = jobtool("tag", "-m", tiny_model, source)
    assert done.exit_code == 1
    assert "has no column 'text'" in done.stderr
    assert "unknown column" in jobtool("tag", "-m", tiny_model, source, "-c", "txt=body").stderr


def test_a_failure_leaves_an_older_output_alone(tiny_model: Path, jobs: Path) -> None:
    output = jobs.with_name("tags.csv.gz")
    assert jobtool("tag", "-m", tiny_model, jobs, "-o", output).exit_code == 0
    before = output.read_bytes()
    assert gzip.decompress(before).startswith(b"id,tags,review,score:degree-required,")
    jobs.write_text('{"id": "1"}\n')
    assert jobtool("tag", "-m", tiny_model, jobs, "-o", output).exit_code == 1
    assert output.read_bytes() == before
    assert not output.with_name("tags.csv.gz.part").exists()


def test_input_is_never_overwritten(tiny_model: Path, jobs: Path) -> None:
    before = jobs.read_bytes()
    for options in (("-o", jobs), ("--rejects", jobs)):
        done = jobtool("tag", "-m", tiny_model, jobs, *options)
        assert done.exit_code == 1
        assert "would be overwritten" in done.stderr
    assert jobs.read_bytes() == before


# ---- train


def test_train_refuses_to_replace_what_is_no_model(tmp_path: Path, jobs: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    done = jobtool("train", jobs, "--model", tmp_path / "mine")
    assert done.exit_code == 1
    assert "exists and is not a model" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_train_says_what_is_missing(tmp_path: Path, jobs: Path) -> None:
    done = jobtool("train", jobs, "--model", tmp_path / "model")
    assert done.exit_code == 1
    assert "has a tag, and no tags were named: nothing to learn from" in done.stderr
    assert not (tmp_path / "model").exists()


def test_train_tells_of_rejected_rows_even_if_it_fails(tmp_path: Path) -> None:
    rows = ({"id": 1, "text": "a"}, {"id": 2, "text": None})
    done = jobtool("train", write_jobs(tmp_path / "jobs.jsonl", *rows), "-m", tmp_path / "model")
    assert done.exit_code == 1
    assert "1 rejected row:" in done.stderr
    assert "error: none of the 1 jobs has a tag" in done.stderr


def test_train_refuses_a_place_without_a_name_before_any_work(jobs: Path) -> None:
    done = jobtool("train", jobs, "--model", ".", "--rejects", jobs.with_name("rejects.jsonl"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: can't put a model in the place of .")


# ---- evaluate


@pytest.fixture(scope="module")
def some_jobs(tiny_demo: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some jobs of the demo, as a file."""
    rows = [
        {"id": job.id, "title": job.title, "text": job.text, "tags": job.tags}
        | ({} if job.not_tags is None else {"not_tags": job.not_tags})
        for job in tiny_demo.labelled[:60]
    ]
    return write_jobs(tmp_path_factory.mktemp("held") / "jobs.jsonl", *rows)


def test_evaluate_shows_a_saved_model_beside_simpler_methods(
    tiny_model: Path, some_jobs: Path
) -> None:
    report = some_jobs.with_name("report.html")
    done = jobtool("evaluate", some_jobs, "--model", tiny_model, "--report", report)
    assert done.exit_code == 0, done.stderr
    assert "Use jobs that the model was not trained on" in done.stderr
    assert "mean AP" in done.stdout
    assert "pay-stated" in done.stdout
    assert report.read_text("utf-8").startswith("<!")


def test_evaluate_prints_json(tiny_model: Path, some_jobs: Path) -> None:
    told = json.loads(jobtool("evaluate", some_jobs, "--model", tiny_model, "--json").stdout)
    assert told["summary"]["mean_average_precision"] > 0.3
    assert len(told["tags"]) == 16


def test_a_model_is_evaluated_on_the_other_names_of_its_tags(
    some_jobs: Path, tmp_path: Path, tiny_tagger: object
) -> None:
    from tagger.model import TagModel

    known = tiny_tagger.model_
    infos = [
        {**said, "aliases": ["nursing"]} if said["tag"] == "care" else said
        for said in known.meta["tag_info"]
    ]
    TagModel.of(known.arrays, {**known.meta, "tag_info": infos}).save(tmp_path / "model")
    rows = ({"text": f"ward {n}", "tags": ["nursing", "Remote"] if n % 2 else []} for n in range(4))
    jobs = write_jobs(tmp_path / "new.jsonl", *rows)
    done = jobtool("evaluate", jobs, "--model", tmp_path / "model", "--json")
    assert done.exit_code == 0, done.stderr
    support = {row["tag"]: row["support"] for row in json.loads(done.stdout)["tags"]}
    assert (support["care"], support["remote"]) == (2, 2)


def test_a_tag_that_the_model_does_not_know_is_unknown_and_told_of(
    tiny_model: Path, some_jobs: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.jsonl"
    odd.write_text(some_jobs.read_text("utf-8") + '{"text": "a zoo", "tags": ["zoo"]}\n', "utf-8")
    done = jobtool("evaluate", odd, "--model", tiny_model)
    assert done.exit_code == 0
    assert "unknown tag 'zoo'" in done.stderr
    assert "rejected" not in done.stderr


def test_help_lists_each_command_under_one_task():
    from jobtool.tasks import TASKS

    names = [name for group in TASKS.values() for name in group]
    assert sorted(names) == sorted(COMMANDS)
    assert get_command(cli.app).commands.keys() == set(COMMANDS)  # type: ignore[attr-defined]
    told = CliRunner().invoke(cli.app, ["--help"]).stdout
    assert all(f"{task}:\n" in told for task in TASKS)
    assert all(f"\n  {name} " in told for name in names)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str):
    told = CliRunner().invoke(
        cli.app, [], prog_name="jobtool", env={"_JOBTOOL_COMPLETE": f"source_{shell}"}
    )
    assert "_JOBTOOL_COMPLETE" in told.stdout
