"""How far people agree, and where they don't."""

import numpy as np
import pytest
from sqlalchemy import Engine

from db.agreement import agreement, agreement_of, disagreements, labellers_of
from db.columns import Source
from db.engine import reading, writing
from tests.db.made_up import NO, UNSURE, YES, add_jobs, add_tags, say, three_jobs


def test_alpha_is_that_of_krippendorffs_book():
    # Content Analysis, 4th edition, two observers of ten units: alpha = 0.095.
    meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    counts = np.array([[2 - a - b, a + b] for a, b in zip(meg, owen, strict=True)])
    found = agreement_of("remote", counts)
    assert found.alpha == pytest.approx(0.095, abs=0.0005)
    assert found.percent == pytest.approx(60)


def test_alpha_is_not_defined_where_all_answers_are_the_same():
    found = agreement_of("remote", np.array([[2, 0], [3, 0]]))
    assert (found.alpha, found.percent) == (None, 100)


def test_the_interval_of_alpha_narrows_with_more_postings():
    few = np.array([[2, 0], [0, 2], [1, 1], [2, 0], [0, 2]])
    wide, narrow = agreement_of("remote", few), agreement_of("remote", np.tile(few, (40, 1)))
    for found in (wide, narrow):
        assert found.low < found.alpha < found.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2


def test_a_draw_of_all_postings_once_has_the_alpha_itself(monkeypatch: pytest.MonkeyPatch):
    class Once:
        def multinomial(self, n: int, shares: np.ndarray, size: int) -> np.ndarray:
            return np.round(n * shares)[None].astype(int)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Once())
    found = agreement_of("remote", np.array([[2, 0], [0, 3], [1, 1], [2, 1]]))
    assert found.low == found.high == pytest.approx(found.alpha)


def test_answers_about_one_posting_are_drawn_together():
    counts = np.array([[2, 0], [0, 2], [1, 1], [2, 0]] * 20)
    alone = agreement_of(None, counts)
    together = agreement_of(None, counts, jobs=np.arange(80) // 16)
    assert alone.alpha == together.alpha
    assert (together.low, together.high) != (alone.low, alone.high)


def test_agreement_is_told_per_tag_and_for_all(engine: Engine):
    (a, b, c), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        for job, first, second in ((a, YES, YES), (b, NO, NO), (c, YES, NO)):
            say(session, job, remote, first, "anna")
            say(session, job, remote, second, "ben")
        say(session, a, night, YES, "anna")
    with reading(engine) as session:
        overall, of_remote = agreement(session)
    assert (overall.tag, of_remote.tag, of_remote.n_jobs) == (None, "remote", 3)
    assert of_remote.percent == pytest.approx(100 * 2 / 3)
    assert of_remote.alpha == pytest.approx(4 / 9)


def test_unsure_referees_and_undone_answers_are_left_out(engine: Engine):
    (a, b, c), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        for job in (a, b, c):
            say(session, job, remote, YES, "anna")
        say(session, a, remote, UNSURE, "ben")
        say(session, b, remote, NO, "cleo", Source.REFEREE)
    with reading(engine) as session:
        assert agreement(session) == []


def test_agreement_of_some_labellers_alone(engine: Engine):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        for labeller, answer in (("anna", YES), ("ben", YES), ("cleo", NO)):
            say(session, a, remote, answer, labeller)
    with reading(engine) as session:
        assert agreement(session)[0].percent == pytest.approx(100 / 3)
        assert agreement(session, labellers=["anna", "ben"])[0].percent == 100
        assert labellers_of(session) == {"anna": 1, "ben": 1, "cleo": 1}


def test_disagreements_name_job_tag_and_people_until_they_are_settled(engine: Engine):
    (a, b, _), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES, "anna")
        say(session, a, remote, NO, "ben")
        say(session, b, night, YES, "anna")
    with reading(engine) as session:
        (one,) = disagreements(session)
    assert (one.job, one.tag, one.said) == ("a", "remote", {"anna": YES, "ben": NO})
    with writing(engine) as session:
        say(session, a, remote, NO, "cleo", Source.REFEREE)
    with reading(engine) as session:
        assert disagreements(session) == []


def test_more_disagreements_than_fit_into_one_statement(engine: Engine):
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        for job in add_jobs(session, *(f"j{n}" for n in range(501))):
            say(session, job, remote, YES, "anna")
            say(session, job, remote, NO, "ben")
    with reading(engine) as session:
        assert len(disagreements(session)) == 501
