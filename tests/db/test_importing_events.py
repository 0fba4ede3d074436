"""Candidates and events from files."""

from datetime import UTC, datetime

from sqlalchemy import Engine, select

from db.engine import reading
from db.importing import import_jobs
from db.importing_events import import_candidates, import_events
from db.rows import CandidateRow, EventRow, JobRow
from db.schema import Candidate, Event, Job

AT = datetime(2026, 1, 2, 3, tzinfo=UTC)


def event(line: int = 1, **values: object) -> EventRow:
    plain = {"candidate": "p", "job": "a", "action": "view", "occurred_at": AT}
    return EventRow(line=line, **(plain | values))


def run(engine: Engine, *rows: EventRow, **options: object):
    rejected: list[tuple] = []
    done = import_events(engine, rows, reject=lambda *told: rejected.append(told), **options)
    return done, rejected


def store_job(engine: Engine) -> None:
    import_jobs(engine, [JobRow(line=1, id="a", text="A posting")], reject=print)


def test_candidates_are_new_changed_or_as_they_were(engine: Engine):
    rows = [
        CandidateRow(line=1, id="p", text="Nurse\0", fields={"age": 40}),
        CandidateRow(line=2, id="q"),
    ]
    first = import_candidates(engine, rows, reject=print)
    again = import_candidates(engine, rows, reject=print)
    more = CandidateRow(line=1, id="p", fields={"city": "Lund"})
    changed = import_candidates(engine, [more], reject=print)
    assert [(one.new, one.changed) for one in (first, again, changed)] == [(2, 0), (0, 0), (0, 1)]
    with reading(engine) as session:
        found = session.scalars(select(Candidate).where(Candidate.external_id == "p")).one()
    assert (found.text, found.fields) == ("Nurse\ufffd", {"age": 40, "city": "Lund"})


def test_events_are_stored_once_and_make_their_candidates(engine: Engine):
    store_job(engine)
    rows = event(), event(), event(action="apply", id="e7"), event(candidate="q", occurred_at=None)
    first, _ = run(engine, *rows)
    again, rejected = run(engine, *rows)
    assert (first.new, first.new_candidates) == (3, 2)
    assert (again.new, again.new_candidates, rejected) == (0, 0, [])
    with reading(engine) as session:
        assert session.scalars(select(Event.occurred_at).where(Event.key == "e7")).all() == [AT]


def test_unknown_jobs_and_actions_are_rejected(engine: Engine):
    store_job(engine)
    done, rejected = run(engine, event(job="zz"), event(2, action="hired"), event(3, id="x" * 256))
    assert done.new == 0
    reasons = {line: reason for line, _, reason in rejected}
    assert "import the jobs first, or pass --create-missing" in reasons[1]
    assert "unknown action 'hired'; say what it means with --action hired=OURS" in reasons[2]
    assert "longer than 255" in reasons[3]
    with reading(engine) as session:
        assert session.scalars(select(Candidate)).all() == []


def test_missing_jobs_can_be_made_and_get_their_text_later(engine: Engine):
    done, _ = run(engine, event(), event(candidate="q"), create_missing=True)
    assert (done.new, done.new_jobs) == (2, 1)
    assert import_jobs(engine, [JobRow(line=1, id="a", text="Now known")], reject=print).changed
    with reading(engine) as session:
        assert session.scalars(select(Job.text)).all() == ["Now known"]
