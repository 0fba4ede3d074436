"""The audit log: what it holds, and that no change goes by unseen."""

import multiprocessing
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from db import labels, migrate
from db.audit import AuditReport, Problems, audit
from db.audit_log import Kind, entry_hash, note, note_ids
from db.audit_tables import AuditEntry
from db.columns import Answer, WordVerdict
from db.drift_answers import mark_answered
from db.engine import open_engine, reading, writing
from db.forget import find_candidate, find_job, remove
from db.importing import import_jobs
from db.registry import prune, rollback
from db.rows import JobRow
from db.schema import (
    Base,
    Candidate,
    Job,
    Label,
    Model,
    Prediction,
    PredictionSet,
    Promotion,
    Run,
    TagFact,
    TagWord,
    Verdict,
)
from db.tag_info import say_fact, say_word, undo_word
from tests.db.made_up import NO, YES, add_champion, add_jobs, add_tags, predict, retrained, say

SECRET = "zanzibarquince"


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Three jobs with labels, words, and two models that tagged them; the second was judged."""
    with writing(engine) as session:
        remote, night = add_tags(session, "remote", "night")
        jobs = add_jobs(session, SECRET, "b", "c")
        for job in jobs:
            say(session, job, remote, YES)
            say(session, job, night, NO, "ben")
    with writing(engine) as session:
        say_fact(session, "remote", "At home", 0.2, "ann")
        say_word(session, "remote", "home", WordVerdict.FOR, "ann")
    with writing(engine) as session:
        jobs = session.scalars(select(Job).order_by(Job.id)).all()
        for folder in ("m1", "m2"):
            model = add_champion(session, {"remote": 0.5}, folder=folder)
            for job in jobs:
                predict(session, model, job, {remote: 0.25, night: 0.75})
            ids = [job.id for job in jobs]
            note_ids(session, Kind.TAGGED, PredictionSet, ids, model_id=model.id)
        retrained(session, model)
        verdict = session.scalars(select(Verdict)).one()
        shown = [{"job_id": name, "title": f"Title {name}"} for name in (SECRET, "b")]
        verdict.details = {"n_jobs": 40, "low": -0.125, "examples": shown}
        note(session, Kind.RETRAINED, session.scalars(select(Run)).one())
        note(session, Kind.JUDGED, verdict)
    return engine


def entries(engine: Engine) -> list[tuple[str, str, int]]:
    with reading(engine) as session:
        columns = (AuditEntry.kind, AuditEntry.about, AuditEntry.n_rows)
        return [tuple(row) for row in session.execute(select(*columns).order_by(AuditEntry.number))]


def ids_of(engine: Engine, table: type[Base]) -> list[int]:
    with reading(engine) as session:
        return list(session.scalars(select(table.id).order_by(table.id)))


def places(found: Problems) -> list[tuple[str, int]]:
    assert found.n == len(found.first)
    return [(place.table, place.id) for place in found.first]


def tamper(engine: Engine, *statements: str) -> None:
    """Change what is stored, as somebody may who owns the database: triggers don't stop them."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        else:
            for what in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS audit_entries_no_{what}"))
        for statement in statements:
            connection.execute(text(statement))


# ---- what is logged


def test_all_that_is_said_and_decided_is_logged_and_in_order(filled: Engine):
    assert entries(filled) == [
        ("said", "labels", 6),
        ("said", "tag_facts", 1),
        ("said", "tag_words", 1),
        ("trained", "models", 2),
        ("promoted", "promotions", 2),
        ("tagged", "prediction_sets", 3),
        ("tagged", "prediction_sets", 3),
        ("retrained", "runs", 1),
        ("judged", "verdicts", 1),
    ]
    report = audit(filled)
    assert report.ok
    assert (report.n_entries, report.n_rows) == (9, 20)


def test_an_empty_log_is_in_order(engine: Engine):
    report = audit(engine)
    assert report.ok
    assert report.n_entries == 0
    assert audit(engine, expect=report.head).ok


def test_taking_back_is_logged_as_such(filled: Engine):
    with writing(filled) as session:
        labels.undo(session, session.scalars(select(Label).limit(1)).one())
        undo_word(session, session.scalars(select(TagWord)).one(), "ann")
        rollback(session)
    assert entries(filled)[9:] == [
        ("undone", "labels", 1),
        ("undone", "tag_words", 1),
        ("promoted", "promotions", 1),
    ]
    assert audit(filled).ok


def test_a_pruned_model_is_logged_and_still_in_order(filled: Engine):
    with writing(filled) as session:
        add_champion(session, {"remote": 0.5}, folder="m3")
        assert [model.folder for model in prune(session, keep=0)] == ["m1"]
    assert ("pruned", "models", 1) in entries(filled)
    assert audit(filled).ok


def test_a_retrain_that_answers_drift_is_still_in_order(filled: Engine):
    mark_answered(filled, 1, ["tags"])
    assert entries(filled)[-1] == ("retrained", "runs", 1)
    assert audit(filled).ok


def test_a_new_text_withdraws_what_models_said(filled: Engine):
    def reject(*problem: object) -> None:
        pytest.fail(f"{problem}")

    import_jobs(filled, [JobRow(line=1, id="b", title="New", text="Other words")], reject=reject)
    assert entries(filled)[9:] == [("withdrawn", "prediction_sets", 1)] * 2
    assert audit(filled).ok


def test_what_is_rolled_back_is_not_logged(filled: Engine):
    before = entries(filled)
    with Session(filled) as session, session.begin() as transaction:
        say(session, 1, 1, NO, "cleo")
        transaction.rollback()
    assert entries(filled) == before
    assert audit(filled).ok


def test_one_session_that_was_rolled_back_logs_only_what_it_does_later(filled: Engine):
    before = len(entries(filled))
    with Session(filled) as session:
        say(session, 1, 1, NO, "cleo")
        session.rollback()
        say(session, 2, 1, NO, "dan")
        session.commit()
    assert entries(filled)[before:] == [("said", "labels", 1)]
    assert audit(filled).ok


def test_rows_from_before_the_log_are_logged_when_it_begins(filled: Engine):
    with filled.begin() as connection:
        for table in (
            "audit_entries",
            "batch_decisions",
            "label_batches",
            "feed_values",
            "promises",
        ):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP INDEX ix_labels_batch_id"))
        for table, column in (
            ("jobs", "salt"),
            ("runs", "inputs"),
            ("labels", "batch_id"),
            ("model_jobs", "position"),
            ("runs", "alarms"),
        ):
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(text("UPDATE jobtool_version SET version_num = '0005'"))
    migrate.upgrade(filled)
    assert {kind for kind, _, _ in entries(filled)} == {"found"}
    with reading(filled) as session:
        assert len({salt for salt in session.scalars(select(Job.salt)) if len(salt) == 16}) == 3
    report = audit(filled)
    assert report.ok
    assert report.n_rows == 20


# ---- rows that are not as they were


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (Label, {"after": Answer.UNSURE}),
        (Label, {"labeller": "eve"}),
        (Label, {"job_id": 3}),
        (TagFact, {"share": 0.25}),
        (TagWord, {"verdict": WordVerdict.AGAINST}),
        (Verdict, {"promoted": True}),
        (Verdict, {"details": {"n_jobs": 40, "low": -0.1}}),
        (Promotion, {"reason": "better"}),
        (Model, {"snapshot": "1" * 64}),
        (Run, {"label_id": 1}),
    ],
)
def test_a_changed_row_is_named(filled: Engine, table: type[Base], change: dict[str, object]):
    changed = ids_of(filled, table)[0]
    with writing(filled) as session:
        session.execute(update(table).where(table.id == changed).values(change))
    report = audit(filled)
    assert not report.ok
    assert places(report.changed) == [(table.__tablename__, changed)]
    assert (report.broken, report.missing.n, report.unknown.n) == (None, 0, 0)


def test_a_changed_prediction_names_job_and_model(filled: Engine):
    job, model = ids_of(filled, Job)[1], ids_of(filled, Model)[1]
    said = (Prediction.job_id == job, Prediction.model_id == model, Prediction.tag_id == 1)
    with writing(filled) as session:
        session.execute(update(Prediction).where(*said).values(decision=True))
    (place,) = audit(filled).changed.first
    assert (place.table, place.id, place.model_id, place.entry) == (
        *("prediction_sets", job, model, 7),
    )


@pytest.mark.parametrize("table", [Label, TagFact, Promotion, Verdict])
def test_a_deleted_row_is_missing(filled: Engine, table: type[Base]):
    gone = ids_of(filled, table)[0]
    with writing(filled) as session:
        session.execute(delete(table).where(table.id == gone))
    report = audit(filled)
    assert not report.ok
    assert places(report.missing) == [(table.__tablename__, gone)]
    assert (report.changed.n, report.unknown.n) == (0, 0)


def test_a_job_deleted_past_jobtool_is_missed_by_its_labels(filled: Engine):
    with writing(filled) as session:
        session.execute(delete(Job).where(Job.external_id == "b"))
    assert audit(filled).missing.n == 2 + 2  # labels, and predictions of two models


def test_a_row_that_nobody_logged_is_unknown(filled: Engine):
    with reading(filled) as session:
        row = session.execute(select(Label.__table__).limit(1)).one()._asdict()
        last = session.scalar(select(func.max(Label.id)))
    with writing(filled) as session:
        session.execute(insert(Label), [{**row, "id": last + 5, "labeller": "eve"}])
    report = audit(filled)
    assert not report.ok
    assert places(report.unknown) == [("labels", last + 5)]


# ---- entries that are not as they were


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET at = at", "DELETE FROM audit_entries"]
)
def test_the_database_refuses_to_change_entries(filled: Engine, statement: str):
    with pytest.raises(Exception, match="append-only"), filled.begin() as connection:
        connection.execute(text(statement))
    assert audit(filled).ok


def test_postgresql_refuses_to_empty_the_log(filled: Engine):
    if filled.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL has TRUNCATE beside DELETE")
    with pytest.raises(Exception, match="append-only"), filled.begin() as connection:
        connection.execute(text("TRUNCATE audit_entries"))


@pytest.mark.parametrize(
    ("statement", "number", "reason"),
    [
        ("UPDATE audit_entries SET kind = 'undone' WHERE number = 3", 3, "not what was logged"),
        ("UPDATE audit_entries SET n_rows = 5 WHERE number = 1", 1, "not what was logged"),
        ("UPDATE audit_entries SET row_hashes = content WHERE number = 2", 2, "hashes of its rows"),
        ("UPDATE audit_entries SET hash = content WHERE number = 4", 4, "not what was logged"),
        ("DELETE FROM audit_entries WHERE number = 5", 5, "entry 5 is missing"),
        ("DELETE FROM audit_entries WHERE number = 1", 1, "entry 1 is missing"),
    ],
)
def test_the_first_broken_entry_is_named(filled: Engine, statement: str, number: int, reason: str):
    tamper(filled, statement)
    report = audit(filled)
    assert not report.ok
    assert (report.broken, report.n_entries) == (number, number - 1)
    assert reason in report.reason
    assert report.unknown.n == 0


def test_swapped_entries_are_seen(filled: Engine):
    swap = "UPDATE audit_entries SET number = {} WHERE number = {}"
    tamper(filled, swap.format(99, 2), swap.format(2, 3), swap.format(3, 99))
    report = audit(filled)
    assert (report.broken, report.reason) == (2, "it does not follow the entry before it")


def test_swapped_entries_with_hashes_made_anew_are_seen_in_the_next(filled: Engine):
    swap = "UPDATE audit_entries SET number = {} WHERE number = {}"
    tamper(filled, swap.format(99, 2), swap.format(2, 3), swap.format(3, 99))
    with writing(filled) as session:
        first, *swapped = session.scalars(
            select(AuditEntry).order_by(AuditEntry.number).limit(3)
        ).all()
        previous = first.hash
        for entry in swapped:
            entry.previous = previous
            entry.hash = previous = entry_hash(entry)
    assert audit(filled).broken == 4


def test_a_cut_tail_is_seen_by_rows_that_are_left(filled: Engine):
    tamper(filled, "DELETE FROM audit_entries WHERE number = 9")
    report = audit(filled)
    assert (report.broken, places(report.unknown)) == (None, [("verdicts", 1)])


def test_a_tail_cut_with_its_rows_is_seen_by_the_head_that_was_noted(filled: Engine):
    noted = audit(filled).head
    tamper(filled, "DELETE FROM audit_entries WHERE number = 9", "DELETE FROM verdicts")
    assert audit(filled).ok  # nothing in the database tells
    report = audit(filled, expect=noted)
    assert not report.ok
    assert report.is_cut


def test_a_noted_head_is_found_when_the_log_has_grown(filled: Engine):
    noted = audit(filled)
    with writing(filled) as session:
        say(session, 1, 1, NO, "cleo")
    later = audit(filled, expect=noted.head)
    assert later.ok
    assert later.expected_at == noted.n_entries == later.n_entries - 1


# ---- forgetting


def forget(engine: Engine, name: str) -> None:
    with writing(engine) as session:
        remove(session, find_job(session, name))


def dump(engine: Engine) -> bytes:
    """Everything in every table."""
    with engine.connect() as connection:
        rows = [
            list(row)
            for table in Base.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    return repr(rows).encode()


def test_after_forgetting_the_log_is_in_order_and_nothing_of_the_job_is_in_it(filled: Engine):
    with reading(filled) as session:
        salt = session.scalars(select(Job.salt).where(Job.external_id == SECRET)).one()
    assert SECRET.encode() in dump(filled)
    assert repr(salt).encode() in dump(filled)
    forget(filled, SECRET)
    assert entries(filled)[9:] == [
        ("forgotten", "prediction_sets", 1),
        ("forgotten", "prediction_sets", 1),
        ("forgotten", "labels", 2),
        ("forgotten", "jobs", 1),
    ]
    assert SECRET.encode() not in dump(filled)
    assert repr(salt).encode() not in dump(filled)
    assert audit(filled).ok


def test_forgetting_leaves_other_postings_in_a_verdict(filled: Engine):
    forget(filled, SECRET)
    with reading(filled) as session:
        (details,) = session.scalars(select(Verdict.details))
    assert [one["job_id"] for one in details["examples"]] == ["b"]


def test_what_is_left_of_a_batch_is_still_checked_after_forgetting(filled: Engine):
    forget(filled, SECRET)
    changed = ids_of(filled, Label)[0]
    with writing(filled) as session:
        session.execute(update(Label).where(Label.id == changed).values(after=Answer.UNSURE))
    assert places(audit(filled).changed) == [("labels", changed)]


def test_a_number_that_is_given_again_after_forgetting_is_another_row(filled: Engine):
    forget(filled, "c")  # the last one: SQLite gives its numbers again
    with writing(filled) as session:
        (job,) = add_jobs(session, "d")
        say(session, job, 1, YES)
    assert audit(filled).ok


def test_a_forgotten_candidate_leaves_an_entry_without_a_name(filled: Engine):
    with writing(filled) as session:
        at = session.scalars(select(Job.imported_at).limit(1)).one()
        session.add(Candidate(external_id=SECRET * 2, text="a resume", imported_at=at))
    with writing(filled) as session:
        remove(session, find_candidate(session, SECRET * 2))
    assert entries(filled)[-1] == ("forgotten", "candidates", 1)
    assert (SECRET * 2).encode() not in dump(filled)
    assert audit(filled).ok


# ---- many at once


def write_labels(url: str, labeller: str, job_ids: list[int], start: Callable[[], object]) -> None:
    engine = open_engine(url)
    start()
    for job_id in job_ids * 5:
        with writing(engine) as session:
            answer = YES if session.query(Label).count() % 2 else NO
            say(session, job_id, 1, answer, labeller)
            say(session, job_id, 2, answer, f"{labeller} again")
    engine.dispose()


def test_two_processes_make_one_chain(filled: Engine, url: str):
    job_ids = ids_of(filled, Job)
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    people = [
        spawn.Process(target=write_labels, args=(url, name, job_ids, barrier.wait))
        for name in ("cleo", "dan")
    ]
    for person in people:
        person.start()
    for person in people:
        person.join(timeout=120)
    assert [person.exitcode for person in people] == [0, 0]
    report: AuditReport = audit(filled)
    assert report.ok
    assert report.n_entries == len(entries(filled))
    said = sum(n for kind, table, n in entries(filled) if (kind, table) == ("said", "labels"))
    assert said == len(ids_of(filled, Label)) > 6
