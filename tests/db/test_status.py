"""The figures of `jobtool status`."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, update

from db.batches import set_state
from db.columns import Answer, Source
from db.engine import reading, writing
from db.labelling import Settings, label
from db.labels import Batches, Said, find_tags, record, undo
from db.queue import claim, enqueue_missing
from db.registry import CHALLENGER, set_alias
from db.runs import running
from db.schema import Job, Label, Model, QueuedJob, Run
from db.status import status
from tests.db import made_up
from tests.db.worker import ByLength, add_jobs, add_model


def of(engine: Engine) -> dict[str, object]:
    with reading(engine) as session:
        return status(session)


def say(engine: Engine, job_id: int, tag: str) -> None:
    with writing(engine) as session:
        tag_id = find_tags(session, [tag], create=True)[tag].id
        record(session, [Said(job_id, tag_id, Answer.YES, "ann", Source.PERSON)], Batches("a test"))


def test_an_empty_database_has_nothing_and_no_model(engine: Engine) -> None:
    found = of(engine)
    assert found["jobs"] == found["labelled"] == found["tags"] == found["running_batches"] == 0
    assert found["live_model"] is found["predicted"] is found["queue_age_s"] is None


def test_jobs_reposts_and_labelled_jobs_are_counted(engine: Engine) -> None:
    add_jobs(engine, 4)
    say(engine, 1, "long")
    say(engine, 1, "short")
    say(engine, 2, "long")
    with writing(engine) as session:
        session.execute(update(Job).where(Job.id == 4).values(canonical_id=1))
        undo(session, session.get_one(Label, 3))
    found = of(engine)
    assert (found["jobs"], found["reposts"], found["labelled"], found["tags"]) == (4, 1, 1, 2)


def test_review_counts_jobs_in_doubt_of_which_nobody_has_spoken(
    engine: Engine, tmp_path: Path
) -> None:
    add_jobs(engine, 22)  # the model is in doubt of texts of 20 characters
    add_model(engine, tmp_path, "first")
    label(engine, ByLength, Settings(store=tmp_path))
    before = of(engine)
    say(engine, 21, "long")
    assert (before["predicted"], before["queued"]) == (22, 0)
    assert of(engine)["needs_review"] == before["needs_review"] - 1
    with writing(engine) as session:
        set_state(session, 1, hold=True, by="ann")  # as if nobody had spoken
    after = of(engine)
    assert after["needs_review"] == before["needs_review"]
    assert (after["held_batches"], after["held_labels"], after["labelled"]) == (1, 1, 0)


def test_the_queue_has_an_age_and_running_batches(engine: Engine, tmp_path: Path) -> None:
    add_jobs(engine, 5)
    model_id = add_model(engine, tmp_path, "first")
    with writing(engine) as session:
        enqueue_missing(session, model_id)
        claim(session, model_id, "me", n_jobs=2, n_chars=1000, lease_s=60)
        oldest = session.get_one(QueuedJob, (model_id, 5))
        oldest.queued_at -= timedelta(hours=1)
    found = of(engine)
    assert (found["queued"], found["running_batches"]) == (5, 1)
    assert 3600 <= found["queue_age_s"] < 3700


def test_models_are_named(engine: Engine, tmp_path: Path) -> None:
    live = add_model(engine, tmp_path, "first")
    other = add_model(engine, tmp_path, "second", live=False)
    with writing(engine) as session:
        set_alias(session, CHALLENGER, session.get_one(Model, other))
    found = of(engine)
    assert (found["live_model"]["id"], found["live_model"]["folder"]) == (live, "first")
    assert found["challenger"]["id"] == other
    assert found["last_verdict"] is None


def test_it_tells_whether_labelling_more_helps(engine: Engine) -> None:
    assert of(engine)["labelling"] is None
    with writing(engine) as session:
        (remote,) = made_up.add_tags(session, "remote")
        first = made_up.add_champion(session, {"remote": 0.5})
        made_up.retrained(session, first)
        for job in made_up.add_jobs(session, *map(str, range(50))):
            made_up.say(session, job, remote, Answer.YES)
        second = made_up.add_champion(session, {"remote": 0.5})
        made_up.retrained(session, second, champion_id=first.id, gain=(0.0, -0.01, 0.001))
    assert str(of(engine)["labelling"]).endswith("has stopped helping.")


def test_a_retrain_at_work_is_shown(engine: Engine) -> None:
    assert of(engine)["retrain"] is None
    with running(engine, reason="asked for"):
        found = of(engine)["retrain"]
        assert (found["reason"], found["is_alive"]) == ("asked for", True)
        with writing(engine) as session:
            session.get_one(Run, found["id"]).lease_until -= timedelta(hours=1)
        assert not of(engine)["retrain"]["is_alive"]


def test_it_tells_what_put_the_model_live(engine: Engine, tmp_path: Path) -> None:
    add_model(engine, tmp_path, "first")
    assert of(engine)["live_model"]["live_by"] == "a test"
