"""Labelled pairs from events."""

import numpy as np
import pytest

from matcher.data import DAY, MatchData, Profiles, RawEvent, build
from matcher.examples import ExampleConfig, Stage, make_examples
from tagger.errors import DataError


def data_of(*raw: RawEvent, n_jobs: int = 8, **about_jobs: object) -> MatchData:
    jobs = Profiles(ids=tuple(f"j{i}" for i in range(n_jobs)), **about_jobs)  # type: ignore[arg-type]
    return build(None, jobs, raw, until=None)


FUNNEL = data_of(
    RawEvent("ann", "j0", "impression", 10.0),
    RawEvent("ann", "j1", "impression", 11.0),
    RawEvent("ann", "j2", "impression", 12.0),
    RawEvent("ann", "j1", "view", 13.0),
    RawEvent("ann", "j2", "view", 14.0),
    RawEvent("ann", "j2", "apply", 15.0),
    RawEvent("bob", "j2", "view", 16.0),
    RawEvent("bob", "j2", "apply", 17.0),
    RawEvent("bob", "j2", "reply", 18.0),
    RawEvent("bob", "j3", "dismiss", 19.0),
)


@pytest.mark.parametrize(
    ("stage", "asked"),
    [
        (Stage.TARGET, {(10, 0): 0, (11, 1): 0, (12, 2): 1, (16, 2): 1, (19, 3): 0}),
        (Stage.CLICK, {(10, 0): 0, (11, 1): 1, (12, 2): 1, (16, 2): 1, (19, 3): 0}),
        (Stage.APPLY, {(13, 1): 0, (14, 2): 1, (16, 2): 1}),
        (Stage.REPLY, {(15, 2): 0, (17, 2): 1}),
    ],
)
def test_a_pair_is_asked_about_when_it_was_first_shown(
    stage: Stage, asked: dict[tuple[int, int], int]
) -> None:
    found = make_examples(FUNNEL, ExampleConfig(stage=stage))
    times, jobs = found.pairs.times.tolist(), found.pairs.jobs.tolist()
    assert dict(zip(zip(times, jobs, strict=True), found.is_yes, strict=True)) == asked


def test_repeated_events_and_reposts_are_one_example() -> None:
    groups = np.array([0, 0, 1, 2, 3, 4, 5, 6])
    data = data_of(
        RawEvent("ann", "j0", "view", 1.0),
        RawEvent("ann", "j1", "view", 2.0),
        RawEvent("ann", "j1", "apply", 3.0),
        RawEvent("ann", "j2", "view", 4.0),
        groups=groups,
    )
    found = make_examples(data)
    assert found.pairs.jobs.tolist() == [0, 2]
    assert found.is_yes.tolist() == [True, False]


def test_where_nobody_says_no_jobs_are_drawn_that_the_candidate_never_met() -> None:
    raw = [RawEvent(f"c{i}", f"j{(i + k) % 8}", "apply") for i in range(20) for k in range(3)]
    data = data_of(*raw)
    found = make_examples(data, seed=1)
    assert found.is_yes.sum() == 60
    assert (~found.is_yes).sum() == 240
    met = data.matrix().toarray().astype(bool)
    assert (met[found.pairs.candidates, found.pairs.jobs] == found.is_yes).all()
    assert met[found.pairs.candidates, found.beside].all()


def test_no_job_is_drawn_before_it_was_posted() -> None:
    posted = np.arange(8) * DAY
    raw = [RawEvent(f"c{i}", f"j{i % 8}", "apply", (i % 8 + 0.5) * DAY) for i in range(80)]
    data = data_of(*raw, known_from=posted)
    found = make_examples(data, ExampleConfig(n_drawn=5))
    assert (posted[found.pairs.jobs] <= found.pairs.times).all()
    assert np.all(np.diff(found.pairs.times) >= 0)


def test_wanted_jobs_are_drawn_more_often_if_asked() -> None:
    raw = [RawEvent(f"c{i}", "j0", "apply") for i in range(50)] + [RawEvent("new", "j1", "apply")]
    shares = []
    for power in (0.0, 1.0):
        config = ExampleConfig(n_drawn=40, popularity_power=power)
        found = make_examples(data_of(*raw), config).take(slice(None))
        is_new = found.pairs.candidates == 50
        shares.append(np.mean(found.pairs.jobs[is_new & ~found.is_yes] == 0))
    assert shares[0] < 0.5 < shares[1]


def test_a_robot_teaches_no_more_than_its_share() -> None:
    raw = [RawEvent("bot", f"j{i}", "view", float(i)) for i in range(8)]
    data = data_of(*raw, RawEvent("ann", "j0", "view", 9.0), RawEvent("ann", "j0", "apply", 10.0))
    found = make_examples(data, ExampleConfig(max_per_candidate=3))
    assert found.pairs.jobs[found.pairs.candidates == 0].tolist() == [5, 6, 7]


def test_one_answer_for_all_is_an_error() -> None:
    data = data_of(RawEvent("ann", "j0", "apply"), n_jobs=1)
    with pytest.raises(DataError, match="all 1 examples say yes"):
        make_examples(data)
    with pytest.raises(DataError, match="stage must be one of target, click, apply, reply, got"):
        ExampleConfig(stage="clicks")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="n_drawn must be at least 0, got -1"):
        ExampleConfig(n_drawn=-1)
