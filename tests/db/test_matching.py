"""What a matcher gets to read: everything there is, in one state, with codes at once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, event, select

from db import matching
from db.engine import reading, writing
from db.importing_events import import_candidates
from db.match_store import MatchStore
from db.match_tables import CandidateCode
from db.rows import CandidateRow
from db.schema import Candidate, Event, Job, JobCode
from tests.db.conftest import START
from tests.db.made_up import add_champion, add_jobs


def two_numbers(texts: Sequence[tuple[str, str]]) -> np.ndarray:
    """A code that can be told by hand: lengths of title and text."""
    return np.array([[len(title), len(text)] for title, text in texts], np.float32)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Three jobs (b repeats a), two candidates, three events; a live tagger."""
    with writing(engine) as session:
        (a,) = add_jobs(session, "a")
        a.fields, a.posted_at = {"pay": 3, "city": "Oslo"}, START
        b, c = add_jobs(session, "b", canonical=a) + add_jobs(session, "c")
        c.fields = {"pay": 5}
        people = [
            Candidate(external_id="p", text="resume", fields={"age": 7}, imported_at=START),
            Candidate(external_id="q", text="", imported_at=START),
        ]
        session.add_all(people)
        session.flush()
        for key, (person, job, action, at) in enumerate(
            [(0, a, "view", START), (0, b, "apply", None), (1, c, "view", START)]
        ):
            session.add(
                Event(
                    key=str(key),
                    candidate_id=people[person].id,
                    job_id=job.id,
                    action=action,
                    occurred_at=at,
                )
            )
        add_champion(session, {})
    return engine


@pytest.fixture
def store(filled: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MatchStore:
    monkeypatch.setattr("db.match_store.check_folder", lambda model, folder: None)
    return MatchStore(filled, tmp_path, lambda folder: two_numbers)


def test_jobs_come_with_fields_dates_and_groups(filled: Engine):
    with reading(filled) as session:
        jobs = matching.read_jobs(session)
    assert jobs.ids == ["a", "b", "c"]
    assert jobs.fields == {"pay": [3, None, 5], "city": ["Oslo", None, None]}
    np.testing.assert_array_equal(jobs.posted_at, [START.timestamp(), np.nan, np.nan])
    assert jobs.groups.tolist() == [jobs.keys[0], jobs.keys[0], jobs.keys[2]]
    assert jobs.codes is None


def test_events_are_rows_of_what_was_read(filled: Engine):
    with reading(filled) as session:
        jobs, people = matching.read_jobs(session), matching.read_candidates(session)
        events = matching.read_events(session, people, jobs)
    assert events.candidates.tolist() == [0, 0, 1]
    assert events.jobs.tolist() == [0, 1, 2]
    assert [events.names[number] for number in events.actions] == ["view", "apply", "view"]
    np.testing.assert_array_equal(events.times, [START.timestamp(), np.nan, START.timestamp()])


def test_an_empty_database_gives_empty_columns(engine: Engine):
    with reading(engine) as session:
        jobs, people = matching.read_jobs(session), matching.read_candidates(session)
        events = matching.read_events(session, people, jobs)
    assert (jobs.ids, people.ids, len(events.jobs), events.last) == ([], [], 0, 0)


def test_a_job_posted_a_minute_ago_has_its_code_at_once(store: MatchStore):
    with writing(store.engine) as session:
        first = session.scalars(select(Job).where(Job.external_id == "a")).one()
        code = np.array([7, 7], "<f4").tobytes()
        session.add(JobCode(code_version_id=1, job_id=first.id, code=code))
    known = store.read()
    assert known.jobs.codes.tolist() == [[7, 7], [7, 9], [7, 9]]  # "Title b", "Text of b"
    assert known.candidates.codes.tolist() == [[0, 6], [0, 0]]
    assert known.codes == "code version 1"
    assert "codes of 2 jobs were made for this run" in known.notes[0]


def test_codes_of_resumes_are_kept_until_the_resume_changes(store: MatchStore):
    store.read()
    assert store.read().candidates.new_codes.tolist() == []
    rows = [CandidateRow(line=1, id="p", text="another resume")]
    import_candidates(store.engine, rows, reject=lambda *_: None)
    assert store.read().candidates.codes[0].tolist() == [0, 14]
    with reading(store.engine) as session:
        assert len(session.scalars(select(CandidateCode)).all()) == 1


def test_without_a_live_tagger_there_are_no_codes_and_it_says_so(engine: Engine, tmp_path: Path):
    known = MatchStore(engine, tmp_path, lambda folder: two_numbers).read()
    assert (known.codes, known.jobs.codes) == (None, None)
    assert "jobtool retrain" in known.notes[0]


def test_codes_of_another_length_are_made_again(store: MatchStore):
    with writing(store.engine) as session:
        job_id = session.scalars(select(Job.id).where(Job.external_id == "a")).one()
        session.add(JobCode(code_version_id=1, job_id=job_id, code=bytes(4)))
    assert store.read().jobs.codes[0].tolist() == [7, 9]


def test_texts_pass_through_in_pages(
    engine: Engine, add_jobs: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(matching, "PAGE", 4)
    monkeypatch.setattr(matching, "EVENT_PAGE", 3)
    ids = add_jobs(11)
    with writing(engine) as session:
        person = Candidate(external_id="p", text="", imported_at=datetime.now(UTC))
        session.add(person)
        session.flush()
        for id in ids:
            action = Event(key=str(id), candidate_id=person.id, job_id=id, action="view")
            session.add(action)
    sizes: list[int] = []

    def encode(texts: Sequence[tuple[str, str]]) -> np.ndarray:
        sizes.append(len(texts))
        return two_numbers(texts)

    with reading(engine) as session:
        jobs = matching.read_jobs(session, version_id=1, encode=encode)
        events = matching.read_events(session, matching.read_candidates(session), jobs)
    assert sizes == [1, 4, 4, 3]
    assert events.jobs.tolist() == list(range(11))


def test_reading_costs_statements_by_pages_not_by_rows(store: MatchStore):
    statements: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    store.read()
    n_first = len(statements)
    with writing(store.engine) as session:
        add_jobs(session, *(f"more {n}" for n in range(50)))
    statements.clear()
    store.read()
    assert len(statements) <= n_first
