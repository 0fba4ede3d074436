"""Labels from files: once each, in their order, by whoever said them."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select

from db.columns import Answer, Source
from db.engine import reading
from db.importing import import_jobs
from db.importing_labels import import_labels
from db.rows import JobRow, LabelRow
from db.schema import Label


@pytest.fixture(autouse=True)
def stored(engine: Engine) -> None:
    rows = [JobRow(line=n, id=id, text=f"{id} posting") for n, id in enumerate("ab")]
    import_jobs(engine, rows, reject=print)


def said(job: str = "a", tag: str = "care", label: str = "yes", day: int = 0, **more: object):
    at = datetime(2026, 1, day, tzinfo=UTC) if day else None
    return LabelRow(line=day, job=job, tag=tag, label=label, labelled_at=at, **more)


def run(engine: Engine, *rows: LabelRow, **options: object):
    rejected: list[tuple] = []
    done = import_labels(engine, rows, reject=lambda *told: rejected.append(told), **options)
    return done, rejected


def history(engine: Engine) -> list[tuple]:
    with reading(engine) as session:
        rows = session.execute(select(Label.labeller, Label.before, Label.after).order_by(Label.id))
        return [tuple(row) for row in rows]


def test_importing_again_adds_nothing(engine: Engine):
    rows = said(), said(tag="sea", label="unsure"), said(job="b", label="no", day=3)
    first, _ = run(engine, *rows)
    again, rejected = run(engine, *rows)
    assert (first.labels, first.new_tags) == (3, ("care", "sea"))
    assert (again.labels, again.new_tags, rejected) == (0, (), [])


def test_answers_with_times_make_a_history_once(engine: Engine):
    rows = said(day=1), said(label="no", day=2), said(label="yes", day=3)
    run(engine, *rows)
    run(engine, *rows)
    yes, no = Answer.YES, Answer.NO
    expected = [("import", None, yes), ("import", yes, no), ("import", no, yes)]
    assert history(engine) == expected


def test_an_older_answer_does_not_undo_a_newer_one(engine: Engine):
    run(engine, said(day=5))
    done, rejected = run(engine, said(label="no", day=2))
    assert (done.labels, rejected) == (0, [])
    assert history(engine) == [("import", None, Answer.YES)]


def test_two_answers_without_a_time_are_reported(engine: Engine):
    for _ in range(2):
        _, rejected = run(engine, said(), said(label="no"))
        assert "answered 'care' before" in rejected[0][2]
    assert history(engine) == [("import", None, Answer.YES)]


def test_labellers_and_sources_are_kept_apart(engine: Engine):
    rows = said(labeller="Ada"), said(label="no", labeller="Bo", source="referee"), said()
    done, _ = run(engine, *rows, labeller="Cy")
    assert done.labels == 3
    with reading(engine) as session:
        found = session.execute(select(Label.labeller, Label.source).order_by(Label.id)).all()
    assert found == [("Ada", Source.IMPORT), ("Bo", Source.REFEREE), ("Cy", Source.IMPORT)]


def test_bad_rows_are_named_and_the_rest_goes_on(engine: Engine):
    bad = said(job="zz"), said(source="oracle"), said(tag="x" * 201), said(labeller="y" * 201)
    done, rejected = run(engine, *bad, said())
    assert done.labels == 1
    reasons = " ".join(reason for *_, reason in rejected)
    assert len(rejected) == 4
    assert "no job 'zz'; import the jobs first" in reasons
    assert "unknown source 'oracle'; known: import, person, referee" in reasons


def test_a_tag_of_rejected_rows_alone_is_not_made(engine: Engine):
    done, _ = run(engine, said(job="zz", tag="slip"))
    assert done.new_tags == ()


def test_rows_and_rejects_add_up(engine: Engine):
    done, rejected = run(engine, said(), said(job="nosuch"), said(tag=""), said(tag="sea"))
    assert (done.rows, len(rejected)) == (2, 2)
