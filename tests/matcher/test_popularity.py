import numpy as np

from matcher.data import Profiles, RawEvent, build
from matcher.popularity import Popularity

JOBS = Profiles(ids=("a", "b", "c"))
APPLIES = [RawEvent("x", "b", "apply"), RawEvent("y", "b", "apply"), RawEvent("x", "a", "apply")]


def scores(model, data):
    return model.score_jobs(data, np.array([0, 1])).tolist()


def test_a_job_counts_once_for_each_candidate_who_did_the_target_action():
    again = [RawEvent("y", "b", "apply"), RawEvent("y", "c", "view")]
    data = build(None, JOBS, [*APPLIES, *again], until=None)
    assert scores(Popularity().fit(data), data) == [[1, 2, 0]] * 2


def test_newer_data_with_other_jobs_in_another_order_are_answered_by_id():
    model = Popularity().fit(build(None, JOBS, APPLIES, until=None))
    later = build(None, Profiles(ids=("new", "b", "a")), APPLIES, until=None)
    assert scores(model, later) == [[0, 2, 1]] * 2


def test_a_new_repost_is_as_popular_as_the_job_that_it_repeats():
    model = Popularity().fit(build(None, JOBS, APPLIES, until=None))
    jobs = Profiles(ids=("a", "b", "c", "b again"), groups=np.array([0, 1, 2, 1]))
    assert scores(model, build(None, jobs, APPLIES, until=None)) == [[1, 2, 0, 2]] * 2


def test_fitting_again_forgets():
    data = build(None, JOBS, APPLIES, until=None)
    model = Popularity().fit(
        build(None, JOBS, APPLIES * 1 + [RawEvent("z", "c", "apply")], until=None)
    )
    assert scores(model.fit(data), data) == [[1, 2, 0]] * 2
