"""The hidden space of jobs."""

from dataclasses import replace

import numpy as np
import pytest

from matcher.data import Profiles
from matcher.job_vae import JobSpace, VaeConfig
from tagger.errors import DataError, ModelError
from tests.matcher.made_up import made_up

pytestmark = pytest.mark.usefixtures("eager")

TINY = VaeConfig(hidden=(8,), size=4, epochs=30, batch=40, learning_rate=0.02)


def kinds(n: int = 40) -> Profiles:
    """Two kinds of jobs, told by two fields at once, and one that tells nothing."""
    rng = np.random.default_rng(0)
    fields = {
        "category": [("care", "code")[j % 2] for j in range(n)],
        "industry": [("health", "software")[j % 2] for j in range(n)],
        "district": [f"d{d}" for d in rng.integers(3, size=n)],
    }
    return Profiles(ids=tuple(map(str, range(n))), fields=fields)


def test_jobs_of_a_kind_are_near_each_other_and_the_loss_falls() -> None:
    space = JobSpace(TINY).fit(kinds())
    vectors = space.vectors(kinds())
    assert vectors.shape == (40, space.size_) == (40, 4)
    between = np.linalg.norm(vectors[::2].mean(axis=0) - vectors[1::2].mean(axis=0))
    within = np.linalg.norm(vectors[::2] - vectors[::2].mean(axis=0), axis=1).mean()
    assert between > 2 * within
    assert space.losses_[-1] < 0.7 * space.losses_[0]


def test_the_same_seed_gives_the_same_space() -> None:
    config = replace(TINY, epochs=2)
    first, again, other = (
        JobSpace(config, seed=s).fit(kinds()).vectors(kinds()) for s in (1, 1, 2)
    )
    assert (first == again).all()
    assert not np.allclose(first, other)


def test_a_space_comes_back_from_arrays() -> None:
    jobs = made_up().jobs
    space = JobSpace(replace(TINY, epochs=1)).fit(jobs)
    assert np.allclose(JobSpace.from_arrays(space.to_arrays()).vectors(jobs), space.vectors(jobs))


def test_a_new_job_with_unknown_words_has_a_vector() -> None:
    space = JobSpace(replace(TINY, epochs=1)).fit(kinds())
    new = Profiles(ids=("new",), fields={"category": ["never seen"], "district": [None]})
    assert np.isfinite(space.vectors(new)).all()


def test_what_jobs_lack_is_said() -> None:
    bare = Profiles(ids=("a", "b"))
    space = JobSpace().fit(bare)
    assert space.vectors(bare).tolist() == [[0], [0]]
    assert [note.split(":")[0] for note in space.notes_] == [
        "jobs have no fields",
        "jobs have no codes",
    ]


def test_codes_of_another_size_are_refused() -> None:
    coded = Profiles(ids=("a", "b"), codes=np.eye(2, dtype=np.float32))
    space = JobSpace().fit(coded)
    assert space.vectors(coded).shape == (2, 2)
    with pytest.raises(ModelError, match="codes of 2 numbers, these have 3"):
        space.vectors(Profiles(ids=("a",), codes=np.zeros((1, 3), np.float32)))


def test_jobs_that_are_all_the_same_do_no_harm() -> None:
    same = Profiles(ids=("a", "b", "c"), fields={"x": ["y"] * 3}, codes=np.ones((3, 2), np.float32))
    assert np.isfinite(JobSpace(replace(TINY, epochs=1)).fit(same).vectors(same)).all()


@pytest.mark.parametrize("wrong", [{"size": 0}, {"learning_rate": 0.0}, {"divergence_weight": -1}])
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError):
        VaeConfig(**wrong)


def test_jobs_whose_fields_are_all_empty_have_no_hidden_space() -> None:
    empty = Profiles(ids=("a", "b"), fields={"tags": [[], []]})
    space = JobSpace(TINY).fit(empty)
    assert space.vectors(empty).tolist() == [[0], [0]]
    assert space.notes_[0].startswith("jobs have no fields")


def test_jobs_that_say_nothing_yet_change_no_scale() -> None:
    codes = np.random.default_rng(0).normal(1, 1, (40, 3)).astype(np.float32)
    told = replace(kinds(), codes=codes)
    later = Profiles(
        ids=tuple(map(str, range(60))),
        fields={name: [*values, *[None] * 20] for name, values in told.fields.items()},
        codes=np.concatenate([codes, np.zeros((20, 3), np.float32)]),
    )
    one, other = (JobSpace(replace(TINY, epochs=1)).fit(jobs) for jobs in (told, later))
    assert np.allclose(one.vectors(told), other.vectors(told))
