"""The tagger's decision: what a tag is called, wide and deep paths, stacked by cross-fitting.

Letters for axes: N labelled jobs, U unlabelled jobs, H columns of a row, V exact terms, C code,
P paths, T tags.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator

from tagger.deep import DeepClassifier, DeepConfig, SoftLabels
from tagger.errors import DataError
from tagger.job_features import JobFeatures
from tagger.labels import known_counts
from tagger.splits import duplicate_groups, group_folds
from tagger.stacking import Stack, fit_stack
from tagger.thresholds import FEW_EXAMPLES, Decisions, fit_decisions, unlabelled_decisions
from tagger.wide import PATHS, WideClassifier, WideConfig

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]

STACKED = (*PATHS, "names", "code")
PRIOR = np.array([0.4, 0.3, 0.3, 0.5, 0.5])
"""Weights of the paths where no label says otherwise, in the order of `STACKED`."""
FLOOR = np.array([0.05, 0.05, 0.05, 0.0, 0.0])
"""The least they can be: a tag that was learned is never ranked by nothing."""
TEACHING = np.array([0.4, 0.3, 0.3, 0.5])
"""Weights of wide paths and names where they teach the network about unlabelled jobs."""
SOFT_WEIGHT, MOST_SOFT = 0.3, 200.0
"""What an unlabelled job counts beside a labelled one, and what all of them may count together."""
FEW_IN_FOLD = 5
"""Jobs of a fold at which its mean logit counts by half."""
SHARE_STRENGTH = 5.0
"""Examples that the expected share of a tag is worth beside its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagConfig:
    """What the classifier is made of."""

    wide: bool = True
    """Paths from the row, exact terms and names beside the network on the code; False is the plain
    chain."""
    n_folds: int = 5
    """Folds of the cross-fitting that weighs paths and chooses thresholds."""
    n_folds_of_many: int = 3
    """Folds where there are `many` labelled jobs: each fold then has examples enough."""
    many: int = 2000
    review_share: float = 0.1
    """Share of jobs, those nearest to the threshold of any tag, left to a person. In [0, 1]."""
    wide_config: WideConfig = field(default_factory=WideConfig)
    deep_config: DeepConfig = field(default_factory=DeepConfig)

    def __post_init__(self) -> None:
        if min(self.n_folds, self.n_folds_of_many) < 2:
            raise DataError(
                f"n_folds must be at least 2, got {self.n_folds} and {self.n_folds_of_many}"
            )
        if not 0 <= self.review_share <= 1:
            raise DataError(f"review_share must be in [0, 1], got {self.review_share}")


class TagClassifier(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Names, linear paths and the network on the code, weighed as out-of-fold logits say.

    All paths are fitted on all folds but one and asked about the one left out. From those logits
    `tagger.stacking` learns how much each path counts for each tag; then a threshold and a review
    band per tag are chosen. At last the paths are fitted on everything. Without labels the prior
    weights hold, and the tag's expected share decides.

    Attributes
    ----------
    groups_ : shape (N,)
        Jobs of equal value repeat each other.
    oof_proba_, oof_decided_ : shape (N, T)
        Probabilities and decisions for each job by paths fitted, and weights and thresholds
        chosen, on the labels of the other folds. A job's own label has a say only in a few numbers
        that many jobs share: how frequent its tags are expected to be, how long the network is
        trained, the weights of the stack (chosen on other jobs, but by what paths that learned
        from this one say of those), the level that all folds are brought to, and what the final
        model says of unlabelled jobs, which the thresholds of tags with few examples look at.

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
        labelled: JobFeatures,
        Y: LabelArray,
        own: JobFeatures | None = None,
        *,
        stated_share: FloatArray | None = None,
        cautious_share: FloatArray | None = None,
        show_progress: bool = False,
    ) -> Self:
        """Fit all paths and everything after them.

        Parameters
        ----------
        labelled, Y
            N jobs, perhaps none, and what is known of their tags: 1 yes, 0 no, -1 unknown.
        own
            U unlabelled jobs of the team.
        stated_share : shape (T,)
            Expected share of jobs with each tag, in (0, 1); nan where nobody said.
        cautious_share : shape (T,)
            Share of jobs that a tag is given to where no label and no stated share says better.

        Raises
        ------
        DataError
            If shapes differ, or there is nothing to learn from.
        """
        config = self.config or TagConfig()
        n_tags = Y.shape[1]
        if not (labelled.rows.shape[0] == len(labelled.codes) == len(Y)):
            raise DataError(
                "rows, codes and labels must be as many: "
                f"{labelled.rows.shape[0]}, {len(labelled.codes)}, {len(Y)}"
            )
        own = labelled.take(np.zeros(0, int)) if own is None else own
        if not len(Y) and not len(own.codes):
            raise DataError("there is no job to learn from, neither labelled nor unlabelled")
        if not len(Y) and not config.wide:
            raise DataError("the plain chain knows no names: it takes labelled jobs")
        stated = np.full(n_tags, np.nan) if stated_share is None else stated_share
        self.share_ = expected_share(Y, stated, cautious_share)
        self.groups_ = (
            duplicate_groups(labelled.rows, seed=self.seed) if len(Y) else np.zeros(0, int)
        )
        folds = self._folds(self.groups_, config)
        numbers = range(int(folds.max()) + 1) if folds is not None else ()
        self.wide_ = WideClassifier(config.wide_config)
        wide = np.zeros((len(Y), n_tags, len(PATHS)), np.float32)
        n_fits = len(numbers) + 1
        teachers = np.zeros((n_fits if config.wide else 0, len(own.codes), n_tags), np.float32)
        for place, fold in enumerate((*numbers, -1)):
            train = np.ones(len(Y), bool) if folds is None else folds != fold
            fitted = self.wide_ if fold < 0 else WideClassifier(config.wide_config)
            if config.wide:
                fitted.fit(labelled.rows[train], labelled.terms[train], Y[train])
                wide[~train] = fitted.logits(labelled.rows[~train], labelled.terms[~train])
                teachers[place] = self._teach(fitted, own)
            del fitted  # or that of a fold would lie beside the next one
        soft = None
        if config.wide and len(own.codes):
            weight = min(SOFT_WEIGHT, MOST_SOFT / len(own.codes))
            soft = SoftLabels(own.codes.astype(np.float32), teachers, weight)
        self.deep_ = DeepClassifier(config.deep_config, seed=self.seed)
        self.deep_.fit(
            labelled.codes.astype(np.float32), Y, folds, soft=soft, show_progress=show_progress
        )
        del soft, teachers
        self.history_ = self.deep_.history_
        self.has_wide_, self.is_cross_fitted_ = config.wide, folds is not None
        self._used = np.array([config.wide] * len(TEACHING) + [True])
        if folds is None:
            self.stack_ = self._unlearned_stack(own if len(own.codes) else labelled)
            self._decide_unlearned(own if len(own.codes) else labelled, stated, cautious_share)
            self.oof_proba_ = np.broadcast_to(self.share_, Y.shape).astype(float)
            self.oof_decided_ = np.zeros(Y.shape, bool)
            return self
        (wide, of_wide), (deep, of_deep) = (
            centred_by_fold(logits, folds)
            for logits in (wide, self.deep_.held_out_logits_[:, :, None])
        )
        paths = np.concatenate([wide, labelled.names[:, :, None], deep], axis=2)
        moved = np.concatenate([of_wide, np.zeros((n_tags, 1)), of_deep], axis=1)[:, self._used]
        stack = self._stack(paths, Y)
        oof_logits = stack.logits(paths[:, :, self._used])
        self.stack_ = Stack(stack.weights, stack.intercept - (stack.weights * moved).sum(axis=1))
        others = self.decision_function(own) if len(own.codes) else np.zeros((0, n_tags))
        named = self._named(np.concatenate([labelled.names, own.names]))
        self.decisions_: Decisions = fit_decisions(
            Y, oof_logits, others=others, named=named, review_share=config.review_share
        )
        held_out, self.oof_decided_ = np.zeros(Y.shape), np.zeros(Y.shape, bool)
        for fold in numbers:  # no label judges itself
            out = folds == fold
            stack = self._stack(paths[~out], Y[~out])
            learned = stack.logits(paths[~out][:, :, self._used])
            decisions = fit_decisions(
                Y[~out], learned, others=others, named=named, review_share=0.0
            )
            held_out[out] = stack.logits(paths[out][:, :, self._used])
            self.oof_decided_[out] = decisions.decide(expit(held_out[out]))
        self.oof_proba_ = expit(levelled(held_out, folds))
        return self

    def paths(self, features: JobFeatures) -> FloatArray:
        """What each path that is used says, shape (B, T, P)."""
        deep = self.deep_.decision_function(features.codes.astype(np.float32))
        if not self._used.all():
            return deep[:, :, None]
        wide = self.wide_.logits(features.rows, features.terms)
        return np.concatenate([wide, features.names[:, :, None], deep[:, :, None]], axis=2)

    def decision_function(self, features: JobFeatures) -> FloatArray:
        """Calibrated logits, shape (B, T)."""
        return self.stack_.logits(self.paths(features))

    def predict_proba(self, features: JobFeatures) -> FloatArray:
        """Calibrated probabilities, shape (B, T), in [0, 1]."""
        return np.asarray(expit(self.decision_function(features)))

    def weights(self) -> FloatArray:
        """Weight of each path of `STACKED` for each tag, shape (T, 5); 0 for unused ones."""
        weights = np.zeros((len(self.stack_.weights), len(STACKED)))
        weights[:, self._used] = self.stack_.weights
        return weights

    def _folds(
        self, groups: npt.NDArray[np.intp], config: TagConfig
    ) -> npt.NDArray[np.intp] | None:
        """Folds of the labelled jobs, repeats together; None where there is nothing to hold out."""
        n_groups = int(groups.max(initial=-1)) + 1
        n_folds = config.n_folds if n_groups < config.many else config.n_folds_of_many
        if n_groups < 2:
            return None
        return group_folds(groups, min(n_folds, n_groups), seed=self.seed)

    def _teach(self, wide: WideClassifier, own: JobFeatures) -> FloatArray:
        """Probabilities of unlabelled jobs by wide paths and names, at each expected share."""
        if not len(own.codes):
            return np.zeros((0, len(self.share_)), np.float32)
        logits = wide.logits(own.rows, own.terms) @ TEACHING[:-1] + TEACHING[-1] * own.names
        proba = expit(logits + offset_to_share(logits, self.share_))
        return np.asarray(proba, np.float32)

    def _stack(self, paths: FloatArray, Y: LabelArray) -> Stack:
        return fit_stack(
            paths[:, :, self._used],
            Y,
            prior=PRIOR[self._used],
            floor=FLOOR[self._used],
            expected_share=self.share_,
        )

    def _unlearned_stack(self, features: JobFeatures) -> Stack:
        """The prior weights, and intercepts that give each tag its expected share."""
        prior = PRIOR[self._used]
        logits = self.paths(features) @ prior
        weights = np.tile(prior, (len(self.share_), 1))
        return Stack(weights, offset_to_share(logits, self.share_))

    def _decide_unlearned(
        self, features: JobFeatures, stated: FloatArray, cautious: FloatArray | None
    ) -> None:
        config = self.config or TagConfig()
        share = self.share_ if cautious is None else np.where(np.isnan(stated), cautious, stated)
        self.decisions_ = unlabelled_decisions(
            self.decision_function(features),
            share,
            named=self._named(features.names),
            review_share=config.review_share,
        )

    def _named(self, names: FloatArray) -> npt.NDArray[np.bool_]:
        """Tags whose names tell jobs (B, T) apart, and are listened to: shape (T,)."""
        if not (self.has_wide_ and len(names)):
            return np.zeros(len(self.share_), bool)
        return np.asarray(np.ptp(names, axis=0) > 0)


def centred_by_fold(
    logits: FloatArray, folds: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Held-out logits (N, T, P) less the mean of their fold, and what was taken off on the mean.

    A fold's model has seen fewer examples of a tag the more of them are held out, and so gives
    them lower logits than other folds' models would: pooled as they are, the logits of a rare tag
    rank backwards. A fold of few jobs is moved less, for its own mean is chance.

    Returns
    -------
    shape (N, T, P), and shape (T, P): what a model that was fitted on all jobs is to be moved by.
    """
    centred = logits.copy()
    for fold in np.unique(folds):
        own = folds == fold
        weight = own.sum() / (own.sum() + FEW_IN_FOLD)
        centred[own] -= weight * logits[own].mean(axis=0)
    return centred, (logits - centred).mean(axis=0)


def levelled(logits: FloatArray, folds: npt.NDArray[np.intp]) -> FloatArray:
    """Held-out logits (N, T), each fold's mean brought to that of all.

    A stack that was chosen without a fold expects the fewer yes the more of them the fold has. Left
    so, few labels look worse than they are: by .06 of mean average precision with 30 to 150 labels
    on four sets, levelled by .02.
    """
    level = logits.copy()
    for fold in np.unique(folds):
        level[folds == fold] += logits.mean(axis=0) - logits[folds == fold].mean(axis=0)
    return level


def expected_share(Y: LabelArray, stated: FloatArray, cautious: FloatArray | None) -> FloatArray:
    """Share of jobs that each tag is expected on, shape (T,), in (0, 1).

    What labels say, drawn by `SHARE_STRENGTH` examples towards what the team stated; where it
    stated nothing, towards the mean of all tags, or without any label to the cautious share.
    """
    n_yes, n_no = known_counts(Y)
    n = n_yes + n_no
    if n.sum():
        start = np.full(len(stated), (n_yes.sum() + 1) / (n.sum() + 2))
    else:
        start = np.full(len(stated), 0.05) if cautious is None else np.clip(cautious, 0.005, 0.5)
    start = np.where(np.isnan(stated), start, stated)
    share = (n_yes + SHARE_STRENGTH * start) / (n + SHARE_STRENGTH)
    return np.asarray(np.clip(share, 1e-3, 1 - 1e-3))


def offset_to_share(logits: FloatArray, share: FloatArray) -> FloatArray:
    """What to add to logits (B, T) so that the mean probability of each tag is its share, (T,)."""
    low, high = np.full(len(share), -60.0), np.full(len(share), 60.0)
    for _ in range(50):  # bisection: the mean grows with the offset
        middle = (low + high) / 2
        too_low = expit(logits + middle).mean(axis=0) < share
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    return np.asarray((low + high) / 2)


def tag_remarks(Y: LabelArray, tags: tuple[str, ...], *, by_name: bool = True) -> dict[str, str]:
    """What a user must know of tags with few examples; empty for the others.

    `by_name` says whether names are listened to: in the plain chain they are not.
    """
    known = "known by its name alone, not calibrated" if by_name else "not learned, never given"
    remarks = {}
    for tag, n_yes, n_no in zip(tags, *known_counts(Y), strict=True):
        if not n_yes:
            what = "no example with it yet" if n_no else "no labels yet"
            remarks[tag] = f"{what}: {known}"
        elif n_yes < FEW_EXAMPLES:
            examples = "1 example" if n_yes == 1 else f"{n_yes} examples"
            remarks[tag] = f"{examples}, under {FEW_EXAMPLES}: scores and threshold are rough"
        elif not n_no:
            remarks[tag] = "no example without it: scores and threshold are rough"
    return remarks
