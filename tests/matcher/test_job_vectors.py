import numpy as np
import pytest

from matcher.data import MatchData, Profiles, RawEvent, build
from matcher.job_vectors import JobVectors
from tagger.errors import DataError, ModelError
from tests.matcher.made_up import made_up


def test_codes_are_scaled_to_length_one_and_a_job_without_text_stays_zeros():
    codes = np.array([[3, 4], [0, 0]], np.float32)
    jobs = Profiles(ids=("a", "b"), codes=codes)
    data = build(None, jobs, [RawEvent("x", "a", "apply")], until=None)
    assert JobVectors().fit(data).of(data) == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


def test_jobs_of_the_same_candidates_are_near_and_new_ones_zeros():
    shared = [(c, j) for c in ("x", "y", "z") for j in ("a", "b")] + [("v", "c"), ("w", "c")]
    jobs = Profiles(ids=("a", "b", "c", "new"))
    data = build(None, jobs, [RawEvent(c, j, "apply") for c, j in shared], until=None)
    a, b, c, new = JobVectors(2).fit(data).of(data)
    assert a @ b == pytest.approx(1)
    assert abs(a @ c) < 1e-5
    assert not new.any()


def test_vectors_are_known_by_id():
    data = made_up(codes=False)
    turned = Profiles(ids=data.jobs.ids[::-1])
    vectors = JobVectors(4).fit(data)
    events = data.events.take(slice(0, 0))
    other = MatchData(candidates=data.candidates, jobs=turned, events=events)
    assert (vectors.of(other) == vectors.of(data)[::-1]).all()


def test_without_the_only_candidate_nothing_is_known_of_a_job():
    data = build(
        None,
        Profiles(ids=("a", "b", "c")),
        [RawEvent(*pair, "apply") for pair in ("xa", "xb", "yb", "yc", "zb")],
        until=None,
    )
    table = JobVectors(2).fit_for_training(data)
    jobs, x = np.array([0, 1]), np.array([0, 0])
    only, shared = table.look_up(jobs, x)
    assert not only.any()
    assert np.linalg.norm(shared) == pytest.approx(1)
    assert table.look_up(jobs).any(axis=1).all()


def test_codes_of_another_size_are_refused():
    data = made_up()
    vectors = JobVectors().fit(data)
    with pytest.raises(ModelError, match="job codes of 8 numbers, got none"):
        vectors.of(made_up(codes=False))


def test_one_candidate_alone_is_too_little_to_learn_vectors_from():
    data = build(None, Profiles(ids=("a", "b")), [RawEvent("x", "a", "apply")], until=None)
    with pytest.raises(DataError, match="too few to learn vectors"):
        JobVectors().fit(data)
