"""Commands about people and what they say, as a user runs them."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

import cli
from db.engine import open_engine, reading, writing
from db.migrate import upgrade
from db.schema import Candidate, Job
from tests.db.made_up import NO, YES, add_champion, add_jobs, add_tags, say

CARE = "nurse hospital ward patients clinic medicine wounds elderly therapy nursing".split()
ROADS = "driver van parcels licence truck route loading depot deliver roads".split()
FILLING = "team pay holidays training weekly early late office benefits growing busy city".split()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Two jobs, of which a is disputed, a model that saw it, and a candidate."""
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", str(tmp_path / "jobs.db"))
    engine = open_engine(str(tmp_path / "jobs.db"))
    upgrade(engine)
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        a, b = add_jobs(session, "a", "b")
        add_jobs(session, "a again", canonical=a)
        for job, answer in ((a, NO), (b, YES)):
            say(session, job, remote, YES, "anna")
            say(session, job, remote, answer, "ben")
        add_champion(session, {"remote": 0.5}, job_ids=[a.id])
        session.add(Candidate(external_id="p1", text="resume", imported_at=a.imported_at))
    yield engine
    engine.dispose()


def jobtool(*args: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, [str(arg) for arg in args], input=stdin)


def job_names(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return sorted(job.external_id for job in session.query(Job))


@pytest.mark.usefixtures("engine")
def test_agreement_is_a_table_with_disagreements_on_demand():
    done = jobtool("agreement", "--list")
    assert done.exit_code == 0
    lines = [line.split()[:4] for line in done.stdout.splitlines()]
    assert ["remote", "2", "50.0%", "0.000"] in lines
    assert "  a  remote: anna yes, ben no" in done.stdout.splitlines()
    assert "a  remote" not in jobtool("agreement").stdout


@pytest.mark.usefixtures("engine")
def test_agreement_as_json():
    told = json.loads(jobtool("agreement", "--json").stdout)
    assert told["labellers"] == {"anna": 2, "ben": 2}
    assert told["agreement"][1]["tag"] == "remote"
    assert told["disagreements"] == [
        {"job": "a", "tag": "remote", "said": {"anna": "yes", "ben": "no"}}
    ]


@pytest.mark.usefixtures("engine")
def test_history_tells_who_said_what():
    lines = jobtool("history", "a").stdout.splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [
        "anna (person)  remote: yes",
        "ben (person)  remote: no",
    ]
    told = json.loads(jobtool("history", "a", "--json").stdout)
    assert told["history"][1]["after"] == "no"


@pytest.mark.usefixtures("engine")
def test_tags_are_added_renamed_aliased_and_retired():
    for command in (
        ("add", "night", "weekend"),
        ("rename", "remote", "home-office"),
        ("alias", "night", "nights"),
        ("retire", "weekend"),
    ):
        assert jobtool("tags", *command).exit_code == 0
    told = json.loads(jobtool("tags", "list", "--json").stdout)["tags"]
    assert [(tag["name"], tag["aliases"]) for tag in told] == [
        ("home-office", ["remote"]),
        ("night", ["nights"]),
        ("weekend", []),
    ]
    lines = jobtool("tags", "list").stdout.splitlines()
    assert lines[2].split() == ["home-office", "1", "0", "1", "also", "remote"]
    assert "retired" in lines[4]


def test_forgetting_asks_first(engine: Engine):
    done = jobtool("forget", "job", "a", stdin="n\n")
    assert done.exit_code == 1
    assert "Remove job a with 2 labels" in done.stderr
    assert job_names(engine) == ["a", "a again", "b"]


def test_forgetting_a_job_tells_of_reposts_and_models(engine: Engine):
    done = jobtool("forget", "job", "a", "--yes")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Removed job a with 2 labels",
        "Reposts that say nearly the same stay: a again (--with-reposts removes them too)",
        "Model 1 saw it (m1, champion, anchor)",
        "Next: jobtool retrain --fresh (without --fresh a model goes on from the codes of the one "
        "before), then jobtool models prune --keep 0",
    ]
    assert job_names(engine) == ["a again", "b"]


def test_forgetting_a_job_with_its_reposts_as_json(engine: Engine):
    done = jobtool("forget", "job", "a", "--with-reposts", "--yes", "--json")
    told = json.loads(done.stdout)
    assert (told["counts"]["labels"], told["reposts"], told["wiped"]) == (2, [], True)
    assert told["models"][0]["folder"] == "m1"
    assert job_names(engine) == ["b"]


def test_forgetting_a_candidate(engine: Engine):
    assert jobtool("forget", "candidate", "p1", "-y").stdout == "Removed candidate p1\n"
    with reading(engine) as session:
        assert session.query(Candidate).count() == 0


@pytest.mark.usefixtures("engine")
def test_forgetting_what_is_not_there_is_an_error():
    done = jobtool("forget", "job", "x", "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no job 'x'")


@pytest.mark.usefixtures("engine")
def test_traces_can_be_overwritten_later():
    assert jobtool("forget", "traces").stdout == "Done\n"


def test_labelling_without_a_terminal_and_with_two_modes_are_refused():
    assert jobtool("label", "--second", "--disputed").exit_code == 2


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
@pytest.mark.usefixtures("eager")
def test_suspects_are_found_by_cross_fitting(engine: Engine, tiny_tagger, tmp_path):
    tiny_tagger.save(tmp_path / "jobs.models" / "tiny")
    with writing(engine) as session:
        (care,) = add_tags(session, "care")
        add_champion(session, {"care": 0.5}, folder="tiny")
        rng, jobs = Random(0), add_jobs(session, *(f"t{n}" for n in range(120)))
        for n, job in enumerate(jobs):  # every third is about care; the first is said not to be
            words = CARE if n % 3 == 0 else ROADS
            job.text = " ".join([*rng.sample(words, 5), *rng.sample(FILLING, 6)])
            say(session, job, care, YES if n and n % 3 == 0 else NO)
    done = jobtool("suspects", "--json")
    assert done.exit_code == 0
    first = json.loads(done.stdout)["suspects"][0]
    assert (first["job"], first["tag"], first["answer"]) == ("t0", "care", "no")
    assert first["labellers"] == ["anna"]
    assert "t0  care: no (anna), probability" in jobtool("suspects").stdout


def test_without_labels_nothing_is_suspected(tmp_path: Path):
    jobtool("db", "upgrade", "--db", tmp_path / "new.db")
    done = jobtool("suspects", "--db", tmp_path / "new.db")
    assert done.stdout == "No label looks wrong\n"
