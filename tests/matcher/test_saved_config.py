"""Saved configurations come back as they were."""

import json
from dataclasses import asdict

import pytest

from matcher.activity_learned import LearnedConfig
from matcher.examples import ExampleConfig, Stage
from matcher.features import FeatureConfig
from matcher.ranking import RankingConfig
from matcher.saved_config import from_plain
from matcher.sequence_networks import SequenceConfig
from tagger.errors import ModelError

CONFIGS = (
    LearnedConfig(decays=(0.5, 1.0)),
    SequenceConfig(filters=(4,), ratio=3.0),
    RankingConfig(
        examples=ExampleConfig(stage=Stage.REPLY),
        features=FeatureConfig(crossed=(("salary_wanted", "salary"),), place=("lat", "lon")),
    ),
)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_configuration_comes_back_from_json_as_it_was(config: object) -> None:
    plain = json.loads(json.dumps(asdict(config)))  # type: ignore[call-overload]
    assert from_plain(type(config), plain) == config


def test_a_setting_of_another_version_is_one_clear_error() -> None:
    with pytest.raises(ModelError, match=r"settings of another version \(deepness\): train it"):
        from_plain(RankingConfig, {"examples": {"deepness": 3}})
