"""Resume-job NCF: clusters of resumes, ensembles of small networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matcher import registry
from matcher.base import Pairs
from matcher.data import MatchData, Profiles, RawEvent, build
from matcher.metrics import group_auc
from matcher.ncf import EVERYBODY, NcfConfig, ResumeJobNcf
from matcher.ncf_networks import Steps, _gradients, fresh, probabilities, train
from matcher.simulation import SimulationConfig, simulate
from tagger.errors import DataError, ModelError
from tests.matcher.made_up import made_up

SMALL = NcfConfig(
    n_clusters=2,
    n_networks=2,
    hidden=(8, 4),
    min_examples=20,
    epochs=25,
    batch=32,
    learning_rate=0.01,
)


@pytest.fixture(scope="module")
def data() -> MatchData:
    return made_up(150, 40, seed=1)


@pytest.fixture(scope="module")
def model(data: MatchData) -> ResumeJobNcf:
    return ResumeJobNcf(SMALL, seed=0).fit(data)


def all_pairs(data: MatchData) -> Pairs:
    people, jobs = np.indices((len(data.candidates), len(data.jobs))).reshape(2, -1)
    return Pairs(people, jobs, np.full(len(jobs), np.nan))


def test_new_candidates_are_matched_to_jobs_of_their_taste(model: ResumeJobNcf) -> None:
    new = made_up(60, 40, seed=2)
    pairs, applied = all_pairs(new), new.matrix().toarray().ravel() > 0
    scores = model.score_pairs(new, pairs)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert group_auc(applied, scores, pairs.candidates) > 0.65


def test_the_same_seed_gives_the_same_scores(data: MatchData, model: ResumeJobNcf) -> None:
    again = ResumeJobNcf(SMALL, seed=0).fit(data)
    pairs = all_pairs(data)
    assert np.array_equal(again.score_pairs(data, pairs), model.score_pairs(data, pairs))


def test_saved_and_loaded_it_scores_the_same(
    data: MatchData, model: ResumeJobNcf, tmp_path: Path
) -> None:
    registry.save(model, tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    pairs = all_pairs(data)
    assert isinstance(loaded, ResumeJobNcf)
    assert loaded.config == SMALL
    assert np.array_equal(loaded.score_pairs(data, pairs), model.score_pairs(data, pairs))


def test_each_cluster_has_networks_of_its_own(data: MatchData, model: ResumeJobNcf) -> None:
    assert list(model.layers_) == [EVERYBODY, 0, 1]
    assert model.notes_ == ()
    first, second = (model.layers_[cluster][0] for cluster in (0, 1))
    assert first.shape == (2, 17, 8)  # two codes of 8 and the biases
    assert not np.allclose(first, second)


def test_a_cluster_with_too_little_is_left_to_the_networks_of_everybody(data: MatchData) -> None:
    config = replace(SMALL, min_examples=10_000, epochs=1)
    model = ResumeJobNcf(config, seed=0).fit(data)
    assert list(model.layers_) == [EVERYBODY]
    assert len(model.notes_) == 2
    assert "the networks of everybody answer for it" in model.notes_[0]
    assert np.isfinite(model.score_jobs(data, np.arange(3))).all()


def test_a_pair_gets_the_same_score_alone_and_among_others(
    data: MatchData, model: ResumeJobNcf
) -> None:
    pairs = all_pairs(data)
    some = np.array([5, 700, 1300])
    assert model.score_pairs(data, pairs.take(some)) == pytest.approx(
        model.score_pairs(data, pairs)[some], abs=1e-6
    )


def test_without_a_resume_text_a_candidate_is_an_average_one(
    data: MatchData, model: ResumeJobNcf
) -> None:
    assert data.candidates.codes is not None
    codes = data.candidates.codes.copy()
    codes[:2] = 0
    empty = replace(data, candidates=replace(data.candidates, codes=codes))
    scores = model.score_jobs(empty, np.arange(3))
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_applies_alone_are_enough_jobs_are_drawn_as_no() -> None:
    data = made_up(60, 30, times=False, actions=("apply",))
    model = ResumeJobNcf(replace(SMALL, epochs=2)).fit(data)
    assert np.isfinite(model.score_jobs(data, np.arange(2))).all()


def test_without_codes_it_says_what_to_do(data: MatchData, model: ResumeJobNcf) -> None:
    bare = made_up(20, 10, codes=False)
    with pytest.raises(DataError, match="candidates have no codes: make them with a tagger"):
        ResumeJobNcf(SMALL).fit(bare)
    with pytest.raises(DataError, match="no codes"):
        model.score_pairs(bare, all_pairs(bare))
    zeros = np.zeros((1, 4), np.float32)
    people, jobs = Profiles(ids=("c",), codes=zeros), Profiles(ids=("j",), codes=zeros)
    data = build(people, jobs, [RawEvent("c", "j", "view")], until=None)
    with pytest.raises(DataError):
        ResumeJobNcf(SMALL).fit(data)


def test_codes_of_another_size_are_refused(model: ResumeJobNcf) -> None:
    other = simulate(SimulationConfig.sized(1000, n_code=12))
    with pytest.raises(ModelError, match="trained on codes of 8 numbers, the candidates have 12"):
        model.score_pairs(other, all_pairs(other).take(slice(5)))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"n_clusters": 0}, "n_clusters must be at least 1"),
        ({"hidden": (0,)}, "every layer of hidden"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(
    changes: dict[str, object], match: str
) -> None:
    with pytest.raises(DataError, match=match):
        NcfConfig(**changes)  # type: ignore[arg-type]


# ---- the networks


def test_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    layers = [layer.astype(np.float64) * 5 for layer in fresh((3, 4, 2), 2, rng)]
    X, y = rng.normal(size=(2, 6, 3)), rng.random((2, 6)) < 0.5
    _, gradients = _gradients(layers, X, y)  # type: ignore[arg-type]
    for place, index in ((0, (1, 2, 3)), (0, (0, 3, 1)), (1, (0, 1, 1)), (1, (1, 4, 0))):
        losses = []
        for step in (1e-5, -1e-5):
            moved = [layer.copy() for layer in layers]
            moved[place][index] += step
            losses.append(_gradients(moved, X, y)[0])  # type: ignore[arg-type]
        slope = 2 * (losses[0] - losses[1]) / 2e-5  # the loss is the mean of two networks
        assert gradients[place][index] == pytest.approx(slope, abs=1e-4)


def test_networks_learn_what_no_line_can_tell_and_start_small() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2)).astype(np.float32)
    y = X[:, 0] * X[:, 1] > 0
    layers = fresh((2, 16, 8, 2), 2, rng)
    assert np.concatenate([layer.ravel() for layer in layers]).std() == pytest.approx(0.1, rel=0.1)
    steps = Steps(epochs=60, batch=32, learning_rate=0.01, weight_decay=0.0)
    losses = list(train(layers, lambda rows: X[rows], y, steps, rng))
    found = probabilities(layers, X)
    assert found.shape == (2, 600)
    assert losses[-1] < 0.4 < losses[0]
    assert ((found > 0.5) == y).mean(axis=1).min() > 0.85
