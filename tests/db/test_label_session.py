"""Sessions of labelling, driven by keys: what is offered, stored and taken back."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from db.answering import Layout
from db.batches import list_batches
from db.cards import Explain, Mode
from db.columns import Source
from db.engine import open_engine, reading, writing
from db.errors import StoreError
from db.label_session import LabelSession, open_session
from db.migrate import upgrade
from db.schema import Job, Label
from tests.db.made_up import (
    NO,
    UNSURE,
    YES,
    add_champion,
    add_jobs,
    held,
    n_lines,
    predict,
    say,
    three_jobs,
)

LAYOUT = Layout(n_rows=9, n_lines=9, n_text=1)


def label(
    engine: Engine,
    keys: str,
    *,
    mode: Mode = Mode.NEW,
    labeller: str = "anna",
    tags: list[str] | None = None,
    referee: bool = False,
    explain: Explain | None = None,
    cells: Sequence[tuple[int, int]] = (),
    limit: int | None = None,
) -> LabelSession:
    """Press keys; `.` is enter."""
    labelling = open_session(
        engine,
        labeller=labeller,
        mode=mode,
        tags=tags,
        is_referee=referee,
        explain=explain,
        cells=cells,
        limit=limit,
        seed=0,
    )
    return typed(labelling, keys)


def typed(labelling: LabelSession, keys: str) -> LabelSession:
    for key in keys:
        labelling.fit(LAYOUT)
        labelling.press("enter" if key == "." else key, LAYOUT)
    return labelling


def suggested(engine: Engine) -> tuple[list[int], list[int]]:
    """Three jobs that a model finds remote and not at night."""
    jobs, (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        model = add_champion(session, {"remote": 0.4, "night": 0.5})
        for job_id in jobs:
            predict(session, model, session.get_one(Job, job_id), {remote: 0.9, night: 0.1})
    return jobs, [remote, night]


def test_accepting_stores_an_answer_for_each_tag_shown(engine: Engine):
    _, (remote, night) = suggested(engine)
    labelling = label(engine, ".")
    ((job, _), _) = held(engine)
    assert held(engine) == {(job, remote): YES, (job, night): NO}
    assert (labelling.n_jobs, labelling.n_answers) == (1, 2)


def test_the_suggestion_comes_with_probability_threshold_and_reasons(engine: Engine):
    suggested(engine)

    def explain(title: str, text: str) -> dict[str, list[tuple[str, float]]]:
        return {"remote": [(title, 1.5)], "unknown": [("x", 1.0)]}

    labelling = label(engine, "", explain=explain)
    row = labelling.card.rows[0]
    assert (row.tag, row.suggestion, row.probability, row.threshold) == ("remote", YES, 0.9, 0.4)
    assert row.reasons == ((labelling.card.title, 1.5),)
    assert labelling.card.rows[1].suggestion == NO


def test_what_is_typed_counts_and_not_the_suggestion(engine: Engine):
    suggested(engine)
    label(engine, "uy.")
    assert set(held(engine).values()) == {None, YES}


def test_a_skipped_posting_gets_no_label(engine: Engine):
    suggested(engine)
    labelling = label(engine, "sss")
    assert (n_lines(engine), labelling.card, labelling.n_skipped) == (0, None, 3)


def test_only_the_tags_asked_for_become_labels(engine: Engine):
    _, (_, night) = suggested(engine)
    label(engine, ".", tags=["night"])
    assert {tag for _, tag in held(engine)} == {night}


def test_a_random_posting_is_shown_without_suggestion_and_kept_for_evaluation(engine: Engine):
    jobs, (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        more = add_jobs(session, "d", "e", "f")
        model = add_champion(session, {"remote": 0.5, "night": 0.5})
        for job in (*(session.get_one(Job, job_id) for job_id in jobs), *more):
            predict(session, model, job, {remote: 0.9, night: 0.1})
    labelling = label(engine, "....")
    assert labelling.card.offer.is_random
    assert labelling.state.answers == (None, None)


def test_a_sitting_is_a_batch(engine: Engine):
    three_jobs(engine)
    label(engine, "N.N.")
    label(engine, "N.")
    with reading(engine) as session:
        found = [(b.name, b.labeller, b.n_jobs, b.state) for b in list_batches(session)]
    assert found == [("jobtool label", "anna", 2, "new"), ("jobtool label", "anna", 1, "new")]


def test_undo_goes_back_over_postings_and_shows_them_as_they_were(engine: Engine):
    suggested(engine)
    first = label(engine, "").card
    labelling = label(engine, "nn." + "s" + "zz")
    assert labelling.card == first
    assert labelling.state.answers == (NO, NO)
    assert held(engine) == {}
    assert n_lines(engine) == 4  # two answers, and two lines that take them back


def test_after_undo_the_posting_that_was_left_comes_again(engine: Engine):
    suggested(engine)
    second = label(engine, "s").card
    labelling = label(engine, "szs")
    assert labelling.card == second


def test_the_last_posting_can_be_undone_when_nothing_is_left(engine: Engine):
    suggested(engine)
    labelling = label(engine, "...z")
    assert labelling.card is not None
    assert len(held(engine)) == 4


def test_undo_with_nothing_behind_says_so(engine: Engine):
    suggested(engine)
    assert label(engine, "z").state.message == "nothing to undo"


def test_a_second_labeller_is_offered_what_another_labelled_without_its_answers(engine: Engine):
    (a, b, _), (remote, night) = suggested(engine)
    with writing(engine) as session:
        say(session, a, remote, YES, "anna")
        say(session, b, remote, YES, "ben")
    labelling = label(engine, "n.", mode=Mode.SECOND, labeller="ben")
    assert labelling.card is None
    assert held(engine)[a, remote] is None
    assert (a, night) not in held(engine)


def test_second_opinions_are_asked_of_people_before_imports(engine: Engine):
    (a, b, _), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES, "file", Source.IMPORT)
        say(session, b, remote, YES, "anna")
    labelling = label(engine, "", mode=Mode.SECOND, labeller="ben")
    assert labelling.card.offer.job_id == b
    assert labelling.card.rows[0].said == ()


def disputed(engine: Engine) -> tuple[int, int]:
    (a, *_), (remote, night) = suggested(engine)
    with writing(engine) as session:
        say(session, a, remote, YES, "anna")
        say(session, a, remote, NO, "ben")
        say(session, a, night, NO, "ben")
    return a, remote


def test_a_third_person_settles_a_dispute(engine: Engine):
    job, tag = disputed(engine)
    labelling = label(engine, "n", mode=Mode.DISPUTED, labeller="cleo")
    (row,) = labelling.card.rows
    assert row.said == (("anna", YES), ("ben", NO))
    label(engine, "n.", mode=Mode.DISPUTED, labeller="cleo")
    assert held(engine)[job, tag] == NO
    assert label(engine, "", mode=Mode.DISPUTED, labeller="cleo").card is None


def test_one_who_took_part_in_a_dispute_settles_it_only_as_referee(engine: Engine):
    job, tag = disputed(engine)
    label(engine, "y.", mode=Mode.DISPUTED, labeller="anna")
    assert held(engine)[job, tag] is None
    label(engine, "y.", mode=Mode.DISPUTED, labeller="anna", referee=True)
    assert held(engine)[job, tag] == YES


def test_a_dispute_is_not_settled_by_pressing_enter(engine: Engine):
    disputed(engine)
    assert label(engine, ".", mode=Mode.DISPUTED, labeller="cleo").n_jobs == 0


def test_suspects_are_gone_through_one_posting_at_a_time_with_who_said_what(engine: Engine):
    (a, b, _), (remote, night) = suggested(engine)
    with writing(engine) as session:
        say(session, b, night, YES, "anna")
        say(session, a, remote, NO, "anna")
    cells = [(b, night), (a, remote), (b, remote)]
    first = label(engine, "", mode=Mode.SUSPECTS, cells=cells)
    assert [row.tag for row in first.card.rows] == ["remote", "night"]
    assert first.card.rows[1].said == (("anna", YES),)
    assert first.state.answers == (None, None)
    label(engine, "yn.y.", mode=Mode.SUSPECTS, cells=cells)
    assert held(engine) == {(a, remote): YES, (b, remote): YES, (b, night): NO}


def test_without_tags_there_is_nothing_to_ask(engine: Engine):
    with pytest.raises(StoreError, match="no tags yet"):
        label(engine, "")


def test_a_posting_that_another_labelled_meanwhile_is_passed_over(engine: Engine):
    jobs, tags = suggested(engine)
    labelling = label(engine, "")
    others = set(jobs) - {labelling.card.offer.job_id}
    with writing(engine) as session:
        for job_id in others:
            for tag_id in tags:
                say(session, job_id, tag_id, YES, "ben")
    typed(labelling, ".")
    assert labelling.card is None


def test_a_posting_that_was_forgotten_meanwhile_is_told_and_skipped(engine: Engine):
    suggested(engine)
    labelling = label(engine, "")
    with writing(engine) as session:
        session.delete(session.get_one(Job, labelling.card.offer.job_id))
    assert "removed" in typed(labelling, ".").state.message
    typed(labelling, "s.")
    assert len(held(engine)) == 2


@pytest.fixture(scope="module")
def any_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One database for all examples: each begins with the labels that the last one left."""
    engine = open_engine(str(tmp_path_factory.mktemp("undo") / "jobs.db"))
    upgrade(engine)
    jobs, (remote, night) = suggested(engine)
    with writing(engine) as session:
        say(session, jobs[0], remote, YES, "anna")
        say(session, jobs[0], remote, NO, "ben")
        say(session, jobs[1], night, UNSURE, "anna")
    yield engine
    engine.dispose()


@given(
    keys=st.text("yynnu...Nszjk", max_size=25),
    mode=st.sampled_from([Mode.NEW, Mode.SECOND, Mode.DISPUTED]),
    labeller=st.sampled_from(["anna", "ben", "cleo"]),
    referee=st.booleans(),
)
def test_undoing_all_restores_what_was_held(any_engine, keys, mode, labeller, referee):
    before = held(any_engine)
    labelling = label(any_engine, keys, mode=mode, labeller=labeller, referee=referee)
    assert len(held(any_engine)) >= len(before)
    while labelling.state.message != "nothing to undo":
        labelling.press("z", LAYOUT)
    assert held(any_engine) == before
    with reading(any_engine) as session:
        lines = list(session.scalars(select(Label)))
    undone = {line.undoes_id for line in lines}
    assert all(line.id in undone or line.undoes_id for line in lines[3:])


def test_a_limit_counts_postings_and_undo_goes_back_behind_it():
    engine = open_engine(":memory:")
    upgrade(engine)
    suggested(engine)
    labelling = label(engine, "..", limit=2)
    assert labelling.card is None
    assert labelling.n_jobs == 2
    assert typed(labelling, "z").card is not None
    assert typed(labelling, ".").card is None
