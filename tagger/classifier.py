"""The tagger's decision: wide and deep paths, mixed and calibrated by cross-fitting.

Letters for axes: N jobs, H columns of a row, C code, T tags.
"""

from dataclasses import dataclass, field
from itertools import product
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator

from tagger.deep import DeepClassifier, DeepConfig, Guessed
from tagger.errors import DataError
from tagger.labels import UNKNOWN, YES, known_counts
from tagger.splits import duplicate_groups, group_folds
from tagger.thresholds import FEW_EXAMPLES, MIN_EXAMPLES, Decisions, fit_decisions, learnable, platt
from tagger.wide import WideClassifier, WideConfig

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]

_SHARES = tuple(step / 10 for step in range(11))


@dataclass(frozen=True, slots=True, kw_only=True)
class TagConfig:
    """What the classifier is made of."""

    wide: bool = True
    """Linear path from the row beside the network on the code; False is the plain chain."""
    n_folds: int = 5
    """Folds of the cross-fitting that chooses mixture, calibration and thresholds."""
    review_share: float = 0.1
    """Share of jobs, those nearest to the threshold of any tag, left to a person. In [0, 1]."""
    wide_configs: tuple[WideConfig, ...] = (WideConfig(), WideConfig(evenness=1.0))
    """Linear paths to choose from: log-count ratios win with many labels, plain ones with few."""
    deep_config: DeepConfig = field(default_factory=DeepConfig)

    def __post_init__(self) -> None:
        if not self.wide_configs:
            raise DataError("wide_configs must hold at least one configuration")
        if self.n_folds < 2:
            raise DataError(f"n_folds must be at least 2, got {self.n_folds}")
        if not 0 <= self.review_share <= 1:
            raise DataError(f"review_share must be in [0, 1], got {self.review_share}")


class TagClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Network on the code plus linear path from the row, mixed as out-of-fold logits say.

    All paths are fitted on all folds but one and asked about the one left out. On those logits
    one wide path and the share of the deep one are chosen by log loss (share 0 if the codes don't
    help), then a calibration, a threshold and a review band per tag. At last the chosen paths are
    fitted on everything.

    Attributes
    ----------
    oof_proba_, oof_decided_ : shape (N, T)
        Probabilities and decisions for each job by paths fitted, and a calibration and thresholds
        chosen, on the other folds. Which path and which share of the deep one: one choice for all
        jobs, made on all labels. The codes have seen its text.

    References
    ----------
    Cheng et al., Wide & Deep Learning for Recommender Systems, 2016.
    Wolpert, Stacked Generalization, 1992.
    """

    def __init__(self, config: TagConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self,
        X: sparse.csr_array,
        codes: npt.NDArray[np.float32],
        Y: LabelArray,
        *,
        guessed: Guessed | None = None,
        show_progress: bool = False,
    ) -> Self:
        """Fit both paths and everything after them.

        Parameters
        ----------
        X : shape (N, H)
        codes : shape (N, C)
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        guessed
            Jobs with pseudo-labels: the paths learn from them when all is chosen. Mixture,
            calibration and thresholds rest on people's labels alone.

        Raises
        ------
        DataError
            If shapes differ or no tag has MIN_EXAMPLES yes and no.
        """
        config = self.config or TagConfig()
        if not (X.shape[0] == len(codes) == len(Y)):
            raise DataError(
                f"rows, codes and labels must be as many: {X.shape[0]}, {len(codes)}, {len(Y)}"
            )
        learned = check_learnable(Y)
        groups = duplicate_groups(X, seed=self.seed)
        if groups.max() + 1 < config.n_folds:
            raise DataError(
                f"only {groups.max() + 1} different postings among {len(Y)}: it takes at least "
                f"{config.n_folds}, one for each fold"
            )
        folds = group_folds(groups, config.n_folds, seed=self.seed)
        codes = codes.astype(np.float32)
        self.deep_ = DeepClassifier(config.deep_config, seed=self.seed)
        self.deep_.fit(codes, Y, folds, guessed=guessed, show_progress=show_progress)
        paths = config.wide_configs if config.wide else ()
        self.wide_: WideClassifier | None = None
        wide, deep = np.zeros((len(paths), *Y.shape)), self.deep_.held_out_logits_
        for place, path in enumerate(paths):
            for fold in range(config.n_folds):
                train, test = folds != fold, folds == fold
                fitted = WideClassifier(path, seed=self.seed).fit(X[train], Y[train])
                wide[place, test] = fitted.decision_function(X[test])
        chosen, self.share_ = _best_mixture(Y, wide, deep)
        mixed = self.share_ * deep
        if config.wide:
            mixed = mixed + (1 - self.share_) * wide[chosen]
            self.wide_ = WideClassifier(paths[chosen], seed=self.seed).fit(*_with(X, Y, guessed))
            self.wide_config_ = paths[chosen]
        self.decisions_: Decisions = fit_decisions(Y, mixed, review_share=config.review_share)
        self.oof_proba_, self.oof_decided_ = np.zeros(Y.shape), np.zeros(Y.shape, bool)
        for fold in range(config.n_folds):
            out = folds == fold
            # No label judges itself; what is learned does not hang on how the folds fell.
            other = fit_decisions(Y[~out], mixed[~out], learned=learned)
            self.oof_proba_[out] = other.proba(mixed[out])
            self.oof_decided_[out] = other.decide(self.oof_proba_[out])
        self.history_ = self.deep_.history_
        return self

    def decision_function(self, X: sparse.csr_array, codes: FloatArray) -> FloatArray:
        """Mixed logits, not yet calibrated, shape (N, T)."""
        mixed = self.share_ * self.deep_.decision_function(codes.astype(np.float32))
        if self.wide_:
            mixed = mixed + (1 - self.share_) * self.wide_.decision_function(X)
        return np.asarray(mixed)

    def predict_proba(self, X: sparse.csr_array, codes: FloatArray) -> FloatArray:
        """Calibrated probabilities, shape (N, T), in [0, 1]."""
        return self.decisions_.proba(self.decision_function(X, codes))


def _with(
    X: sparse.csr_array, Y: LabelArray, guessed: Guessed | None
) -> tuple[sparse.csr_array, LabelArray, FloatArray]:
    """Rows, labels and weights, pseudo-labels at the end."""
    if guessed is None:
        return X, Y, np.ones(len(Y))
    rows = sparse.csr_array(sparse.vstack([X, guessed.X], format="csr"))
    weight = np.concatenate([np.ones(len(Y)), np.full(len(guessed.Y), guessed.weight)])
    return rows, np.concatenate([Y, guessed.Y]), weight


def check_learnable(Y: LabelArray) -> BoolArray:
    """Which tags have enough examples, shape (T,); DataError if none has."""
    learned = learnable(Y)
    if not learned.any():
        raise DataError(
            f"no tag has {MIN_EXAMPLES} jobs with it and {MIN_EXAMPLES} without: label more"
        )
    return learned


def _best_mixture(Y: LabelArray, wide: FloatArray, deep: FloatArray) -> tuple[int, float]:
    """Which wide path (P, N, T) and which share of the deep one have the smallest log loss.

    Out-of-fold and after calibration; the share is 1 where there is no wide path.
    """
    tags = np.flatnonzero(learnable(Y))

    def log_loss(mixture: tuple[int, float]) -> float:
        chosen, share = mixture
        losses = []
        for tag in tags:
            known = Y[:, tag] != UNKNOWN
            yes = Y[known, tag] == YES
            logit = (1 - share) * wide[chosen, known, tag] + share * deep[known, tag]
            slope, offset = platt(yes, logit)
            z = slope * logit + offset
            losses.append(np.mean(np.logaddexp(0, np.where(yes, -z, z))))
        return float(np.mean(losses))

    if not len(wide):
        return 0, 1.0
    return min(product(range(len(wide)), _SHARES), key=log_loss)


def tag_remarks(Y: LabelArray, tags: tuple[str, ...]) -> dict[str, str]:
    """What a user must know of tags with too few examples; empty for the others."""
    remarks = {}
    for tag, n_yes, n_no in zip(tags, *known_counts(Y), strict=True):
        if min(n_yes, n_no) < MIN_EXAMPLES:
            remarks[tag] = (
                f"not learned: {n_yes} yes and {n_no} no, it takes {MIN_EXAMPLES} of each"
            )
        elif n_yes < FEW_EXAMPLES:
            remarks[tag] = f"under {FEW_EXAMPLES} examples: scores and threshold are rough"
    return remarks
