"""Whether labelling more still helps."""

import pytest
from sqlalchemy import Engine

from db.advice import labelling_advice
from db.engine import reading, writing
from tests.db.made_up import YES, add_champion, add_jobs, add_tags, retrained, say


def advice(engine: Engine) -> str | None:
    with reading(engine) as session:
        return labelling_advice(session)


def retrains(engine: Engine, *steps: tuple[int, tuple[float, float, float] | None]) -> None:
    """One retrain after the other: postings labelled before it, and what it brought."""
    champion_id = None
    for step, (n_new, gain) in enumerate(steps):
        with writing(engine) as session:
            (remote,) = add_tags(session, "remote")
            for job in add_jobs(session, *(f"{step}-{n}" for n in range(n_new))):
                say(session, job, remote, YES)
            model = add_champion(session, {"remote": 0.5})
            retrained(session, model, champion_id=champion_id, gain=gain)
            champion_id = model.id


@pytest.mark.parametrize(
    ("gain", "end"),
    [
        ((0.001, -0.006, 0.008), "has stopped helping."),
        ((0.030, 0.010, 0.050), "labelling more helps."),
        ((0.010, -0.02, 0.04), "too close to tell whether labelling more helps."),
    ],
)
def test_the_interval_decides(engine: Engine, gain, end):
    retrains(engine, (20, None), (50, gain))
    assert advice(engine).endswith(end)


def test_the_sentence_gives_the_figures(engine: Engine):
    retrains(engine, (20, None), (60, (0.001, -0.006, 0.008)))
    assert advice(engine).startswith(
        "The last 60 labelled postings changed mean average precision by +0.001 (95 % interval "
        "-0.006 to +0.008, on 200 postings)"
    )


def test_a_handful_of_labels_says_nothing(engine: Engine):
    retrains(engine, (20, None), (49, (0.0, -0.001, 0.001)))
    assert advice(engine) is None


def test_an_earlier_comparison_counts_when_the_last_says_nothing(engine: Engine):
    retrains(engine, (20, None), (60, (0.03, 0.01, 0.05)), (1, (0.0, -0.001, 0.001)))
    assert "last 60" in advice(engine)


def test_a_comparison_without_figures_says_nothing(engine: Engine):
    retrains(engine, (20, None), (60, (None, None, None)))
    assert advice(engine) is None


def test_without_retrains_nothing_is_said(engine: Engine):
    assert advice(engine) is None
