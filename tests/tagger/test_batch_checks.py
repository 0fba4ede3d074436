"""Whether a batch of labels looks like older ones."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit

from tagger.batch_checks import MIN_OLDER, N_SUSPECTS, BatchCheck, check_batch, check_jobs

TAGS = tuple("abcdefgh")
RATES = np.linspace(0.1, 0.4, len(TAGS))
Labels = npt.NDArray[np.int8]
Scores = npt.NDArray[np.float64]


def labels(rng: np.random.Generator, n: int) -> Labels:
    return (rng.random((n, len(TAGS))) < RATES).astype(np.int8)


def proba(rng: np.random.Generator, Y: Labels) -> Scores:
    """What a middling model says: average precision about 0.8."""
    return np.asarray(expit(2.5 * Y - 3 + rng.normal(size=Y.shape)))


def check(
    spoil: Callable[[Labels], Labels] = lambda Y: Y, *, n: int = 60, n_old: int = 200, seed: int = 0
) -> BatchCheck:
    rng = np.random.default_rng(seed)
    old, new = labels(rng, n_old), labels(rng, n)
    P_old, P = proba(rng, old), proba(rng, new)
    return check_batch(P_old, old, np.arange(n_old), P, spoil(new.copy()), TAGS, seed=seed)


def shuffled(Y: Labels) -> Labels:
    return np.random.default_rng(7).permutation(Y)


def one_for_another(Y: Labels) -> Labels:
    return Y[:, np.roll(np.arange(len(TAGS)), 1)]


def shifted(Y: Labels) -> Labels:
    return np.roll(Y, 1, axis=0)


def at_random(Y: Labels) -> Labels:
    return (np.random.default_rng(7).random(Y.shape) < 0.25).astype(np.int8)


def all_no(Y: Labels) -> Labels:
    return np.zeros_like(Y)


def all_yes(Y: Labels) -> Labels:
    return np.ones_like(Y)


def copied(Y: Labels) -> Labels:
    return np.repeat(Y[:, :1], len(TAGS), axis=1)


@pytest.mark.parametrize("n", [30, 60, 400])
def test_of_a_hundred_honest_batches_at_most_five_are_held(n):
    found = [check(n=n, seed=seed).problems for seed in range(100)]
    assert sum(map(bool, found)) <= 5


@pytest.mark.parametrize("n", [30, 60, 400])
@pytest.mark.parametrize(
    "spoil", [shuffled, one_for_another, shifted, at_random, all_no, all_yes, copied]
)
def test_bad_batches_are_held(spoil, n):
    assert all(check(spoil, n=n, seed=seed).problems for seed in range(10))


def test_it_says_how_well_labels_and_model_agree():
    honest, bad = check(n=200), check(shuffled, n=200)
    assert honest.n_jobs == 200
    assert honest.agreement == pytest.approx(honest.usual_agreement, abs=0.1)
    assert bad.usual_agreement == honest.usual_agreement
    assert abs(bad.agreement) < 0.1
    assert f"({bad.agreement:.2f}, older labels {bad.usual_agreement:.2f};" in bad.problems[0]


def test_too_many_tags_are_told_beside_what_is_usual():
    assert any("tags are given 480 times where older" in one for one in check(all_yes).problems)


def test_a_tag_that_means_something_else_is_named():
    def turned(Y: Labels) -> Labels:
        Y[:, 7] = 1 - Y[:, 7]
        return Y

    problems = check(turned, n=100).problems
    assert any("tag 'h' is given to other postings than before" in one for one in problems)


def test_the_jobs_that_fit_least_come_first():
    def some_wrong(Y: Labels) -> Labels:
        Y[[3, 40]] = 1 - Y[[3, 40]]
        return Y

    found = check(some_wrong)
    assert found.problems == ()
    assert set(found.suspects[:2]) == {3, 40}
    assert len(found.suspects) == N_SUSPECTS
    assert len(check(n=4).suspects) == 4


def test_on_too_few_older_labels_nothing_is_said():
    found = check(shuffled, n_old=MIN_OLDER - 1)
    assert (found.problems, found.suspects) == ((), ())
    assert np.isnan([found.agreement, found.usual_agreement]).all()
    assert check(shuffled, n_old=MIN_OLDER).suspects


def test_older_labels_that_repeat_each_other_count_once():
    rng = np.random.default_rng(0)
    old, new = labels(rng, 200), labels(rng, 60)
    few = np.arange(200) % (MIN_OLDER - 1)
    found = check_batch(proba(rng, old), old, few, proba(rng, new), shuffled(new), TAGS)
    assert found.problems == ()


def test_a_batch_of_which_nothing_is_known_is_not_held():
    """As one that is all about a new tag."""
    found = check(lambda Y: np.full_like(Y, -1))
    assert (found.problems, found.suspects) == ((), ())
    assert np.isnan(found.agreement)


def only_first(Y: Labels) -> Labels:
    Y[::2, 0] = Y[:, 1:] = -1
    return Y


def test_a_batch_about_one_tag_is_compared_with_older_labels_of_that_tag():
    """As by `jobtool label --tag`: few cells say less than whole rows do."""
    found = [check(only_first, n=60, seed=seed) for seed in range(100)]
    assert sum(bool(one.problems) for one in found) <= 5
    assert {place % 2 for one in found for place in one.suspects} == {1}
    bad = check(lambda Y: only_first(shuffled(Y)), n=400)
    assert bad.problems


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
class TestJobs:
    """Against a real, small model."""

    @pytest.fixture
    def known(self, tiny_jobs):
        """Jobs with every tag answered."""
        return [job for job in tiny_jobs if job.not_tags is None]

    def test_labels_that_the_model_knows_pass(self, tiny_tagger, known):
        found = check_jobs(tiny_tagger.model_, known)
        assert found.problems == ()
        assert found.n_jobs == len(known)

    def test_shuffled_labels_are_held(self, tiny_tagger, known):
        turned = [replace(job, tags=other.tags) for job, other in pairwise(known)]
        assert (
            "agree with the live model far less"
            in (check_jobs(tiny_tagger.model_, turned).problems[0])
        )

    def test_tags_go_by_the_names_that_they_have_now(self, tiny_tagger, known):
        model = tiny_tagger.model_
        renamed = {"care": "nursing", "software": "it"}
        jobs = [
            replace(job, tags=tuple(renamed.get(tag, tag) for tag in job.tags)) for job in known
        ]
        assert check_jobs(model, jobs, renamed=renamed) == check_jobs(model, known)

    def test_tags_that_the_model_does_not_know_are_left_out(self, tiny_tagger, known):
        more = [replace(job, tags=(*job.tags, "new")) for job in known]
        assert check_jobs(tiny_tagger.model_, more) == check_jobs(tiny_tagger.model_, known)
        told = [
            replace(job, not_tags=tuple({*tiny_tagger.model_.tags, "newer"} - {*job.tags}))
            for job in more
        ]
        assert check_jobs(tiny_tagger.model_, told) == check_jobs(tiny_tagger.model_, known)
