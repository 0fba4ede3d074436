from dataclasses import replace

import pytest

from matcher.display import NOTHING, as_text
from matcher.evaluate import evaluate
from matcher.popularity import Popularity
from matcher.splits import split
from tests.matcher.made_up import made_up
from tests.matcher.models import NeedsText, Tastes

LONG = "a model whose name goes on and on and on and on"


@pytest.fixture(scope="module")
def evaluation():
    data = made_up(200)
    models = {"popularity": Popularity(), LONG: Tastes(), "\x1b[31mred": NeedsText()}
    return evaluate(models, data, split(data, test_share=0.6), ks=(1, 100))


def test_every_line_fits_a_terminal(evaluation, monkeypatch):
    assert LONG in as_text(evaluation)
    monkeypatch.setattr("matcher.display.line_width", lambda: 80)
    assert max(map(len, as_text(evaluation).splitlines())) <= 80


def test_the_best_model_stands_first_and_is_marked_as_ahead(evaluation):
    lines = as_text(evaluation).splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("popularity"))
    assert lines[place - 1].startswith("a model whose")
    assert lines[place - 1].endswith("*")
    assert lines[place].endswith(NOTHING)


def test_live_and_frozen_stand_side_by_side(evaluation):
    lines = as_text(evaluation).splitlines()
    head = next(line.split() for line in lines if line.startswith("protocol"))
    assert head[1:5] == ["HR@100", "live", "HR@100", "frozen"]


def test_baselines_of_yes_or_no_and_new_jobs_are_shown(evaluation):
    text = as_text(evaluation)
    assert f"{evaluation.majority:.3f}" in text
    assert "always the same" in text
    assert "new jobs" in text


def test_who_was_not_used_is_named_without_what_a_terminal_acts_on(evaluation):
    text = as_text(evaluation)
    assert "\\u001b[31mred was not used: jobs have no codes" in text
    assert "\x1b" not in text


def test_when_no_model_could_be_used_the_reasons_remain(evaluation):
    text = as_text(replace(evaluation, models=tuple(evaluation.failed), reference=""))
    assert "was not used" in text
    assert "NDCG" not in text
