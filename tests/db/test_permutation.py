"""The test of all figures at once: false alarms are as rare as promised, changes are found."""

import numpy as np
import pytest

from db.permutation import axes_of, compare, signed_roots


def postings(rng, n):
    """Flags, measures and codes that hang together."""
    shared = rng.normal(size=(n, 1))
    flags = shared + rng.normal(size=(n, 8)) > np.linspace(0.5, 3.5, 8)
    return flags, np.exp(shared + rng.normal(size=(n, 3))), rng.normal(size=(n, 12)) + shared


def smallest_p(rng, *, change=lambda flags, measures, codes: None):
    flags, measures, codes = postings(rng, 200)
    change(flags[150:], measures[150:], codes[150:])
    return compare(flags, measures, codes, 150, rng=rng, n_deals=199).p_values.min()


def test_false_alarms_are_as_rare_as_the_level_says():
    rng = np.random.default_rng(0)
    n_false = sum(smallest_p(rng) <= 0.1 for _ in range(400))
    assert n_false <= 400 * 0.1 + 2.33 * np.sqrt(400 * 0.1 * 0.9)  # 99 % of such counts
    assert n_false > 0


def flip(flags, measures, codes):
    flags[:, 0] = ~flags[:, 0]


def raise_one(flags, measures, codes):
    measures[:, 1] *= 20


def move(flags, measures, codes):
    codes[:, :3] += 2


@pytest.mark.parametrize("change", [flip, raise_one, move])
def test_a_change_of_one_figure_among_many_is_found(change):
    assert smallest_p(np.random.default_rng(1), change=change) <= 0.005


def test_the_statistic_knows_the_direction():
    rng = np.random.default_rng(2)
    flags = np.zeros((100, 2))
    flags[:40, 0] = flags[60:, 1] = 1
    found = compare(flags, np.zeros((100, 1)), np.zeros((100, 0)), 60, rng=rng, n_deals=99)
    assert found.statistics[0] < -3
    assert found.statistics[1] > 3
    assert (found.statistics[2], found.p_values[2]) == (0, 1)  # all equal: nothing to compare


def test_one_posting_of_a_new_kind_is_no_news():
    found = signed_roots(np.array([[1.0]]), 50, np.array([1.0]), 5050)
    assert found[0, 0] == pytest.approx(3.04, abs=0.01)


def test_a_smaller_spread_is_no_alarm_and_a_larger_one_is():
    def spread(factor):
        rng = np.random.default_rng(3)
        codes = rng.normal(size=(300, 5))
        codes[200:] *= factor
        nothing = np.zeros((300, 0))
        return compare(nothing, nothing, codes, 200, rng=rng, n_deals=199).statistics[0]

    assert (spread(0.5), spread(2) > 5) == (0, True)


def test_codes_without_variation_or_columns_have_no_axes():
    assert axes_of(np.ones((50, 4))).shape == (50, 0)
    assert axes_of(np.zeros((50, 0))).shape == (50, 0)
