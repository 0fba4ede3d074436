"""Which unlabelled postings come from where the labelled ones come from.

Letters for axes: N labelled jobs, U unlabelled jobs, H columns of a row.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.stats import rankdata

from tagger.logistic import fit_logistic

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating[Any]]

_N_FOLDS = 3
_LEFT_OUT = 0.25
"""Share of the labelled jobs that may look less at home than an unlabelled one taken for own."""
_TOTAL_WEIGHT, _INVERSE_L2 = 200.0, 1.0


def in_domain(labelled: sparse.csr_array, unlabelled: sparse.csr_array) -> BoolArray:
    """Which unlabelled jobs could as well be among the labelled ones, shape (U,).

    A team's own postings teach its tagger; those of another site, thrown in to have more text,
    only teach words. So a classifier learns to tell labelled from unlabelled; of the jobs it has
    not seen, an unlabelled one that scores like a labelled one is taken for one of the team's own.

    Parameters
    ----------
    labelled : shape (N, H)
        Without labelled jobs, every unlabelled one is the team's own.
    unlabelled : shape (U, H)

    References
    ----------
    Elkan and Noto, Learning Classifiers from Only Positive and Unlabeled Data, 2008.
    """
    n, n_others = labelled.shape[0], unlabelled.shape[0]
    if not n or not n_others:
        return np.ones(n_others, bool)
    scores = _home_scores(labelled, unlabelled)
    return np.asarray(scores[n:] >= np.quantile(scores[:n], _LEFT_OUT), bool)


def difference(labelled: sparse.csr_array, unlabelled: sparse.csr_array) -> tuple[float, float]:
    """How well unlabelled jobs are told from labelled ones by a classifier that has seen neither.

    Parameters
    ----------
    labelled, unlabelled : shape (N, H), (U, H)
        Without repeats; at least one of each.

    Returns
    -------
    Area under the ROC curve, 0.5 where they can't be told apart; and how many standard errors of
    the Mann-Whitney test it lies above that.
    """
    n, n_others = labelled.shape[0], unlabelled.shape[0]
    ranks = rankdata(_home_scores(labelled, unlabelled))
    auc = (float(ranks[:n].sum()) - n * (n + 1) / 2) / (n * n_others)
    return auc, (auc - 0.5) / float(np.sqrt((n + n_others + 1) / (12 * n * n_others)))


def _home_scores(labelled: sparse.csr_array, unlabelled: sparse.csr_array) -> FloatArray:
    """How much each job looks like a labelled one to classifiers that have not seen it, N + U."""
    n, n_others = labelled.shape[0], unlabelled.shape[0]
    X = sparse.csr_array(sparse.vstack([labelled, unlabelled], format="csr"))
    is_own = np.arange(n + n_others) < n
    n_folds = min(_N_FOLDS, n)
    fold = np.concatenate([np.arange(n) % n_folds, np.arange(n_others) % n_folds])
    # Both kinds are scored by classifiers that have not seen them: with few jobs, a classifier
    # knows each by heart, and an unlabelled one that was taught as "other" would stay that.
    taught = fold[:, None] != np.arange(n_folds) if n > 1 else np.ones((len(fold), 1), bool)
    n_taught = np.where(is_own[:, None], taught[:n].sum(axis=0), taught[n:].sum(axis=0))
    weights = _TOTAL_WEIGHT / 2 * taught / np.maximum(n_taught, 1)
    coefficients, intercepts = fit_logistic(
        X,
        np.broadcast_to(is_own[:, None], weights.shape),
        weights,
        inverse_l2=_INVERSE_L2,
        n_iterations=10,
    )
    return np.asarray((np.asarray(X @ coefficients) + intercepts)[np.arange(len(fold)), fold])
