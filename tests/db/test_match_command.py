"""`jobtool match` on SQLite and PostgreSQL."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, insert, select, update
from typer.testing import CliRunner, Result

import cli
from db.engine import reading, writing
from db.match_tables import Embedding, MatchModel, Recommendation
from db.schema import Candidate, Event, Job, ModelAlias
from matcher import recommending, registry, spaces
from matcher.data import ACTIONS, join
from tests.db.made_up import add_champion
from tests.matcher.leaning import Leaning
from tests.matcher.made_up import made_up

DATA = made_up(20, 12)
RUN = [sys.executable, "-c", "import cli; cli.main()", "match"]


def two_numbers(texts):
    return np.array([[len(title) + 1, len(text)] for title, text in texts], np.float32)


two_numbers.identity = "two numbers"  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def leaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.MODELS, "leaning", "tests.matcher.leaning:Leaning")
    monkeypatch.setitem(spaces.SPACES, "leaning", {"weight": spaces.Span(0.0, 1.0)})


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Made-up candidates, jobs and events."""
    now = datetime.now(UTC)
    with writing(engine) as session:
        for table, side, more in (
            (Job, DATA.jobs, {"title": "Cook", "text_hash": bytes(16)}),
            (Candidate, DATA.candidates, {}),
        ):
            texts = side.fields["category"]
            rows = [
                {"external_id": id, "text": text, "imported_at": now, **more}
                for id, text in zip(side.ids, texts, strict=True)
            ]
            session.execute(insert(table), rows)
        jobs, people = (
            dict(session.execute(select(table.external_id, table.id)).all())
            for table in (Job, Candidate)
        )
        columns = (DATA.events.candidates, DATA.events.jobs, DATA.events.actions, DATA.events.times)
        rows = [
            {
                "key": str(number),
                "candidate_id": people[DATA.candidates.ids[c]],
                "job_id": jobs[DATA.jobs.ids[j]],
                "action": str(ACTIONS[action]),
                "occurred_at": datetime.fromtimestamp(time, UTC),
            }
            for number, (c, j, action, time) in enumerate(zip(*columns, strict=True))
        ]
        session.execute(insert(Event), rows)
    return engine


@pytest.fixture
def where(filled: Engine, url: str, tmp_path: Path) -> list[str]:
    return ["--db", url, "--store", str(tmp_path / "models")]


@pytest.fixture
def tagged(filled: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A live tagger whose codes are two numbers."""
    with writing(filled) as session:
        add_champion(session, {})
    monkeypatch.setattr("db.match_store.check_folder", lambda model, folder: None)
    monkeypatch.setattr(cli.Tagging, "encoder", lambda self, folder: two_numbers)


def match(*args: object) -> Result:
    return CliRunner().invoke(cli.app, ["match", *(str(arg) for arg in args)])


def told(*args: object) -> dict:
    done = match(*args, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def n_rows(engine: Engine, table: type) -> int:
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table))


def test_training_puts_a_model_into_the_store_and_a_row_beside_it(filled, where, tmp_path):
    found = told("train", "popularity", *where)
    assert (found["n_events"], found["number"]) == (len(DATA.events), 1)
    assert (tmp_path / "models" / found["saved"] / "meta.json").is_file()
    with reading(filled) as session:
        model = session.scalars(select(MatchModel)).one()
        assert (model.name, model.metrics["n_jobs"], model.last_candidate) == ("popularity", 12, 20)
        assert model.events_until.timestamp() == pytest.approx(DATA.events.times.max(), abs=1)


def test_a_database_and_files_give_the_same_lists(filled, where):
    told("train", "popularity", *where)
    found = told("predict", "--candidate", "c3", "-k", 4, *where)
    from matcher.popularity import Popularity
    from matcher.predict import Wanted, iter_jobs_for

    model = Popularity().fit(DATA)
    ((_, places),) = iter_jobs_for(model, DATA, np.array([3]), Wanted(k=4))
    expected = [(DATA.jobs.ids[place.job], place.score) for place in places]
    assert [(row["job"], row["score"]) for row in found] == expected


def test_lists_of_everyone_are_stored_with_model_score_rank_and_time(filled, where):
    told("train", "popularity", *where)
    found = told("predict", "--all", "-k", 3, *where)
    assert found["candidates"] == 20
    assert n_rows(filled, Recommendation) == found["rows"] > 50
    with reading(filled) as session:
        first = session.scalars(select(Recommendation)).first()
        assert (datetime.now(UTC) - first.computed_at).total_seconds() < 600
    told("predict", "--all", "-k", 1, *where)
    assert n_rows(filled, Recommendation) == 20


def test_one_list_is_stored_only_if_asked(filled, where):
    told("train", "popularity", *where)
    told("predict", "--candidate", "c1", *where)
    assert n_rows(filled, Recommendation) == 0
    told("predict", "--job", "j1", "-k", 2, "--save", *where)
    told("predict", "--candidate", "c1", "--candidate", "c1", "-k", 2, "--save", *where)
    assert n_rows(filled, Recommendation) == 4


def test_an_interrupted_run_says_so_and_goes_on(filled, where, monkeypatch):
    told("train", "popularity", *where)
    monkeypatch.setattr("matcher.predict.candidates_at_once", lambda data: 8)
    real, calls = recommending.Lister.save, []

    def stops(self, *args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(recommending.Lister, "save", stops)
        done = match("predict", "--all", "-k", 1, *where)
    assert done.exit_code == 130
    assert "lists of 8 candidates are stored; run it again with --resume to go on" in done.stderr
    assert told("predict", "--all", "-k", 1, "--resume", *where)["candidates"] == 12
    assert n_rows(filled, Recommendation) == 20
    with monkeypatch.context() as patch:
        calls.clear()
        patch.setattr(recommending.Lister, "save", stops)
        match("predict", "--all", "-k", 1, *where)
    assert told("predict", "--all", "-k", 1, "--resume", *where)["candidates"] == 12


@pytest.mark.usefixtures("tagged")
def test_codes_of_the_live_tagger_are_used_at_once_for_new_jobs(filled, where):
    found = told("train", "leaning", *where)
    assert (found["codes"], found["n_numbers"]) == ("code version 1", 2)
    with writing(filled) as session:
        new = {"external_id": "new", "title": "Nurse", "text": "just posted"}
        session.add(Job(**new, text_hash=bytes(16), imported_at=datetime.now(UTC)))
    rows = told("predict", "--candidate", "c1", "-k", 20, *where)
    assert "new" in [row["job"] for row in rows]


@pytest.mark.usefixtures("tagged")
def test_a_model_of_other_codes_is_refused_until_it_is_trained_again(filled, where):
    told("train", "leaning", *where)
    with writing(filled) as session:
        other = add_champion(session, {}, folder="other")
        session.execute(update(ModelAlias).values(model_id=other.id))
    done = match("predict", "--candidate", "c1", *where)
    assert done.exit_code == 1
    assert "of 2 numbers by code version 1, these have 2 and are by code version 2" in done.stderr
    told("train", "leaning", *where)
    assert match("predict", "--candidate", "c1", *where).exit_code == 0


def test_titles_stand_beside_jobs_and_words_say_what_a_score_is(filled, where):
    told("train", "popularity", *where)
    done = match("predict", "--candidate", "c1", "-k", 2, *where)
    _, meaning, *places = done.stdout.splitlines()
    assert meaning.startswith("A score orders one list")
    assert [place.split()[-1] for place in places] == ["Cook", "Cook"]


@pytest.mark.usefixtures("tagged")
def test_vectors_are_published_and_resumed(filled, where, monkeypatch):
    told("train", "leaning", *where)
    monkeypatch.setenv("JOBTOOL_DEBUG", "1")  # the error comes as it is
    monkeypatch.setattr("matcher.publishing.AT_ONCE", 8)
    real = Leaning.embed
    monkeypatch.setattr(
        Leaning,
        "embed",
        lambda self, data, people, times=None: (
            real(self, data, people) if 19 not in people else 1 / 0
        ),
    )
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(cli.app, ["match", "embed", *where], catch_exceptions=False)
    monkeypatch.setattr(Leaning, "embed", real)
    assert n_rows(filled, Embedding) == 16
    assert told("embed", "--resume", *where)["candidates"] == 4
    told("embed", "--name", "other", *where)
    assert n_rows(filled, Embedding) == 40


def test_without_a_trained_model_it_says_what_to_do(where):
    done = match("predict", "--all", *where)
    assert (done.exit_code, done.stderr.count("error")) == (1, 1)
    assert "there is no matching model yet: jobtool match train" in done.stderr


def test_a_folder_in_the_place_of_the_store_is_refused(where):
    done = match("train", "popularity", "--model", "here", *where)
    assert done.exit_code == 2


def test_older_models_are_pruned(filled, where, tmp_path):
    told("train", "popularity", *where)
    newest = told("train", "popularity", *where)["saved"]
    found = told("prune", *where)
    assert (len(found["removed"]), found["kept"]) == (1, [newest])
    assert [path.name for path in (tmp_path / "models").iterdir()] == [newest]


def test_events_of_a_program_are_left_out_and_reported(filled, where, monkeypatch):
    most = int(np.bincount(DATA.events.candidates).max())
    monkeypatch.setitem(join.__kwdefaults__, "max_events", most - 1)
    done = match("train", "popularity", *where)
    assert done.exit_code == 0
    assert f"are of candidates with more than {most - 1} each, as only" in done.stderr


def test_events_in_the_future_or_of_unknown_actions_are_counted(filled, where):
    with writing(filled) as session:
        ids = {"candidate_id": 1, "job_id": 1}
        late = datetime(2999, 1, 1, tzinfo=UTC)
        session.add(Event(key="x", action="view", occurred_at=late, **ids))
        session.add(Event(key="y", action="dance", **ids))
    done = match("train", "popularity", *where)
    n = len(DATA.events) + 2
    assert f"1 of {n:,} events lie in the future" in done.stderr
    assert f"1 of {n:,} events have an unknown action" in done.stderr


def test_a_database_without_events_is_one_clear_error(url, engine, tmp_path):
    done = match("train", "popularity", "--db", url, "--store", tmp_path)
    assert done.exit_code == 1
    assert "no event can be used of 0: none came" in done.stderr


@pytest.mark.usefixtures("tagged")
def test_a_search_lives_in_the_database(filled, where):
    options = ("--splits", 2, "--max-questions", 5, *where)
    assert told("tune", "leaning", "--trials", 2, *options)["n_finished"] == 2
    assert told("tune", "leaning", "--trials", 3, *options)["n_finished"] == 3
    done = CliRunner().invoke(cli.app, ["db", "check", "--db", where[1]])
    assert done.exit_code == 0, done.output


def test_two_processes_share_one_search(where, tmp_path):
    """Of our own registry, so with a script that knows the tiny model."""
    script = (
        "import numpy as np, sys, cli\n"
        "from matcher import registry, spaces\n"
        "registry.MODELS['leaning'] = 'tests.matcher.leaning:Leaning'\n"
        "spaces.SPACES['leaning'] = {'weight': spaces.Span(0.0, 1.0)}\n"
        "from tests.matcher.leaning import Leaning\n"
        "Leaning.fit = lambda self, data, show_progress=False: self\n"
        "Leaning.score_jobs = lambda self, data, people, times=None: np.zeros("
        "(len(people), len(data.jobs)))\n"
        "cli.main()"
    )
    args = ["match", "tune", "leaning", "--trials", "8", "--splits", "1", *where, "--json"]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    found = [json.loads(stdout) for stdout, _ in outputs]
    assert [one["n_finished"] for one in found] == [8, 8]
