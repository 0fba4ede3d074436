"""What the gate lets through."""

from dataclasses import dataclass, field, replace
from math import nan, sqrt
from statistics import NormalDist

import pytest

from db.errors import StoreError
from db.gate import (
    GAIN_PER_DOUBLING,
    MIN_TAG_YES,
    PRIOR_SPREAD,
    Bar,
    Belief,
    judge,
    to_details,
)


@dataclass
class Found:
    value: float
    low: float
    high: float


def about(value: float, half: float = 0.005) -> Found:
    """A difference with its 95 % interval, so wide to each side."""
    return Found(value, value - half, value + half)


NOTHING = Found(nan, nan, nan)


@dataclass
class OfTag:
    tag: str
    average_precision: Found
    n_yes: int = MIN_TAG_YES


@dataclass
class Compared:
    n_jobs: int = 100
    mean_average_precision: Found = field(default_factory=lambda: about(0.0))
    macro_f1: Found = field(default_factory=lambda: about(0.0))
    shared_average_precision: Found = field(default_factory=lambda: about(0.0))
    tags: tuple[OfTag, ...] = ()
    new_tags: tuple[str, ...] = ()
    dropped_tags: tuple[str, ...] = ()


def compared(found: Found, **others: object) -> Compared:
    """The same difference over all tags and over those that both know."""
    return Compared(mean_average_precision=found, shared_average_precision=found, **others)


def test_the_first_model_goes_live():
    assert judge(None, Bar()).promote


def test_one_that_is_better_goes_live_and_the_figures_are_told():
    found = judge(compared(about(0.01)), Bar())
    assert found.promote
    assert found.is_best
    assert "mean average precision +0.010 (+0.005 to +0.015)" in found.reason
    assert "macro F1 +0.000 (-0.005 to +0.005) on 100 labelled jobs" in found.reason


def test_one_that_is_as_good_stays_out():
    assert not judge(Compared(), Bar()).promote


def test_one_that_brings_tags_need_only_be_as_good():
    assert judge(Compared(new_tags=("night",)), Bar()).promote
    assert not judge(replace(compared(about(-0.01)), new_tags=("night",)), Bar()).promote


# ---- what is believed of a difference


def test_without_a_measurement_what_was_expected_is_believed():
    assert Belief.of(NOTHING, 0.01) == Belief(0.01, PRIOR_SPREAD)


def test_a_measurement_as_sure_as_what_was_expected_counts_half():
    found = Belief.of(about(-0.04, 1.96 * PRIOR_SPREAD), 0.0)
    assert found.mean == pytest.approx(-0.02)
    assert found.deviation == pytest.approx(PRIOR_SPREAD / sqrt(2))
    assert found.probability_better == pytest.approx(NormalDist().cdf(-sqrt(2)))


def test_a_sure_measurement_is_believed():
    found = Belief.of(about(-0.04, 0.002), 0.01)
    assert found.mean == pytest.approx(-0.04, abs=0.001)
    assert found.probability_better < 1e-9


# ---- how likely it is better


def test_one_that_is_sure_to_be_worse_stays_out():
    found = judge(compared(about(-0.05)), Bar())
    assert not found.promote
    assert not found.is_best
    assert "is higher than that of the champion with probability 0%, wanted 80%" in found.reason
    assert "mean average precision -0.050" in found.reason


def test_one_that_looks_worse_on_few_postings_stays_out_unless_it_has_twice_the_labels():
    rough = compared(about(-0.01, 0.2), n_jobs=20)
    assert not judge(rough, Bar(), n_before=100, n_now=110).promote
    assert judge(rough, Bar(), n_before=100, n_now=200).promote


def test_each_doubling_of_the_labels_is_expected_to_bring_as_much():
    def reason(n_now: int) -> str:
        return judge(compared(about(-0.05, 0.05)), Bar(), n_before=50, n_now=n_now).reason

    believed = Belief.of(about(-0.05, 0.05), 2 * GAIN_PER_DOUBLING).probability_better
    assert f"probability {believed:.0%}" in reason(200)
    assert reason(49) == reason(50)  # fewer labels than before are no loss by themselves


def test_a_lower_bar_lets_more_through():
    rough = compared(about(0.005, 0.1))
    assert not judge(rough, Bar()).promote
    assert judge(rough, Bar(confidence=0.5)).promote


@pytest.mark.parametrize("confidence", [0, 1, float("nan")])
def test_a_confidence_is_a_probability(confidence):
    with pytest.raises(StoreError, match="between 0 and 1"):
        Bar(confidence=confidence)


def test_a_margin_is_a_share():
    with pytest.raises(StoreError, match="from 0 to 1"):
        Bar(tag_margin=-0.1)


@pytest.mark.parametrize("n_now", [100, 110])
def test_so_many_more_labels_as_it_says_would_decide(n_now):
    def judged(n_jobs: int):
        found = about(0.01, 0.1 * sqrt(100 / n_jobs))
        return judge(compared(found, n_jobs=n_jobs), Bar(), n_before=100, n_now=n_now)

    told = judged(100).reason
    n_more = int(told.split("about ")[1].split(" more labelled jobs")[0].replace(",", ""))
    assert judged(100 + n_more).promote
    assert not judged(100 + n_more - 5).promote


def test_where_it_looks_worse_no_number_of_labels_is_promised():
    assert "more labelled jobs" not in judge(compared(about(-0.06)), Bar()).reason


# ---- what a mean over all tags does not show


def test_new_tags_do_not_buy_in_one_that_is_worse_on_the_tags_that_both_know():
    found = judge(
        Compared(mean_average_precision=about(0.2), shared_average_precision=about(-0.06)), Bar()
    )
    assert not found.promote
    assert "of the tags that both know is higher" in found.reason


def test_a_tag_that_is_lost_keeps_one_out():
    found = judge(replace(compared(about(0.1)), dropped_tags=("nurse", "night")), Bar())
    assert not found.promote
    assert "it can't give nurse, night any more" in found.reason


def test_a_tag_with_enough_examples_must_not_be_shown_to_be_lost():
    lost = OfTag("nurse", Found(-0.1, -0.2, -0.06))
    found = judge(replace(compared(about(0.05)), tags=(lost,)), Bar())
    assert not found.promote
    assert "tag 'nurse' lost 0.100 average precision (-0.200 to -0.060)" in found.reason


@pytest.mark.parametrize(
    "tag",
    [
        OfTag("nurse", Found(-0.1, -0.2, 0.0)),
        OfTag("nurse", Found(-0.1, -0.2, -0.06), n_yes=MIN_TAG_YES - 1),
    ],
    ids=["chance explains it", "too few examples"],
)
def test_a_tag_may_lose(tag):
    assert judge(replace(compared(about(0.05)), tags=(tag,)), Bar()).promote


@pytest.mark.parametrize(
    ("f1", "promote"),
    [
        (Found(-0.06, -0.08, -0.01), False),
        (Found(-0.06, -0.13, 0.01), True),
        (Found(-0.03, -0.04, -0.02), True),
        (NOTHING, True),
    ],
    ids=["far lower", "chance explains it", "a little lower", "not known"],
)
def test_macro_f1_is_a_guard(f1, promote):
    found = judge(compared(about(0.02), macro_f1=f1), Bar())
    assert found.promote is promote
    assert ("macro F1 fell by 0.060 (-0.080 to -0.010)" in found.reason) is not promote


def test_where_nothing_can_be_measured_it_says_so():
    unknown = compared(NOTHING, macro_f1=NOTHING, n_jobs=0)
    found = judge(unknown, Bar(), n_before=100, n_now=100)
    assert "nothing could be measured" in found.reason
    assert "more labelled jobs" not in found.reason


# ---- the anchor


def test_small_losses_do_not_add_up():
    """Each looks better than the last, and is a little worse: the anchor is what notices."""
    as_good = compared(about(0.008))
    for step in range(1, 6):
        anchor = compared(about(0.005 - 0.01 * step))
        found = judge(as_good, Bar(), anchor=anchor)
        assert not found.promote
        assert "of the best champion so far" in found.reason
    assert judge(as_good, Bar(), anchor=compared(about(0.008))).promote


def test_one_that_is_better_than_the_anchor_takes_its_place():
    better = compared(about(0.01))
    assert judge(better, Bar(), anchor=better).is_best
    assert not judge(better, Bar(), anchor=compared(about(-0.01))).is_best


def test_details_are_plain_values():
    details = to_details(Compared(macro_f1=Found(nan, 0.0, 1.0)))
    assert details["macro_f1"] == {"value": None, "low": 0.0, "high": 1.0}
    assert to_details(None) == {}
