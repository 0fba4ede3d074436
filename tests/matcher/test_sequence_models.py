"""Models on activity sequences: learn, explain what they lack, come back from disk, go on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matcher import registry, training
from matcher.base import Pairs
from matcher.data import MatchData, Profiles, RawEvent, build
from matcher.job_vae import VaeConfig
from matcher.sequence_models import (
    SequenceAll,
    SequenceCnn,
    SequenceHardVote,
    SequenceLstm,
    SequenceMatcher,
    SequenceMlp,
    SequenceSoftVote,
)
from matcher.sequence_networks import SequenceConfig
from matcher.sequences import examples
from tagger.errors import DataError, ModelError
from tests.matcher.made_up import made_up

pytestmark = pytest.mark.usefixtures("eager")

TINY = SequenceConfig(
    n_steps=3,
    filters=(4,),
    units=4,
    hidden=(8,),
    dropout=0.0,
    epochs=2,
    batch=64,
    held_out=0.2,
    learning_rate=0.05,
    vae=VaeConfig(hidden=(8,), size=4, epochs=2, batch=32),
)
SINGLE = (SequenceCnn, SequenceLstm, SequenceMlp, SequenceAll)
ALL = (*SINGLE, SequenceSoftVote, SequenceHardVote)


def told_by_steps(n: int = 150, seed: int = 0) -> MatchData:
    """Who saves applies, whatever the job."""
    rng = np.random.default_rng(seed)
    raw = []
    for c in range(n):
        will, start = bool(rng.integers(2)), float(rng.uniform(0, 9e6))
        actions = ["view", "save" if will else "view", *(["apply"] if will else [])]
        raw += [RawEvent(f"c{c}", f"j{c % 7}", a, start + 600 * at) for at, a in enumerate(actions)]
    fields = {"category": [f"k{j % 3}" for j in range(7)]}
    return build(
        None, Profiles(ids=tuple(f"j{j}" for j in range(7)), fields=fields), raw, until=None
    )


def told_by_fields(n_candidates: int = 80, seed: int = 0) -> MatchData:
    """Candidates look twice at jobs of two categories, first at their own; they apply there."""
    rng = np.random.default_rng(seed)
    raw = []
    for c in range(n_candidates):
        own = c % 2
        for at in range(6):
            fits = at < 3 or rng.random() < 0.5
            job = 2 * int(rng.integers(10)) + (own if fits else 1 - own)
            raw += [
                RawEvent(f"c{c}", f"j{job}", "view", 1e6 * at + 900 * again) for again in range(2)
            ]
            if fits:
                raw.append(RawEvent(f"c{c}", f"j{job}", "apply", 1e6 * at + 2000))
    fields = {"category": [("care", "code")[j % 2] for j in range(20)]}
    ids = tuple(f"j{j}" for j in range(20))
    return build(None, Profiles(ids=ids, fields=fields), raw, until=None)


@pytest.fixture(scope="module")
def data() -> MatchData:
    return told_by_steps()


@pytest.fixture(scope="module")
def fitted(data: MatchData, eager: None) -> dict[str, SequenceMatcher]:
    models = {model.name: model(TINY, seed=1).fit(data) for model in (*SINGLE, SequenceSoftVote)}
    hard = SequenceHardVote.from_arrays(*models["sequence-soft-vote"].to_arrays())
    return {**models, hard.name: hard}


@pytest.mark.parametrize("model", ALL)
def test_scores_are_probabilities_and_the_same_after_saving(
    model: type[SequenceMatcher],
    data: MatchData,
    fitted: dict[str, SequenceMatcher],
    tmp_path: Path,
) -> None:
    pairs = examples(data).pairs
    scores = fitted[model.name].score_pairs(data, pairs)
    assert ((scores >= 0) & (scores <= 1)).all()
    registry.save(fitted[model.name], tmp_path / "model")
    loaded, _ = registry.load(tmp_path / "model")
    assert isinstance(loaded, model)
    assert np.allclose(loaded.score_pairs(data, pairs), scores)
    assert loaded.notes_ == fitted[model.name].notes_


@pytest.mark.parametrize("model", [SequenceCnn, SequenceLstm, SequenceAll])
def test_a_telling_step_is_learned(model: type[SequenceMatcher], data: MatchData) -> None:
    found = examples(told_by_steps(seed=3))
    scores = (
        model(replace(TINY, epochs=12)).fit(data).score_pairs(told_by_steps(seed=3), found.pairs)
    )
    assert ((scores >= 0.5) == found.y).mean() > 0.95


def test_the_hidden_space_tells_what_suits_a_candidate() -> None:
    config = replace(TINY, epochs=10, vae=replace(TINY.vae, epochs=15, batch=8))
    model = SequenceMlp(config).fit(told_by_fields())
    asked = told_by_fields(seed=5)
    found = examples(asked)
    scores = model.score_pairs(asked, found.pairs)
    assert scores[found.y].mean() > scores[~found.y].mean() + 0.2


def test_votes_are_counted(data: MatchData, fitted: dict[str, SequenceMatcher]) -> None:
    pairs = examples(data).pairs
    hard = fitted["sequence-hard-vote"]
    proba = hard.proba(data, pairs)
    votes = (proba >= 0.5).sum(axis=0)
    scores = hard.score_pairs(data, pairs)
    assert (scores[votes > 2] >= 0.5).all()
    assert (scores[votes < 2] < 0.5).all()
    tied = votes == 2
    assert ((scores[tied] >= 0.5) == (proba[:, tied].mean(axis=0) >= 0.5)).all()
    soft = fitted["sequence-soft-vote"].score_pairs(data, pairs)
    assert np.allclose(soft, proba.mean(axis=0), atol=1e-6)  # same seed, same networks


@pytest.mark.parametrize("model", ALL)
def test_what_claims_to_be_a_probability_lies_among_those_of_the_networks(
    model: type[SequenceMatcher], data: MatchData, fitted: dict[str, SequenceMatcher]
) -> None:
    found, pairs = fitted[model.name], examples(data).pairs
    scores, proba = found.score_pairs(data, pairs), found.proba(data, pairs)
    is_among = (scores >= proba.min(axis=0) - 1e-9) & (scores <= proba.max(axis=0) + 1e-9)
    assert is_among.all() == found.gives_probability


def test_pairs_drawn_with_one_answer_are_one_clear_error(data: MatchData) -> None:
    with pytest.raises(DataError, match="1 pairs drawn all have the same answer"):
        SequenceCnn(replace(TINY, max_pairs=1)).fit(data)


def test_events_to_come_change_no_score(
    fitted: dict[str, SequenceMatcher], data: MatchData
) -> None:
    cut = float(np.median(data.events.times))
    n_jobs = len(data.jobs)
    candidates = np.arange(20).repeat(n_jobs)
    asked = Pairs(candidates, np.tile(np.arange(n_jobs), 20), np.full(len(candidates), cut))
    past = data.with_events(data.events.before(cut))
    model = fitted["sequence-all"]
    assert np.allclose(model.score_pairs(past, asked), model.score_pairs(data, asked))


def test_without_a_time_what_the_two_did_is_not_used(
    fitted: dict[str, SequenceMatcher], data: MatchData
) -> None:
    model = fitted["sequence-lstm"]
    pairs = examples(data).pairs
    timeless = Pairs(pairs.candidates, pairs.jobs, np.full(len(pairs), np.nan))
    assert np.ptp(model.score_pairs(data, timeless)) < 1e-6
    now = model.score_jobs(data, pairs.candidates[:5])
    assert np.ptp(now) > 0.01  # what has happened by now is


def test_probabilities_are_moved_to_the_rate_that_is_asked_for(data: MatchData) -> None:
    found = examples(data)
    mean = {
        rate: float(
            SequenceLstm(replace(TINY, base_rate=rate))
            .fit(data)
            .score_pairs(data, found.pairs)
            .mean()
        )
        for rate in (0.1, 0.5)
    }
    assert mean[0.1] < mean[0.5]


def test_learning_from_a_drawn_share_says_of_how_many(data: MatchData) -> None:
    model = SequenceCnn(replace(TINY, ratio=0.5, epochs=1)).fit(data)
    n_yes, n_no = examples(data).y.sum(), (~examples(data).y).sum()
    n_yes_drawn = min(n_yes, int(n_no / 0.5))
    assert f"from {n_yes_drawn} pairs" in model.notes_[1]
    assert f"and {round(n_yes_drawn / 2)} that" in model.notes_[1]


def test_a_robot_does_not_teach_alone(data: MatchData) -> None:
    raw = [
        RawEvent("robot", f"r{j}", "view", float(at))
        for j in range(300)
        for at in (10 * j, 10 * j + 5)
    ]
    ids = tuple(f"r{j}" for j in range(300))
    people = [
        RawEvent(f"c{c}", f"r{c}", a, c + at)
        for c in range(40)
        for at, a in enumerate(("view", "save", "apply"))
    ]
    both = build(None, Profiles(ids=ids), raw + people, until=None)
    model = SequenceCnn(replace(TINY, epochs=1, max_per_candidate=20)).fit(both)
    assert "from 40 pairs that ended in apply and 20 that" in model.notes_[1]


def test_an_interrupted_training_ends_as_a_whole_one(
    data: MatchData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, epochs=3, dropout=0.3)
    pairs = examples(data).pairs
    whole = SequenceSoftVote(config).fit(data).proba(data, pairs)
    folder = tmp_path / "checkpoint"
    real, calls = training.log_loss, []

    def interrupted(*args: object) -> float:
        calls.append(args)
        if len(calls) == 5:  # in the second epoch of the second network
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr("matcher.sequence_models.log_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SequenceSoftVote(config).fit(data, checkpoint=folder)
    assert folder.is_dir()
    resumed = SequenceSoftVote(config).fit(data, checkpoint=folder)
    assert np.allclose(resumed.proba(data, pairs), whole, atol=1e-5)
    assert len(calls) == 5 + 3 * 4 - 3 - 1  # the first network was not trained again
    assert not folder.exists()


def test_jobs_without_fields_or_codes_leave_the_steps() -> None:
    bare = made_up(codes=False, fields=False)
    model = SequenceAll(TINY).fit(bare)
    assert any("no fields" in note for note in model.notes_)
    assert np.isfinite(model.score_jobs(bare, np.arange(3))).all()


def test_codes_stand_beside_the_hidden_space() -> None:
    data = made_up()
    model = SequenceMlp(TINY).fit(data)
    assert model.space_ is not None
    assert model.space_.size_ == TINY.vae.size + 8
    with pytest.raises(ModelError, match="codes of 8 numbers, these have 0"):
        model.score_jobs(made_up(codes=False), np.arange(3))


def test_new_jobs_and_candidates_get_scores(fitted: dict[str, SequenceMatcher]) -> None:
    scores = fitted["sequence-all"].score_jobs(made_up(codes=False, seed=4), np.arange(4))
    assert scores.shape == (4, 40)
    assert np.isfinite(scores).all()


def test_events_without_times_give_no_sequences() -> None:
    with pytest.raises(DataError, match="at known times"):
        SequenceCnn(TINY).fit(made_up(times=False))


@pytest.mark.parametrize(
    "wrong", [{"dropout": 1.0}, {"epochs": 0}, {"ratio": 0.0}, {"base_rate": 1.0}, {"hidden": ()}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError):
        SequenceConfig(**wrong)
