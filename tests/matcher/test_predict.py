import numpy as np
import pytest

from matcher.base import Matcher
from matcher.data import MatchData, Profiles, RawEvent, build
from matcher.predict import Wanted, candidates_for, iter_jobs_for, row_of
from tagger.errors import DataError

N_JOBS = 6


class Fixed(Matcher):
    """Says what it was told to."""

    name = "fixed"

    def __init__(self, scores):
        self.scores = np.array(scores, float)

    def fit(self, data, *, show_progress=False):
        return self

    def score_jobs(self, data, candidates, times=None):
        return self.scores[candidates]

    def to_arrays(self):
        return {}, {}

    @classmethod
    def from_arrays(cls, files, meta):
        raise NotImplementedError


class Sure(Fixed):
    gives_probability = True


class Judging(Fixed):
    """Knows only pairs under way, and must be told that they are."""

    gives_probability = True
    ranks_jobs = False

    def score_pairs(self, data, pairs):
        assert np.isposinf(pairs.times).all()
        return self.scores[pairs.candidates, pairs.jobs]


def known(*events: tuple[str, str, str], groups=None, posted=None) -> MatchData:
    jobs = Profiles(
        ids=tuple(f"j{n}" for n in range(N_JOBS)),
        groups=None if groups is None else np.array(groups),
        known_from=posted,
    )
    people = Profiles(ids=("p", "q", "r"))
    return build(people, jobs, [RawEvent(*event) for event in events], until=None)


SCORES = [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [0, 0, 9, 0, 0, 0]]


def lists(data, wanted, *, scores=SCORES, people=(0, 1)):
    found = iter_jobs_for(Fixed(scores), data, np.array(people), wanted)
    places = [place for _, block in found for place in block]
    return {
        row: [(place.job, place.rank) for place in places if place.candidate == row]
        for row in people
    }


def test_lists_are_the_best_jobs_in_order():
    found = lists(known(("p", "j0", "view")), Wanted(k=2))
    assert found == {0: [(5, 1), (4, 2)], 1: [(0, 1), (1, 2)]}


def test_jobs_already_applied_to_are_left_out_unless_asked_for():
    data = known(("p", "j5", "apply"), ("p", "j4", "view"), ("q", "j0", "reply"))
    assert lists(data, Wanted(k=2)) == {0: [(4, 1), (3, 2)], 1: [(1, 1), (2, 2)]}
    assert lists(data, Wanted(k=1, with_done=True)) == {0: [(5, 1)], 1: [(0, 1)]}


def test_a_dismissed_job_is_not_recommended_nor_its_candidate_invited():
    data = known(("p", "j5", "dismiss"), ("q", "j0", "view"))
    assert lists(data, Wanted(k=1))[0] == [(4, 1)]
    invited = candidates_for(Fixed(SCORES), data, 5, Wanted(k=9))
    assert {place.candidate for place in invited} == {1, 2}


def test_of_reposts_the_best_stands_in_a_list_and_none_of_one_applied_to():
    data = known(("q", "j1", "apply"), groups=[1, 1, 2, 3, 4, 4])
    assert lists(data, Wanted(k=3)) == {0: [(5, 1), (3, 2), (2, 3)], 1: [(2, 1), (3, 2), (4, 3)]}


def test_a_job_posted_again_and_again_does_not_shorten_the_list():
    n = 20
    jobs = Profiles(ids=tuple(f"j{row}" for row in range(n)), groups=np.array([7] * 18 + [2, 3]))
    data = build(Profiles(ids=("p",)), jobs, [RawEvent("p", "j18", "view")], until=None)
    scores = [[*range(5, 23), 3, 2]]
    assert lists(data, Wanted(k=3), scores=scores, people=(0,))[0] == [(17, 1), (18, 2), (19, 3)]
    young = np.arange(n) % 3 != 2
    found = lists(data, Wanted(k=3, jobs=young), scores=scores, people=(0,))
    assert found[0] == [(16, 1), (18, 2), (19, 3)]


def test_only_some_jobs_to_choose_from():
    data, only = known(("p", "j0", "view")), np.array([1, 1, 0, 0, 0, 0], bool)
    assert lists(data, Wanted(k=5, jobs=only)) == {0: [(1, 1), (0, 2)], 1: [(0, 1), (1, 2)]}
    with pytest.raises(DataError, match="no job is left"):
        Wanted(jobs=np.zeros(6, bool))
    with pytest.raises(DataError, match="a place or more, got 0"):
        Wanted(k=0)


def test_a_score_that_is_no_number_is_never_recommended():
    scores = [[np.nan, 1, -np.inf, np.nan, np.nan, np.nan], SCORES[1], SCORES[2]]
    assert lists(known(("p", "j0", "view")), Wanted(k=4), scores=scores)[0] == [(1, 1)]


def test_invited_are_those_for_whom_the_job_is_ahead_of_most_others():
    data = known(("r", "j5", "view"))
    scores = [[100, 200, 300], [0, 0.1, 0.2], [5, 4, 3]]
    scores = [[*row, 0, 0, 0] for row in scores]
    found = candidates_for(Fixed(scores), data, 1, Wanted(k=3))
    assert [(place.candidate, place.rank) for place in found] == [(0, 1), (1, 2), (2, 3)]
    assert found[0].score == found[1].score == found[2].score == 0.8
    found = candidates_for(Fixed(SCORES), data, 0, Wanted(k=2))
    assert [(place.candidate, place.score) for place in found] == [(1, 1.0), (2, 0.4)]


def test_probabilities_are_compared_between_candidates_as_they_are():
    scores = [[0.5] * 6, [0.1] * 6, [0.9] * 6]
    found = candidates_for(Sure(scores), known(("p", "j0", "view")), 2, Wanted(k=2))
    assert [(place.candidate, place.score) for place in found] == [(2, 0.9), (0, 0.5)]


def test_who_has_applied_is_not_invited():
    data = known(("p", "j2", "apply"), ("q", "j1", "apply"), groups=[0, 1, 1, 3, 4, 5])
    found = candidates_for(Fixed(SCORES), data, 2, Wanted())
    assert [place.candidate for place in found] == [2]


def test_an_unknown_id_is_one_clear_error():
    data = known(("p", "j0", "view"))
    assert row_of(data.jobs, "j3", "job") == 3
    with pytest.raises(DataError, match="there is no candidate 'x': give the id"):
        row_of(data.candidates, "x", "candidate")


def test_who_does_not_rank_jobs_lists_pairs_under_way_alone():
    events = [
        *(("p", "j1", "view"), ("p", "j1", "save"), ("p", "j4", "view")),
        *(("q", "j1", "view"), ("q", "j1", "view"), ("q", "j2", "save"), ("q", "j2", "view")),
        *(("q", "j2", "apply"), ("r", "j5", "apply"), ("r", "j1", "view")),
    ]
    raw = [RawEvent(*event, float(time)) for time, event in enumerate(events)]
    data = build(
        Profiles(ids=("p", "q", "r")),
        Profiles(ids=tuple(f"j{n}" for n in range(N_JOBS))),
        raw,
        until=None,
    )
    found = iter_jobs_for(Judging(SCORES), data, np.arange(3), Wanted(with_done=True))
    places = [place for _, block in found for place in block]
    assert [(place.candidate, place.job) for place in places] == [(0, 1), (1, 1)]
    invited = candidates_for(Judging(SCORES), data, 1, Wanted())
    assert [(place.candidate, place.score) for place in invited] == [(1, 5), (0, 2)]
    assert candidates_for(Judging(SCORES), data, 3, Wanted()) == []
