"""`jobtool label --words` as a user runs it, but for the terminal."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

import cli
from db.columns import WordVerdict
from db.engine import open_engine, writing
from db.migrate import upgrade
from db.tag_info import say_word
from tests.db.made_up import NO, YES, add_jobs, add_tags, say


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database with all tables and nothing in them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "jobs.db")
    engine = open_engine("jobs.db")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def postings(engine: Engine) -> Engine:
    """Two tags, and 12 postings that nobody has labelled: the even ones are for nurses."""
    with writing(engine) as session:
        add_tags(session, "nurse", "driver")
        for place, job in enumerate(add_jobs(session, *map(str, range(12)))):
            texts = ("Nurse. Nights on a <b>ward</b>.", "Driver. Parcels, by van.")
            job.title, job.text = "", texts[place % 2]
    return engine


def jobtool(*args: str) -> Result:
    return CliRunner().invoke(cli.app, args)


def listed(*args: str) -> list[dict[str, object]]:
    done = jobtool("label", "--words", "--json", *args)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["found"] == len(told["words"])
    return told["words"]


@pytest.mark.usefixtures("postings")
def test_without_labels_and_model_the_names_give_words():
    done = jobtool("label", "--words", "--list")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("nurse  nights on a ward: for?  ")
    assert lines[0].endswith("postings that fit the tag's name best, 0 of 6 others")
    assert lines[1] == "    Nurse. Nights on a ward."
    assert lines[2].startswith("driver  parcels by van: for?  ")
    assert lines[-1] == "2 words: jobtool label --words asks about them"


def test_labels_give_words_against_a_tag_too(postings: Engine):
    with writing(postings) as session:
        for job_id in range(1, 13):
            say(session, job_id, 1, YES if job_id % 2 else NO)
    first, *others = listed("--tag", "nurse")
    assert (first["word"], first["by"]) == ("nights on a ward", "labels")
    assert (first["with_tag"], first["without_tag"]) == ([6, 6], [0, 6])
    assert "against" in [word["verdict"] for word in others]


@pytest.mark.usefixtures("postings")
def test_one_tag_and_a_limit():
    assert [word["tag"] for word in listed("--tag", "driver")] == ["driver"]
    assert [word["tag"] for word in listed("--limit", "1")] == ["nurse"]


def test_judged_words_are_not_listed_again(postings: Engine):
    with writing(postings) as session:
        say_word(session, "nurse", "nights on a ward", WordVerdict.REJECTED, "anna")
    assert "nights on a ward" not in [word["word"] for word in listed("--tag", "nurse")]


def test_accepted_words_are_exported(postings: Engine):
    with writing(postings) as session:
        say_word(session, "nurse", "ward", WordVerdict.FOR, "anna")
        say_word(session, "nurse", "van", WordVerdict.AGAINST, "anna")
        say_word(session, "nurse", "parcels", WordVerdict.REJECTED, "anna")
    assert "nurse,,,ward; -van,\n" in jobtool("tags", "export").stdout


@pytest.mark.usefixtures("engine")
def test_without_tags_it_says_what_to_do():
    done = jobtool("label", "--words", "--list")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there are no tags yet: jobtool tags add")


def test_without_postings_it_says_what_to_do(engine: Engine):
    with writing(engine) as session:
        add_tags(session, "nurse")
    done = jobtool("label", "--words", "--list")
    assert done.exit_code == 1
    assert done.stderr == "error: there are no postings yet: jobtool import jobs\n"


def test_a_name_that_no_posting_says_has_no_words(postings: Engine):
    with writing(postings) as session:
        add_tags(session, "xyzzy")
    assert listed("--tag", "xyzzy") == []
    done = jobtool("label", "--words", "--list", "--tag", "xyzzy")
    assert done.stdout.startswith("No word stands out")


@pytest.mark.usefixtures("postings")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--words", "--list", "--tag", "typo"), "unknown tag 'typo'"),
        (("--words",), "done at a terminal"),
    ],
)
def test_what_can_not_be_is_told_in_one_line(options: tuple[str, ...], problem: str):
    done = jobtool("label", *options)
    assert done.exit_code == 1
    assert problem in done.stderr


@pytest.mark.parametrize("options", [("--list",), ("--json",), ("--words", "--second")])
def test_options_that_do_not_fit_are_misuse(options: tuple[str, ...]):
    assert jobtool("label", *options).exit_code == 2
