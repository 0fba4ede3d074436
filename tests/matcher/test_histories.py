import numpy as np
import pytest

from matcher import histories as module
from matcher.base import Pairs
from matcher.data import Action, MatchData, Profiles, RawEvent, build
from matcher.histories import HistoryMatcher, histories, questions
from tests.matcher.made_up import made_up

NOW = np.full(1, np.nan)


def data_of(*lines: str, groups: list[int] | None = None) -> MatchData:
    """Applies of x to jobs a to f, such as `a 3`; without the number there is no time."""
    cells = [line.split() for line in lines]
    raw = [RawEvent("x", job, "apply", float(t[0]) if t else None) for job, *t in cells]
    repeats = None if groups is None else np.array(groups)
    return build(None, Profiles(ids=tuple("abcdef"), groups=repeats), raw, until=None)


def weights(data: MatchData, time: float = np.nan, **options: object) -> dict[str, float]:
    """Job -> how much it counts in the history of x."""
    found = histories(
        data,
        np.zeros(1, np.intp),
        Action.APPLY,
        times=np.array([time]),
        **options,  # type: ignore[arg-type]
    )
    return {data.jobs.ids[job]: float(found[0, job]) for job in found.indices}


def test_only_what_was_before_counts() -> None:
    data = data_of("a 1", "b 2", "c 3")
    assert weights(data, 2.0) == {"a": 1}
    assert weights(data) == {"a": 1, "b": 1, "c": 1}


def test_an_event_without_a_time_is_known_only_when_no_time_is_asked() -> None:
    data = data_of("a 1", "b")
    assert weights(data, 9.0) == {"a": 1}
    assert weights(data) == {"a": 1, "b": 1}


def test_a_job_counts_so_many_times_the_one_after_it() -> None:
    assert weights(data_of("a 1", "b 2", "c 3"), decay=0.5) == {"a": 0.25, "b": 0.5, "c": 1}


def test_a_job_that_was_wanted_again_and_again_takes_one_place_the_latest() -> None:
    assert weights(data_of("a 1", "b 2", "b 3", "b 4"), decay=0.5) == {"a": 0.5, "b": 1}
    assert weights(data_of("b 1", "a 2", "b 3"), decay=0.5) == {"a": 0.5, "b": 1}


def test_without_times_jobs_have_no_order() -> None:
    assert weights(data_of("a", "b"), decay=0.5) == {"a": 1, "b": 1}


def test_a_job_can_be_left_out_and_its_reposts_with_it() -> None:
    data = data_of("a", "b", "c", groups=[0, 1, 0, 3, 4, 5])  # c repeats a
    assert weights(data, without=np.array([0])) == {"b": 1}
    assert weights(data, without=np.array([-1])) == {"a": 1, "b": 1, "c": 1}


def test_candidates_may_be_asked_for_in_any_order_and_twice() -> None:
    data = made_up()
    whole = data.matrix().toarray()
    asked = np.array([5, 3, 5])
    found = histories(data, asked, Action.APPLY)
    np.testing.assert_array_equal(found.toarray(), whole[asked])
    assert histories(data, asked[:0], Action.APPLY).shape == (0, 40)


def test_pairs_that_ask_the_same_of_a_candidate_are_one_question() -> None:
    data = data_of("a", "b", groups=[0, 1, 0, 3, 4, 5])  # c repeats a
    times = np.array([np.nan, np.nan, np.nan, np.nan, 7, 7])
    pairs = Pairs(np.zeros(6, np.intp), np.array([0, 2, 3, 4, 3, 0]), times)
    asked, place = questions(data, pairs, Action.APPLY)
    each = zip(asked.jobs[place].tolist(), asked.times[place].tolist(), strict=True)
    assert [f"{job} {time:g}" for job, time in each] == [
        *("0 nan", "2 nan"),  # what happened between the two is hidden
        *("-1 nan", "-1 nan", "-1 7", "-1 7"),
    ]
    assert len(asked) == 4


class Counted(HistoryMatcher):
    """The sum of the history; remembers how many histories it was asked about."""

    name = "counted"
    n_asked = 0

    def fit(self, data, *, show_progress=False):  # type: ignore[no-untyped-def]
        self._begin(data)
        return self

    def queries(self, data, candidates, known):  # type: ignore[no-untyped-def]
        self.n_asked += len(candidates)
        return np.asarray(known.sum(axis=1), np.float32)[:, None]

    def keys(self, data):  # type: ignore[no-untyped-def]
        return np.ones((len(data.jobs), 1), np.float32)

    @classmethod
    def from_arrays(cls, files, meta):  # type: ignore[no-untyped-def]
        return cls()


def test_a_candidate_with_many_pairs_is_asked_about_once() -> None:
    data = made_up(times=False)
    model = Counted().fit(data)
    people, jobs = np.nonzero(data.matrix().toarray() == 0)
    scores = model.score_pairs(data, Pairs(people, jobs, np.full(len(jobs), np.nan)))
    np.testing.assert_array_equal(scores, data.matrix().sum(axis=1)[people])
    assert model.n_asked == len(np.unique(people))


def test_blocks_change_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up()
    model = Counted().fit(data)
    rng = np.random.default_rng(0)
    times = rng.choice([np.nan, *np.quantile(data.events.times, [0.3, 0.6])], 500)
    pairs = Pairs(rng.integers(60, size=500), rng.integers(40, size=500), times)
    whole = model.score_pairs(data, pairs)
    monkeypatch.setattr(module, "QUESTIONS_AT_ONCE", 7)
    np.testing.assert_array_equal(model.score_pairs(data, pairs), whole)
