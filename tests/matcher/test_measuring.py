import numpy as np
import pytest

from matcher import base, measuring
from matcher.held_out import Rivals, held_out_pairs, pairs_under_way
from matcher.measuring import measure
from matcher.popularity import Popularity
from matcher.splits import split
from tagger.errors import ModelError
from tests.matcher.made_up import made_up, slow
from tests.matcher.models import ByMoment, NeedsText, Saved, Scripted, Tastes

KS = (1, 3)


def measured(model, data=None, held=None, **options):
    data = data or made_up()
    held = held or split(data)
    return measure(
        "it", model, held, held_out_pairs(data, held), pairs_under_way(data, held), KS, **options
    )


def test_blocks_change_nothing(monkeypatch):
    whole = measured(Tastes())
    monkeypatch.setattr(base, "SCORES_AT_ONCE", 100)
    monkeypatch.setattr(measuring, "PAIRS_AT_ONCE", 7)
    parts = measured(Tastes())
    for column in ("ranks", "n_rivals", "shown"):
        np.testing.assert_array_equal(getattr(whole, column), getattr(parts, column))
    np.testing.assert_allclose(whole.pair_scores, parts.pair_scores, rtol=1e-5)


def test_shown_counts_the_first_jobs_that_may_be_shown():
    data = made_up(times=False)
    held = split(data)
    found = measured(Scripted(tuple(range(40))), data, held)
    assert found.shown.sum(axis=1).tolist() == [len(held), 3 * len(held)]
    assert found.shown[1].argmax() >= 37  # the highest scores, unless they were met
    may_be_shown = Rivals(held).of(np.arange(len(held)))
    assert found.shown[0][39] == may_be_shown[:, 39].sum()


def test_a_model_of_pairs_is_told_the_moment_of_each_question():
    data = made_up()
    held = split(data)
    ByMoment.times.clear()
    found = measured(ByMoment(), data, held)
    asked = np.concatenate(ByMoment.times)
    assert set(held.times.tolist()) <= set(asked.tolist())
    assert np.isfinite(asked).all()
    np.testing.assert_array_equal(found.ranks, measured(Scripted(tuple(range(40)))).ranks)


def test_data_that_a_model_cannot_use_are_a_result():
    assert measured(NeedsText()).failure == "jobs have no codes: give them a text"


def test_nan_scores_are_counted_and_are_the_lowest():
    constant, broken = (measured(Scripted((number,))) for number in (0.0, np.nan))
    assert constant.n_nan == 0
    assert broken.n_nan > 0
    np.testing.assert_array_equal(constant.ranks, broken.ranks)
    np.testing.assert_array_equal(constant.shown, broken.shown)


def test_infinite_scores_are_taken():
    found = measured(Scripted((np.inf, -np.inf, 0.0)))
    assert np.isfinite(found.ranks).all()
    assert found.shown.sum(axis=1).tolist() == [len(found.ranks), 3 * len(found.ranks)]


def test_scores_of_a_wrong_shape_are_named():
    class Short(Scripted):
        def score_jobs(self, data, candidates, times=None):
            return np.zeros((len(candidates), 3))

    assert "gave scores of shape" in measured(Short()).failure


def test_a_promised_probability_out_of_range_is_named():
    class Loud(Tastes):
        def score_jobs(self, data, candidates, times=None):
            return super().score_jobs(data, candidates) + 1

    assert measured(Loud()).failure.startswith("tastes promises probabilities, but gave 1 to 2")


def test_the_callers_model_stays_unfitted():
    model = Popularity()
    measured(model)
    assert not vars(model)


def test_an_error_of_the_program_is_not_hidden():
    class Broken(Scripted):
        def fit(self, data, *, show_progress=False):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measured(Broken())


def test_time_and_memory_are_measured():
    class Hungry(Scripted):
        def fit(self, data, *, show_progress=False):
            self.kept = np.ones(8_000_000)
            return self

    found = measured(Hungry((1.0,)))
    assert found.fit_s > 0
    assert found.score_s >= 0
    assert np.isnan(found.memory_mb) or found.memory_mb > 30


def test_errors_of_models_are_one_line():
    class Lost(Scripted):
        def fit(self, data, *, show_progress=False):
            raise ModelError("no vectors: name the file")

    assert measured(Lost()).failure == "no vectors: name the file"


def test_who_does_not_rank_jobs_is_asked_about_pairs_under_way_alone():
    found = measured(Saved(), slow())
    assert not found.failure
    assert len(found.ranks) == len(found.pair_scores) == 0
    assert set(found.under_way_scores) == {0.1, 0.9}
    assert "only what becomes of pairs with several steps" in measured(Saved()).failure


def test_who_ranks_jobs_is_asked_about_pairs_under_way_too():
    data = slow()
    ByMoment.times.clear()
    found = measured(ByMoment(), data)
    assert len(found.under_way_scores) == len(ByMoment.times[-1]) == 60
    assert np.isfinite(ByMoment.times[-1]).all()
