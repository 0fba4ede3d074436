import json

import pytest

from matcher import registry
from matcher.configs import make, named_configs, plain, read_config, write_config
from matcher.examples import Stage
from tagger.errors import DataError
from tests.matcher.leaning import Leaning


@pytest.fixture(autouse=True)
def leaning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(registry.MODELS, "leaning", "tests.matcher.leaning:Leaning")


@pytest.mark.parametrize("name", registry.MODELS)
def test_the_configuration_of_every_model_goes_to_json_and_back(name):
    model = make(name, seed=3)
    again = make(name, json.loads(json.dumps(plain(model))), seed=3)
    assert getattr(again, "config", None) == getattr(model, "config", None)


def test_lists_become_tuples_and_objects_the_dataclasses_within():
    options = {"sizes": [8, 4], "twist": {"power": 2}, "weight": 1, "end": None}
    model = make("leaning", options, seed=7)
    assert isinstance(model, Leaning)
    assert (model.config.sizes, model.config.twist.power, model.seed) == ((8, 4), 2.0, 7)
    assert isinstance(model.config.weight, float)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"wieght": 1}, "leaning has no option 'wieght'; known: weight, steps"),
        ({"weight": 3}, r"weight must be in \[0, 1\], got 3"),
        ({"weight": "much"}, "leaning.weight must be float, got 'much'"),
        ({"steps": True}, "leaning.steps must be int, got True"),
        ({"twist": {"force": 1}}, "leaning.twist has no option 'force'"),
        ({"twist": 3}, "leaning.twist must be an object, got 3"),
        ({"sizes": 5}, "leaning.sizes must be a list, got 5"),
        ({"sizes": [4, "x"]}, "leaning.sizes must be int, got 'x'"),
        ({"weight": float("nan")}, "leaning.weight must be float, got nan"),
        ({"end": "never"}, "leaning.end must be int or null, got 'never'"),
    ],
)
def test_a_wrong_option_is_one_clear_error(options, problem):
    with pytest.raises(DataError, match=problem):
        make("leaning", options)


def test_a_choice_is_one_of_its_values():
    model = make("lr-ftrl", {"examples": {"stage": "click"}})
    assert model.config.examples.stage is Stage.CLICK
    with pytest.raises(DataError, match="stage must be one of target, click, apply, reply, got"):
        make("lr-ftrl", {"examples": {"stage": "banana"}})


def test_a_model_without_options_takes_none():
    assert registry.find("popularity").config_class is None
    with pytest.raises(DataError, match="popularity has no configuration, got k"):
        make("popularity", {"k": 1})


def test_what_a_search_writes_can_be_read(tmp_path):
    path = tmp_path / "best.json"
    write_config(path, {"model": "leaning", "config": {"weight": 0.5}, "value": 0.1})
    assert read_config(path, "leaning") == {"weight": 0.5}
    assert named_configs([path], ["popularity", "leaning"]) == {"leaning": {"weight": 0.5}}
    with pytest.raises(DataError, match="is a configuration of leaning, not of ease"):
        read_config(path, "ease")
    with pytest.raises(DataError, match="must be one of popularity"):
        named_configs([path], ["popularity"])


def test_a_bare_configuration_is_read_as_it_is(tmp_path):
    (tmp_path / "own.json").write_text('{"weight": 0.5}')
    assert read_config(tmp_path / "own.json", "leaning") == {"weight": 0.5}
    assert read_config(None, "leaning") == {}


@pytest.mark.parametrize("text", ["", "[1]", "{", "\xff", '{"config": 3}'])
def test_what_is_no_configuration_is_one_clear_error(tmp_path, text):
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"x\.json"):
        read_config(tmp_path / "x.json", "leaning")


def test_a_configuration_that_is_not_there_is_told_from_one_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*none\.json$"):
        read_config(tmp_path / "none.json", "leaning")
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        read_config(tmp_path, "leaning")
