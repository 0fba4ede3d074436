"""How the logits of several paths become one calibrated logit per tag.

Letters for axes: N jobs, P paths, T tags.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from tagger.labels import UNKNOWN, YES

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]

POOLED_PRECISION, TAG_PRECISION, INTERCEPT_PRECISION = 10.0, 30.0, 0.1
"""Of the Gaussian priors: what all tags have in common around the prior, a tag's own weights
around that, intercepts around the tag's expected share. Chosen on two sets, confirmed on three."""
_MAX_POOLED = 200
"""Tags that the common weights are learned from; more would change nothing."""
_AT_ONCE = 64  # tags, so that memory stays bounded
_MAX_STEPS, _TOLERANCE = 50, 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Weights of the paths; a calibrated logit is ``sum of weight * logit + intercept``."""

    weights: FloatArray
    """Shape (T, P), at least `floor`: a path's ranking is never turned round."""
    intercept: FloatArray
    """Shape (T,)."""

    def logits(self, paths: FloatArray) -> FloatArray:
        """Calibrated logits, (N, T, P) -> (N, T)."""
        return np.asarray(np.einsum("ntp,tp->nt", paths, self.weights) + self.intercept)


def fit_stack(
    paths: FloatArray,
    Y: LabelArray,
    *,
    prior: FloatArray,
    floor: FloatArray,
    expected_share: FloatArray,
) -> Stack:
    """Learn the weights of the paths from logits of jobs that these have not seen.

    A hierarchical logistic regression: weights that all tags share are drawn towards `prior`,
    and each tag's own towards the shared ones. So a few examples leave a choice where it was, the
    examples of all tags together decide what no tag could decide alone (how much names tell in
    this team, say), and a tag with many examples goes its own way.

    Parameters
    ----------
    paths : shape (N, T, P)
        Out-of-fold logits or evidence.
    Y : shape (N, T)
        1 yes, 0 no, -1 unknown.
    prior, floor : shape (P,)
        Weights without any example, and the least they can be.
    expected_share : shape (T,)
        Of jobs with the tag, in (0, 1); where the intercept starts.

    References
    ----------
    Gelman et al., Bayesian Data Analysis, 2013, chapter 5 (hierarchical models).
    Wolpert, Stacked Generalization, 1992.
    """
    n_tags = paths.shape[1]
    base = np.log(expected_share / (1 - expected_share))

    def solve(
        tags: npt.NDArray[np.intp], around: FloatArray, precision: float, *, shared: bool
    ) -> tuple[FloatArray, FloatArray]:
        weights, intercept = np.zeros((len(tags), len(floor))), np.zeros(len(tags))
        held = np.zeros(weights.shape, bool)
        open_ = np.arange(len(tags))
        for _ in range(len(floor) + 1):  # each time at least one more weight is held at its floor
            some = tags[open_]
            labels = Y[:, some].T
            weights[open_], intercept[open_] = _solve(
                np.ascontiguousarray(paths[:, some].transpose(1, 0, 2), dtype=np.float64),
                (labels != UNKNOWN).astype(float),
                (labels == YES).astype(float),
                base[some],
                around,
                precision,
                np.where(held[open_], floor, np.nan),
                shared=shared,
            )
            below = weights < floor
            if not below.any():
                break
            held |= below
            open_ = np.flatnonzero(below.any(axis=1))
        return weights, intercept

    some = np.unique(np.linspace(0, n_tags - 1, min(n_tags, _MAX_POOLED)).astype(np.intp))
    pooled = solve(some, prior, POOLED_PRECISION, shared=True)[0][0]
    weights, intercept = np.zeros((n_tags, len(prior))), np.zeros(n_tags)
    for first in range(0, n_tags, _AT_ONCE):
        tags = np.arange(first, min(first + _AT_ONCE, n_tags))
        weights[tags], intercept[tags] = solve(tags, pooled, TAG_PRECISION, shared=False)
    return Stack(weights, intercept)


def _solve(
    F: FloatArray,
    known: FloatArray,
    yes: FloatArray,
    base: FloatArray,
    prior: FloatArray,
    precision: float,
    held_at: FloatArray,
    *,
    shared: bool,
) -> tuple[FloatArray, FloatArray]:
    """Most probable weights (T, P), equal for all tags if `shared`, and intercepts (T,).

    Weights with a number in `held_at`, shape (T, P), have that value; where it is nan they are
    free. Damped Newton steps; the intercept of each tag is eliminated from the system of its
    weights.
    """
    n_tags, _, n_paths = F.shape
    free = np.isnan(held_at)
    weights = np.where(free, prior, held_at)
    start = base - np.einsum("tnp,tp->tn", F, weights).mean(axis=1) if F.shape[1] else base
    intercept = start.copy()

    def loss(weights: FloatArray, intercept: FloatArray) -> FloatArray:
        z = np.einsum("tnp,tp->tn", F, weights) + intercept[:, None]
        fit = (known * (np.logaddexp(0, z) - yes * z)).sum(axis=1)
        fit += 0.5 * INTERCEPT_PRECISION * (intercept - start) ** 2
        penalty = 0.5 * precision * ((weights - prior) ** 2).sum(axis=1)
        return np.asarray(np.atleast_1d(fit.sum() + penalty[0]) if shared else fit + penalty)

    current = loss(weights, intercept)
    unit = np.eye(n_paths)
    both_free = free[:, :, None] & free[:, None, :]
    for _ in range(_MAX_STEPS):
        p = expit(np.einsum("tnp,tp->tn", F, weights) + intercept[:, None])
        error, curvature = known * (p - yes), known * p * (1 - p)
        of_weights = np.einsum("tnp,tn->tp", F, error)
        of_intercept = error.sum(axis=1) + INTERCEPT_PRECISION * (intercept - start)
        mixed = np.einsum("tnp,tn->tp", F, curvature)
        own = curvature.sum(axis=1) + INTERCEPT_PRECISION
        hessian = (F * curvature[:, :, None]).transpose(0, 2, 1) @ F
        hessian -= mixed[:, :, None] * mixed[:, None, :] / own[:, None, None]
        gradient = of_weights - mixed * (of_intercept / own)[:, None]
        if shared:
            hessian, gradient = hessian.sum(axis=0), gradient.sum(axis=0)
        hessian = np.where(both_free, hessian + precision * unit, unit)
        gradient = np.where(free, gradient + precision * (weights - prior), 0)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        of_own = (of_intercept - (mixed * step).sum(axis=1)) / own
        length = np.ones(n_tags)
        for _ in range(30):  # halved where a whole step would climb
            tried = weights - length[:, None] * step, intercept - length * of_own
            reached = loss(*tried)
            climbs = np.broadcast_to(reached > current + 1e-9, n_tags)
            if not climbs.any():
                break
            length = np.where(climbs, length / 2, length)
        gain = np.max(np.abs(current - reached))
        weights, intercept, current = *tried, reached
        if gain < _TOLERANCE:
            break
    return weights, intercept
