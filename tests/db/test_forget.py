"""Forgetting people and postings, so that nothing of them is left."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from db.engine import open_engine, reading, writing
from db.errors import StoreError
from db.forget import find_candidate, find_job, remove, wipe
from db.migrate import upgrade
from db.reposts import Posting, link
from db.schema import Base, Candidate, Event, Job, JobBand, Prediction, QueuedJob
from tests.db.made_up import YES, add_champion, add_jobs, add_tags, predict, say

SECRET = "zanzibarquince"


def forget_job(engine: Engine, name: str, *, with_reposts: bool = False) -> None:
    with writing(engine) as session:
        remove(session, find_job(session, name, with_reposts=with_reposts))


def count(engine: Engine, table: type[Base]) -> int:
    with reading(engine) as session:
        return len(session.execute(select(table)).all())


def fill(engine: Engine) -> None:
    """A secret job that everything is known of, another job, and a candidate who saw both."""
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        secret, other = add_jobs(session, SECRET, "other")
        model = add_champion(session, {"remote": 0.5}, job_ids=[secret.id])
        for job in (secret, other):
            predict(session, model, job, {remote: 0.9}, code=[1, 0])
            say(session, job, remote, YES)
            session.add(JobBand(band=7, job_id=job.id))
            session.add(QueuedJob(model_id=model.id, job_id=job.id, queued_at=job.imported_at))
        person = Candidate(external_id="p1", text="a resume", imported_at=secret.imported_at)
        session.add(person)
        session.flush()
        for job in (secret, other):
            event = Event(key=f"e{job.id}", candidate_id=person.id, job_id=job.id, action="view")
            session.add(event)


def test_all_that_belongs_to_a_job_goes_with_it(engine: Engine):
    fill(engine)
    forget_job(engine, SECRET)
    for table in Base.metadata.sorted_tables:
        if "job_id" not in table.c or table.name == "runs":
            continue
        with reading(engine) as session:
            left = session.execute(select(table.c.job_id).distinct()).scalars().all()
        with reading(engine) as session:
            (other,) = session.scalars(select(Job.id))
        assert left in ([other], []), table.name
    assert count(engine, Prediction) == 1


def test_what_goes_and_who_saw_it_is_told(engine: Engine):
    fill(engine)
    with reading(engine) as session:
        found = find_job(session, SECRET)
    counts = {name: n for name, n in found.counts.items() if n}
    assert counts == {"labels": 1, "predictions": 1, "codes": 1, "events": 1}
    (model,) = found.models
    assert (model.folder, model.alias, model.is_pruned) == ("m1", "champion, anchor", False)


def test_a_model_has_seen_what_it_learned_from_and_nothing_else(engine: Engine):
    fill(engine)
    with reading(engine) as session:
        assert len(find_job(session, SECRET).models) == 1
        assert find_job(session, "other").models == ()


def test_a_candidate_goes_with_its_events(engine: Engine):
    fill(engine)
    with writing(engine) as session:
        found = find_candidate(session, "p1")
        remove(session, found)
    assert {name: n for name, n in found.counts.items() if n} == {"events": 2}
    assert (count(engine, Candidate), count(engine, Event), count(engine, Job)) == (0, 0, 2)


@pytest.mark.parametrize("find", [find_job, find_candidate])
def test_what_is_not_there_is_an_error(engine: Engine, find):
    with pytest.raises(StoreError, match=r"there is no .* 'nobody'"), reading(engine) as session:
        find(session, "nobody")


def canonical_of(engine: Engine) -> dict[str, str | None]:
    with reading(engine) as session:
        jobs = {job.id: job for job in session.scalars(select(Job))}
    return {
        job.external_id: jobs[job.canonical_id].external_id if job.canonical_id else None
        for job in jobs.values()
    }


def test_the_oldest_repost_takes_the_place_of_a_canonical_job(engine: Engine):
    with writing(engine) as session:
        (first,) = add_jobs(session, "first")
        add_jobs(session, "second", "third", "fourth", canonical=first)
    with reading(engine) as session:
        assert find_job(session, "first").reposts == ("second", "third", "fourth")
    forget_job(engine, "first")
    assert canonical_of(engine) == {"second": None, "third": "second", "fourth": "second"}


def test_later_reposts_find_the_one_that_took_the_place(engine: Engine):
    with writing(engine) as session:
        (first,) = add_jobs(session, "first")
        add_jobs(session, "second", canonical=first)
    forget_job(engine, "first")
    with writing(engine) as session:
        (late,) = add_jobs(session, "late")
        second = session.scalars(select(Job).where(Job.external_id == "second")).one()
        late.title, late.text = second.title, second.text
        session.flush()
        assert link(session, [Posting(late.id, late.title, late.text)]) == 1
    assert canonical_of(engine) == {"second": None, "late": "second"}


def test_a_repost_goes_alone_or_with_its_group(engine: Engine):
    with writing(engine) as session:
        first, _ = add_jobs(session, "first", "unrelated")
        add_jobs(session, "second", "third", canonical=first)
    forget_job(engine, "second")
    assert canonical_of(engine) == {"first": None, "third": "first", "unrelated": None}
    forget_job(engine, "third", with_reposts=True)
    assert canonical_of(engine) == {"unrelated": None}


def bytes_on_disk(path: Path) -> bytes:
    return b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))


def test_nothing_is_left_in_the_bytes_of_a_sqlite_file(tmp_path: Path):
    path = tmp_path / "jobs.db"
    engine = open_engine(str(path))
    upgrade(engine)
    fill(engine)
    with writing(engine) as session:
        session.scalars(select(Job).limit(1)).one().text = f"{SECRET} " * 5000
    with writing(engine) as session:  # an older text leaves pages of its own
        session.scalars(select(Job).limit(1)).one().text = f"{SECRET} again"
    assert SECRET.encode() in bytes_on_disk(path)
    forget_job(engine, SECRET)
    assert SECRET.encode() in bytes_on_disk(path)  # deleting alone is not enough
    assert wipe(engine)
    assert SECRET.encode() not in bytes_on_disk(path)
    assert b"Text of other" in bytes_on_disk(path)
    engine.dispose()


def test_a_file_that_another_program_reads_is_said_not_to_be_clean(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("db.engine.BUSY_S", 0)
    path = tmp_path / "jobs.db"
    engine, other = open_engine(str(path)), open_engine(str(path))
    upgrade(engine)
    fill(engine)
    with reading(other) as session:
        session.scalars(select(Job)).all()
        forget_job(engine, SECRET)
        with pytest.raises(StoreError, match="jobtool forget traces"):
            wipe(engine)
    assert wipe(engine)
    assert SECRET.encode() not in bytes_on_disk(path)
    engine.dispose()
    other.dispose()


def test_a_server_is_left_to_clean_up_by_itself(engine: Engine):
    assert wipe(engine) == (engine.dialect.name == "sqlite")
