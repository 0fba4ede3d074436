"""Every ranking model: learns, keeps quiet about the future, is saved and goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matcher import registry
from matcher.base import Pairs
from matcher.data import MatchData, Profiles, RawEvent, build
from matcher.examples import ExampleConfig, Stage, make_examples
from matcher.ranking import RankingModel
from tagger.errors import DataError
from tests.matcher.made_up import made_up

NAMES = ("rules", "lr-ftrl", "lr-sgd", "lr-lbfgs", "fm", "xgboost", "xgboost-lr", "deepfm")
TINY: dict[str, dict[str, Any]] = {
    "lr-ftrl": {"epochs": 8},
    "fm": {"n_factors": 2, "epochs": 8},
    "xgboost": {"n_trees": 20, "depth": 3, "min_child": 1.0},
    "xgboost-lr": {"n_trees": 10, "depth": 2, "epochs": 8},
    "deepfm": {"n_factors": 2, "hidden": (8,), "epochs": 2, "learning_rate": 0.02},
}


def new_model(name: str, **changes: Any) -> RankingModel:
    kind = registry.find(name)
    assert issubclass(kind, RankingModel)
    return kind(kind.config_class(**{**TINY.get(name, {}), **changes}))


@pytest.fixture(scope="module")
def data() -> MatchData:
    return made_up(200, 60)


@pytest.fixture(scope="module")
def fitted(data: MatchData) -> dict[str, RankingModel]:
    return {name: new_model(name).fit(data) for name in NAMES}


def auc(y: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, scores))


@pytest.mark.parametrize("name", NAMES)
def test_tells_yes_from_no_for_people_it_has_not_seen(
    name: str, fitted: dict[str, RankingModel]
) -> None:
    other = made_up(200, 60, seed=1)
    examples = make_examples(other)
    assert auc(examples.is_yes, fitted[name].score_pairs(other, examples.pairs)) > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_probabilities_where_the_model_says_so(
    name: str, data: MatchData, fitted: dict[str, RankingModel]
) -> None:
    scores = fitted[name].score_jobs(data, np.arange(5))
    assert scores.shape == (5, 60)
    assert np.isfinite(scores).all()
    assert fitted[name].gives_probability == (name != "rules")
    if fitted[name].gives_probability:
        assert scores.min() >= 0
        assert scores.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_it_gives_the_same_scores(
    name: str, data: MatchData, fitted: dict[str, RankingModel], tmp_path: Path
) -> None:
    registry.save(fitted[name], tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    assert isinstance(loaded, RankingModel)
    assert loaded.config == (fitted[name].config or fitted[name].config_class())
    pairs = make_examples(data).pairs
    expected = fitted[name].score_pairs(data, pairs)
    np.testing.assert_allclose(loaded.score_pairs(data, pairs), expected, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_one_pair_and_many_get_the_same_scores(
    name: str, data: MatchData, fitted: dict[str, RankingModel]
) -> None:
    pairs = make_examples(data).pairs.take(slice(50))
    alone = [fitted[name].score_pairs(data, pairs.take([i]))[0] for i in range(3)]
    np.testing.assert_allclose(fitted[name].score_pairs(data, pairs)[:3], alone, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_what_happens_later_changes_no_score(
    name: str, data: MatchData, fitted: dict[str, RankingModel]
) -> None:
    examples = make_examples(data)
    middle = float(np.median(data.events.times))
    pairs = examples.pairs.take(examples.pairs.times < middle)
    past = data.with_events(data.events.before(middle))
    scores = fitted[name].score_pairs(data, pairs)
    np.testing.assert_allclose(fitted[name].score_pairs(past, pairs), scores, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_model(name: str) -> None:
    small = made_up(30, 12)
    pairs = make_examples(small).pairs
    changes = {"epochs": 1} if name == "deepfm" else {}
    first, second = (
        new_model(name, **changes).fit(small).score_pairs(small, pairs) for _ in range(2)
    )
    np.testing.assert_allclose(first, second, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_ids_alone_without_times_are_enough(name: str) -> None:
    bare = made_up(40, 15, times=False, codes=False, fields=False, actions=("apply",))
    changes = {"epochs": 1} if name == "deepfm" else {}
    scores = new_model(name, **changes).fit(bare).score_jobs(bare, np.arange(3))
    assert np.isfinite(scores).all()


def test_rules_weigh_by_hand(data: MatchData) -> None:
    model = new_model("rules", weights={"same: category": 2.0, "same": 0.0}).fit(data)
    pairs = make_examples(data).pairs
    wanted, offered = data.candidates.fields["category"], data.jobs.fields["category"]
    same = [wanted[c] == offered[j] for c, j in zip(pairs.candidates, pairs.jobs, strict=True)]
    assert model.score_pairs(data, pairs).tolist() == [2.0 * s for s in same]
    with pytest.raises(DataError, match="no rule has a number to weigh"):
        new_model("rules", weights={"nothing": 1.0}).fit(data)


@pytest.mark.parametrize("name", ["lr-ftrl", "fm", "xgboost-lr", "lr-sgd"])
def test_newer_events_are_learned_on_top(name: str) -> None:
    data = made_up(80, 30)
    middle = float(np.median(data.events.times))
    model = new_model(name).fit(data.with_events(data.events.before(middle)))
    pairs = make_examples(data).pairs
    before = model.score_pairs(data, pairs)
    after = model.partial_fit(data, since=middle).score_pairs(data, pairs)
    assert np.abs(after - before).max() > 1e-4
    same = model.partial_fit(data, since=np.inf).score_pairs(data, pairs)
    np.testing.assert_array_equal(same, after)


def test_another_stage_is_asked_about(data: MatchData) -> None:
    rates = []
    for stage in (Stage.CLICK, Stage.APPLY):
        model = new_model("lr-ftrl", examples=ExampleConfig(stage=stage)).fit(data)
        pairs = make_examples(data, ExampleConfig(stage=Stage.CLICK)).pairs
        rates.append(model.score_pairs(data, pairs).mean())
    assert rates[0] > rates[1] + 0.1


def test_new_jobs_candidates_and_fields_with_nan_are_scored(
    fitted: dict[str, RankingModel],
) -> None:
    jobs = Profiles(ids=("x", "y"), fields={"salary": [float("nan"), float("inf")]})
    data = build(None, jobs, [RawEvent("new", "x", "view", 1.0)], until=None)
    for name in NAMES:
        scores = fitted[name].score_pairs(
            data, Pairs(np.array([0, 0]), np.array([0, 1]), np.array([2.0, np.nan]))
        )
        assert np.isfinite(scores).all()


def test_all_alike_is_one_clear_error() -> None:
    jobs = Profiles(ids=("j0", "j1"))
    data = build(None, jobs, [RawEvent("a", "j0", "view"), RawEvent("a", "j1", "view")], until=None)
    with pytest.raises(DataError, match="all 2 examples say yes"):
        new_model("lr-ftrl").fit(data)


def test_identical_features_give_the_share_of_yes() -> None:
    raw = [RawEvent(f"c{i}", f"j{i}", "apply" if i % 4 == 0 else "view") for i in range(400)]
    jobs = Profiles(ids=tuple(f"j{i}" for i in range(400)))
    data = build(None, jobs, raw, until=None)
    for name in ("lr-ftrl", "xgboost"):
        scores = new_model(name).fit(data).score_pairs(data, make_examples(data).pairs)
        assert scores.mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("lr-ftrl", {"epochs": 0}),
        ("lr-sgd", {"rate": 0.0}),
        ("lr-lbfgs", {"l2": -1.0}),
        ("fm", {"n_factors": 0}),
        ("xgboost", {"depth": 0}),
        ("xgboost-lr", {"tree_share": 1.0}),
        ("deepfm", {"dropout": 1.0}),
        ("rules", {"weights": {"same": float("nan")}}),
    ],
)
def test_wrong_settings_are_refused(name: str, wrong: dict[str, Any]) -> None:
    kind = registry.find(name)
    assert issubclass(kind, RankingModel)
    with pytest.raises(DataError, match="must be"):
        replace(kind.config_class(), **wrong)
