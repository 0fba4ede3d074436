"""Who applies, from what they did with a job so far: five models on activity sequences.

Letters for axes: P pairs, M networks, J jobs, S steps, D numbers of a job's vector.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np
import numpy.typing as npt

from matcher.base import PAIRS_AT_ONCE, Arrays, Matcher, Pairs
from matcher.checkpoint import Checkpoint, fingerprint
from matcher.data import Action, BoolArray, FloatArray, IntArray, MatchData
from matcher.job_vae import JobSpace
from matcher.saved_config import from_plain
from matcher.sequence_networks import INPUTS, SequenceConfig, build, logits
from matcher.sequences import Browsed, Examples, Sequences, class_weights, draw, examples
from matcher.training import Schedule, log_loss, train
from matcher.voting import hard_vote, soft_vote
from tagger.errors import DataError

Inputs = dict[str, npt.NDArray[np.float32]]


class SequenceMatcher(Matcher):
    """What the models share: examples, inputs, training, saving. M networks on one fit.

    `score_pairs` follows the contract: without a time, what happened between the two is not used.
    `score_jobs` asks about now: everything in `data` has happened, also between the two.

    Attributes
    ----------
    notes_ : tuple of str
        What was left out or is not there.
    losses_ : dict
        Network -> held-out loss after each epoch.

    References
    ----------
    Lin, 104 Job Match Recommendation using Deep Learning (talk on the 104 hackathon), 2017.
    Moving probabilities to another base rate: Elkan, The Foundations of Cost-Sensitive Learning,
    2001.
    """

    gives_probability = True
    config_class = SequenceConfig
    ranks_jobs = False
    networks: ClassVar[tuple[str, ...]]

    def __init__(self, config: SequenceConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self, data: MatchData, *, show_progress: bool = False, checkpoint: Path | None = None
    ) -> Self:
        """Learn from all pairs with enough steps.

        Parameters
        ----------
        checkpoint
            A folder for the state after each epoch: an interrupted training with the same
            settings, seed and data goes on from there. Removed at the end.
        """
        config = self.settings
        whole = Checkpoint(checkpoint, fingerprint(config, self.seed))
        found = examples(data, min_steps=config.min_steps)
        chosen = self._chosen(found, config)
        self.target_ = data.target
        self.space_ = None
        if self._needs_space():
            self.space_ = JobSpace(config.vae, seed=self.seed)
            self.space_.fit(data.jobs, checkpoint=whole, show_progress=show_progress)
        self._set_base_rate(found, chosen, config)
        self.notes_ = self._notes(found, chosen)
        self.losses_: dict[str, list[float]] = {}
        self.networks_: dict[str, keras.Model] = {}
        inputs = _Asked(data, self.target_, self.space_).inputs(chosen.pairs, config.n_steps)
        for kind in self.networks:
            self.networks_[kind] = self._train(kind, inputs, chosen, config, whole, show_progress)
        whole.remove()
        return self

    @classmethod
    def _needs_space(cls) -> bool:
        return any("job" in INPUTS[kind] for kind in cls.networks)

    def _chosen(self, found: Examples, config: SequenceConfig) -> Examples:
        rows = _capped(found.pairs.candidates, config.max_per_candidate, self.seed)
        found = found.take(rows)
        rows = np.arange(len(found))
        if config.ratio is not None:
            rows = draw(found.y, config.ratio, seed=self.seed)
        if config.max_pairs is not None and len(rows) > config.max_pairs:
            rng = np.random.default_rng(self.seed)
            rows = np.sort(rng.choice(rows, config.max_pairs, replace=False))
        chosen = found.take(rows)
        if not chosen.y.any() or chosen.y.all():
            raise DataError(
                f"the {len(chosen):,} pairs drawn all have the same answer: raise "
                "max_per_candidate or max_pairs, or give a ratio"
            )
        return chosen

    def _set_base_rate(self, found: Examples, chosen: Examples, config: SequenceConfig) -> None:
        """What is added to logits: networks learn as if a share `learned` were yes."""
        learned = 0.5 if config.class_weights else float(chosen.y.mean())
        asked = float(found.y.mean()) if config.base_rate is None else config.base_rate
        self.shift_ = _logit(asked) - _logit(learned)

    def _notes(self, found: Examples, chosen: Examples) -> tuple[str, ...]:
        n_yes = int(chosen.y.sum())
        few = f"{found.n_short:,} pairs with fewer steps than needed were left out"
        learned = f"learned from {n_yes:,} pairs that ended in {self.target_}"
        lacks = self.space_.notes_ if self.space_ else ()
        return few, f"{learned} and {len(chosen) - n_yes:,} that did not", *lacks

    def _train(
        self,
        kind: str,
        inputs: Inputs,
        chosen: Examples,
        config: SequenceConfig,
        whole: Checkpoint,
        show_progress: bool,
    ) -> keras.Model:
        inputs = {name: inputs[name] for name in INPUTS[kind]}
        y = chosen.y.astype(np.float32)
        weights = class_weights(chosen.y) if config.class_weights else np.ones(len(y))
        weights = weights.astype(np.float32)
        judges = _judges(chosen, config.held_out, self.seed)
        rows = np.flatnonzero(~judges)
        keras.utils.set_random_seed(self.seed)
        network = build(kind, config, self.space_.size_ if self.space_ else 0)
        network.get_layer("head").get_layer("logit").bias.assign(
            [_logit(float(np.average(y, weights=weights)))]
        )
        network.compile(
            keras.optimizers.Adam(config.learning_rate),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=False,  # compiling the unrolled LSTM takes longer than it saves
        )

        def batch_of(at: IntArray) -> tuple[Any, ...]:
            which = rows[at]
            part = {name: values[which] for name, values in inputs.items()}
            return part, y[which, None], weights[which]

        def held_out_loss() -> float:
            part = {name: values[judges] for name, values in inputs.items()}
            return log_loss(y[judges], logits(network, part), weights[judges])

        self.losses_[kind] = train(
            network,
            batch_of,
            len(rows),
            Schedule(
                epochs=config.epochs,
                batch=config.batch,
                patience=config.patience if judges.any() else None,
                seed=self.seed,
            ),
            held_out_loss=held_out_loss if judges.any() else None,
            checkpoint=whole.within(kind, fingerprint(y, weights, *inputs.values())),
            title=kind,
            show_progress=show_progress,
        )
        return network

    def proba(self, data: MatchData, pairs: Pairs) -> FloatArray:
        """What each network says, shape (M, P)."""
        n_steps = self.settings.n_steps
        asked = self._asked(data)
        found = np.empty((len(self.networks_), len(pairs)))
        for first in range(0, len(pairs), PAIRS_AT_ONCE):
            part = slice(first, first + PAIRS_AT_ONCE)
            inputs = asked.inputs(pairs.take(part), n_steps)
            for row, network in enumerate(self.networks_.values()):
                own = {name: inputs[name] for name in INPUTS[network.name]}
                found[row, part] = _sigmoid(logits(network, own) + self.shift_)
        return found

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        return soft_vote(self.proba(data, pairs))

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        now = np.full(len(candidates), np.inf)  # not nan: what happened between the two counts
        return super().score_jobs(data, candidates, now if times is None else times)

    def _asked(self, data: MatchData) -> "_Asked":
        """Kept for the next question about the same data: sorting its events takes a while."""
        known: tuple[MatchData, _Asked] | None = getattr(self, "_last", None)
        if known is None or known[0] is not data:
            known = self._last = data, _Asked(data, self.target_, self.space_)
        return known[1]

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        files = {
            f"network_{kind}": {
                f"weight_{at:02}": values for at, values in enumerate(network.get_weights())
            }
            for kind, network in self.networks_.items()
        }
        own = {
            "config": asdict(self.settings),
            "seed": self.seed,
            "target": self.target_,
            "shift": self.shift_,
            "losses": self.losses_,
            "notes": list(self.notes_),
        }
        space = self.space_.to_arrays() if self.space_ else {}
        return {**space, **files}, own

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        config = from_plain(cls.config_class, meta["config"])
        model = cls(config, seed=meta["seed"])
        model.target_, model.shift_ = Action(meta["target"]), meta["shift"]
        model.losses_, model.notes_ = meta["losses"], tuple(meta["notes"])
        model.space_ = JobSpace.from_arrays(files) if cls._needs_space() else None
        model.networks_ = {}
        for kind in cls.networks:
            network = build(kind, config, model.space_.size_ if model.space_ else 0)
            weights = files[f"network_{kind}"]
            network.set_weights([weights[name] for name in sorted(weights)])
            model.networks_[kind] = network
        return model


class SequenceCnn(SequenceMatcher):
    """Convolutions over the steps, without max-pooling: on the talk's 3:1 set 74.6 % are right."""

    name = "sequence-cnn"
    uses_codes = False
    networks = ("cnn",)


class SequenceLstm(SequenceMatcher):
    """The last state of an LSTM over the steps."""

    name = "sequence-lstm"
    uses_codes = False
    networks = ("lstm",)


class SequenceMlp(SequenceMatcher):
    """Dense layers on the job's hidden numbers from a variational autoencoder (MLP + VAE).

    Beside them stand the mean over the other jobs that the candidate had looked at, and the product
    of both.
    """

    name = "sequence-mlp"
    networks = ("mlp",)


class SequenceAll(SequenceMatcher):
    """All in one: convolutions, LSTM and vectors, joined late and trained together."""

    name = "sequence-all"
    networks = ("all",)


class SequenceSoftVote(SequenceMatcher):
    """Mean probability of the four networks."""

    name = "sequence-soft-vote"
    networks = ("cnn", "lstm", "mlp", "all")


class SequenceHardVote(SequenceMatcher):
    """Each of the four networks has a vote; at 2 : 2 their mean probability decides.

    Scores say yes from .5 on, but are no probabilities: see `matcher.voting.hard_vote`.
    """

    name = "sequence-hard-vote"
    gives_probability = False
    networks = ("cnn", "lstm", "mlp", "all")

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        return hard_vote(self.proba(data, pairs))


class _Asked:
    """Data sorted for questions."""

    def __init__(self, data: MatchData, target: Action, space: JobSpace | None) -> None:
        self.sequences = Sequences(data, target)
        self.browsed = (Browsed(data), space.vectors(data.jobs)) if space else None

    def inputs(self, pairs: Pairs, n_steps: int) -> Inputs:
        """What the networks are given; candidates and jobs only where there are vectors."""
        steps = {"steps": self.sequences.before(pairs, n_steps)}
        if self.browsed is None:
            return steps
        browsed, vectors = self.browsed
        means, n = browsed.mean(pairs, vectors)
        known = np.log1p(n)[:, None].astype(np.float32)
        return {**steps, "candidate": means, "job": vectors[pairs.jobs], "n_browsed": known}


def _capped(candidates: IntArray, n: int, seed: int) -> IntArray:
    """At most `n` rows of each candidate, drawn at random, in order."""
    mixed = np.random.default_rng(seed).permutation(len(candidates))
    mixed = mixed[np.argsort(candidates[mixed], kind="stable")]
    _, first, place = np.unique(candidates[mixed], return_index=True, return_inverse=True)
    return np.sort(mixed[np.arange(len(mixed)) - first[place] < n])


def _judges(chosen: Examples, share: float, seed: int) -> BoolArray:
    """Pairs of a share of the candidates, if both answers occur among them and among the rest."""
    people = np.unique(chosen.pairs.candidates)
    drawn = np.random.default_rng(seed).permutation(people)[: int(share * len(people))]
    judges = np.isin(chosen.pairs.candidates, drawn)
    both = all(len(np.unique(chosen.y[part])) == 2 for part in (judges, ~judges))
    return judges if both else np.zeros(len(chosen), bool)


def _logit(share: float) -> float:
    return float(np.log(share) - np.log1p(-share))


def _sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))
