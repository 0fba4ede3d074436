"""What the gate lets through."""

from dataclasses import dataclass, field

import pytest

from db.errors import StoreError
from db.gate import Margin, judge, to_details


@dataclass
class Found:
    value: float
    low: float
    high: float


@dataclass
class OfTag:
    tag: str
    average_precision: Found


@dataclass
class Compared:
    n_jobs: int = 100
    mean_average_precision: Found = field(default_factory=lambda: Found(0.0, -0.01, 0.01))
    macro_f1: Found = field(default_factory=lambda: Found(0.0, -0.01, 0.01))
    tags: tuple[OfTag, ...] = ()
    dropped_tags: tuple[str, ...] = ()


def test_the_first_model_goes_live():
    assert judge(None, Margin()).promote


def test_one_that_is_shown_not_to_be_worse_goes_live():
    found = judge(Compared(), Margin())
    assert found.promote
    assert "+0.000 (-0.010 to +0.010)" in found.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"n_jobs": 29}, "only 29 labelled jobs"),
        (
            {"mean_average_precision": Found(0.05, -0.03, 0.1)},
            "mean average .* not shown",
        ),
        ({"macro_f1": Found(0.05, -0.03, 0.1)}, "macro F1 .* not shown"),
        ({"macro_f1": Found(float("nan"), float("nan"), float("nan"))}, "macro F1"),
        ({"tags": (OfTag("nurse", Found(-0.1, -0.2, -0.06)),)}, "tag 'nurse' lost 0.100"),
        ({"dropped_tags": ("nurse",)}, "has not learned nurse"),
    ],
)
def test_one_that_is_not_stays_a_challenger(change, reason):
    found = judge(Compared(**change), Margin())
    assert not found.promote
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(found.reason)


def test_a_tag_may_lose_what_chance_explains():
    tag = OfTag("nurse", Found(-0.1, -0.2, 0.0))
    assert judge(Compared(tags=(tag,)), Margin()).promote


def test_a_wider_margin_lets_more_through():
    worse = Compared(mean_average_precision=Found(-0.02, -0.04, 0.0))
    assert not judge(worse, Margin()).promote
    assert judge(worse, Margin(overall=0.05)).promote


def test_a_margin_is_a_share():
    with pytest.raises(StoreError, match="from 0 to 1"):
        Margin(overall=-0.1)


def test_details_are_plain_values():
    details = to_details(Compared(macro_f1=Found(float("nan"), 0.0, 1.0)))
    assert details["macro_f1"] == {"value": None, "low": 0.0, "high": 1.0}
    assert to_details(None) == {}
