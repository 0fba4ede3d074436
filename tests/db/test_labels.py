"""What people say, what holds of it, and taking it back."""

import pytest
from sqlalchemy import Engine, select

from db import labels
from db.columns import Source
from db.engine import reading, writing
from db.errors import StoreError
from db.schema import Label
from tests.db.made_up import NO, UNSURE, YES, held, n_lines, say, three_jobs


def test_the_last_answer_of_a_labeller_holds(engine: Engine):
    (job, *_), (tag, _) = three_jobs(engine)
    for answer in (YES, NO):
        with writing(engine) as session:
            say(session, job, tag, answer)
    assert held(engine) == {(job, tag): NO}


def test_saying_the_same_again_adds_no_line(engine: Engine):
    (job, *_), (tag, _) = three_jobs(engine)
    for _ in range(2):
        with writing(engine) as session:
            say(session, job, tag, YES)
    assert n_lines(engine) == 1


def test_people_outrank_imports_and_referees_outrank_people(engine: Engine):
    (job, *_), (tag, _) = three_jobs(engine)
    said = ((NO, Source.IMPORT, "file"), (YES, Source.PERSON, "anna"), (NO, Source.REFEREE, "cy"))
    seen = []
    for answer, source, labeller in said:
        with writing(engine) as session:
            say(session, job, tag, answer, labeller, source)
        seen.append(held(engine)[job, tag])
    assert seen == [NO, YES, NO]


@pytest.mark.parametrize(("first", "second"), [(YES, NO), (UNSURE, UNSURE)])
def test_where_people_disagree_or_are_unsure_the_label_is_unknown(engine: Engine, first, second):
    (job, *_), (tag, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, job, tag, first, "anna")
        say(session, job, tag, second, "ben")
    with reading(engine) as session:
        (one,) = labels.iter_held(session)
    assert (one.answer, one.is_disputed) == (None, first != second)


def test_undoing_goes_back_to_what_held_before(engine: Engine):
    (job, *_), (tag, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, job, tag, YES)
        say(session, job, tag, NO)
    with writing(engine) as session:
        labels.undo(session, session.scalars(select(Label).order_by(Label.id.desc())).first())
    assert held(engine) == {(job, tag): YES}
    assert n_lines(engine) == 3


def test_undoing_a_referees_answer_gives_back_a_persons(engine: Engine):
    (job, *_), (tag, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, job, tag, YES, "anna")
        say(session, job, tag, NO, "ben")
        say(session, job, tag, YES, "ben", Source.REFEREE)
        labels.undo(session, session.scalars(select(Label).order_by(Label.id.desc())).first())
    assert held(engine) == {(job, tag): None}


def test_what_a_later_line_stands_on_is_not_undone(engine: Engine):
    (job, *_), (tag, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, job, tag, YES)
        say(session, job, tag, NO)
    with pytest.raises(StoreError, match="later one"), writing(engine) as session:
        labels.undo(session, session.scalars(select(Label).order_by(Label.id)).first())
    assert held(engine) == {(job, tag): NO}


def test_tags_are_found_by_name_and_unknown_ones_are_named(engine: Engine):
    _, (remote, _) = three_jobs(engine)
    with reading(engine) as session:
        assert labels.find_tags(session, ["remote"])["remote"].id == remote
        with pytest.raises(StoreError, match="unknown tag 'sales'; the tags are: remote, night"):
            labels.find_tags(session, ["sales"])
