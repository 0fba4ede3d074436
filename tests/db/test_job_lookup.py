"""Rows find their job: by its id, however it is spelled, or by its text."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from db.engine import reading
from db.importing import import_jobs
from db.importing_events import import_candidates, import_events
from db.importing_labels import import_labels
from db.job_lookup import TextIndex, job_ids
from db.rows import CandidateRow, EventRow, JobRow, LabelRow

NURSE = JobRow(line=1, id="n", title="Nurse", text="Three  nights\na week")
COOK = JobRow(line=2, id="c", text="Busy kitchen")


def store(engine: Engine, *rows: JobRow) -> None:
    import_jobs(engine, rows, reject=print)


def label(engine: Engine, **row: object) -> tuple[int, list[str]]:
    """How many labels were added, and why rows were rejected."""
    reasons: list[str] = []
    rows = [LabelRow(line=1, tag="care", **row)]
    done = import_labels(engine, rows, reject=lambda line, id, why: reasons.append(why))
    return done.labels, reasons


def test_a_text_finds_its_job_with_the_title_above_or_without(engine: Engine):
    store(engine, NURSE, COOK)
    index = TextIndex(engine)
    with reading(engine) as session:
        for posting in (
            ("", "Three nights a week"),
            ("", "Nurse\n\nThree nights a week "),
            ("Nurse", "Three nights a week"),
            ("Another title", "Three nights a week"),
        ):
            assert [one.external_id for one in index.find(session, *posting)] == ["n"]
        assert index.find(session, "", "Three nights") == []
        assert index.find(session, "Nurse", " ") == []


def test_two_jobs_of_one_text_are_named_unless_the_title_tells(engine: Engine):
    twin = JobRow(line=3, id="m", title="Midwife", text="Three nights a week")
    store(engine, NURSE, twin)
    added, reasons = label(engine, posting=("", "Three nights a week"))
    assert added == 0
    assert "jobs 'n' and 'm' have this text; name the job" in reasons[0]
    assert label(engine, posting=("Midwife", "Three nights a week")) == (1, [])


def test_an_id_that_stands_for_another_text_labels_nothing(engine: Engine):
    store(engine, NURSE, COOK)
    added, reasons = label(engine, job="c", posting=("", "Three nights a week"))
    assert added == 0
    assert "job 'c' has another text, which job 'n' has" in reasons[0]
    assert label(engine, job="c", posting=("", "A text that was changed since")) == (1, [])
    assert label(engine, job="unknown", posting=("", "Three nights a week")) == (1, [])


def test_whole_numbers_that_were_floats_are_the_same_ids(engine: Engine):
    store(engine, JobRow(line=1, id="7.0", text="Busy kitchen"))  # as an older jobtool stored it
    again = [
        JobRow(line=1, id="7", text="Busy kitchen"),
        JobRow(line=2, id="8", text="Quiet office"),
    ]
    assert import_jobs(engine, again, reject=print).unchanged == 1
    with reading(engine) as session:
        assert job_ids(session, ["7", "8"]).keys() == {"7", "8"}
    people = [CandidateRow(line=1, id="5.0")]
    import_candidates(engine, people, reject=print)
    events = [EventRow(line=1, candidate="5", job="7", action="apply")]
    done = import_events(engine, events, reject=print, create_missing=True)
    assert (done.new, done.new_candidates, done.new_jobs) == (1, 0, 0)


def test_answers_that_change_nothing_are_counted(engine: Engine):
    store(engine, COOK)
    label(engine, job="c")
    old = {"labelled_at": datetime(2020, 1, 1, tzinfo=UTC)}
    rows = [
        LabelRow(line=1, job="c", tag="care"),
        LabelRow(line=2, job="c", tag="care", label="no", **old),
        LabelRow(line=3, job="c", tag="sea", **old),
    ]
    done = import_labels(engine, rows, reject=print)
    assert (done.rows, done.labels, done.unchanged, done.older) == (3, 1, 1, 1)


def test_the_first_row_of_a_candidate_counts_however_often_it_is_imported(engine: Engine):
    rows = [CandidateRow(line=n, id="p", text=text) for n, text in enumerate(["a", "b", "a"])]
    first = import_candidates(engine, rows, reject=print)
    again = import_candidates(engine, rows, reject=print)
    assert (first.new, first.repeated) == (1, 2)
    assert (again.changed, again.unchanged, again.repeated) == (0, 1, 2)
