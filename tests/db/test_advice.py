"""Whether labelling more still helps."""

import pytest
from sqlalchemy import Engine

from db.advice import labelling_advice
from db.engine import reading, writing
from tests.db.made_up import add_champion, judge


def advice(engine: Engine) -> str | None:
    with reading(engine) as session:
        return labelling_advice(session)


def verdict(engine: Engine, n_labelled: tuple[int, int], gain: tuple[float, float, float]) -> None:
    with writing(engine) as session:
        judge(
            session,
            add_champion(session, {"remote": 0.5}),
            add_champion(session, {"remote": 0.5}),
            n_labelled,
            gain,
        )


@pytest.mark.parametrize(
    ("gain", "end"),
    [
        ((0.001, -0.006, 0.008), "has stopped helping."),
        ((0.030, 0.010, 0.050), "labelling more helps."),
        ((0.010, -0.02, 0.04), "too close to tell whether labelling more helps."),
    ],
)
def test_the_interval_decides(engine: Engine, gain, end):
    verdict(engine, (400, 600), gain)
    assert advice(engine).endswith(end)


def test_the_sentence_gives_the_figures(engine: Engine):
    verdict(engine, (400, 600), (0.001, -0.006, 0.008))
    assert advice(engine).startswith(
        "The last 200 labelled postings changed mean average precision by +0.001 (95 % interval "
        "-0.006 to +0.008, on 200 postings)"
    )


def test_a_handful_of_labels_says_nothing(engine: Engine):
    verdict(engine, (1000, 1060), (0.0, -0.001, 0.001))
    assert advice(engine) is None


def test_an_earlier_comparison_counts_when_the_last_says_nothing(engine: Engine):
    verdict(engine, (400, 600), (0.03, 0.01, 0.05))
    verdict(engine, (600, 601), (0.0, -0.001, 0.001))
    assert "last 200" in advice(engine)


def test_without_verdicts_nothing_is_said(engine: Engine):
    assert advice(engine) is None
