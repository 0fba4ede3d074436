"""How often something had happened before a moment."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matcher.counts import Counts
from matcher.data import DAY

MOMENTS = st.sampled_from([0.0, 1.0, 2.0, 2.5, 40.0, np.nan])


@given(
    events=st.lists(st.tuples(st.integers(0, 3), MOMENTS), max_size=30),
    asked=st.lists(st.tuples(st.integers(0, 3), MOMENTS), max_size=30),
    days=st.sampled_from([None, 1.0, 7.0]),
)
def test_counts_are_those_of_a_loop(
    events: list[tuple[int, float]], asked: list[tuple[int, float]], days: float | None
) -> None:
    keys, times = np.array([k for k, _ in events], int), np.array([t for _, t in events]) * DAY
    who, when = np.array([k for k, _ in asked], int), np.array([t for _, t in asked]) * DAY
    now = np.nanmax(times) if np.isfinite(times).any() else None
    expected = []
    for k, t in zip(who, when, strict=True):
        own = times[keys == k]
        end = now if np.isnan(t) else t
        known = np.full(len(own), True) if np.isnan(t) else own < t
        if days is not None:
            known &= np.isfinite(own)  # without a time in no window
            if now is not None:
                known &= own >= end - days * DAY
        expected.append(int(known.sum()))
    assert Counts(keys, times, 4).before(who, when, days).tolist() == expected


def test_many_questions_about_one_moment_are_answered_like_single_ones() -> None:
    seen = Counts(np.array([0, 0, 1]), np.array([1.0, 2.0, 3.0]), 2)
    keys = np.array([0, 1, 0, 1, 0])
    assert seen.before(keys, np.full(5, 3.0)).tolist() == [2, 0, 2, 0, 2]
