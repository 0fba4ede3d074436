"""Which unlabelled postings come from where the labelled ones come from.

Letters for axes: N labelled jobs, U unlabelled jobs, H columns of a row.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.logistic import fit_logistic

BoolArray = npt.NDArray[np.bool_]

_N_FOLDS = 3
_LEFT_OUT = 0.25
"""Share of the labelled jobs that may look less at home than an unlabelled one taken for own."""
_TOTAL_WEIGHT, _INVERSE_L2 = 200.0, 1.0


def in_domain(labelled: sparse.csr_array, unlabelled: sparse.csr_array) -> BoolArray:
    """Which unlabelled jobs could as well be among the labelled ones, shape (U,).

    A team's own postings teach its tagger; those of another site, thrown in to have more text,
    only teach words. So a classifier learns to tell labelled from unlabelled; what scores like a
    labelled job that it has not seen is taken for one of the team's own.

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
    X = sparse.csr_array(sparse.vstack([labelled, unlabelled], format="csr"))
    n_folds = min(_N_FOLDS, n)
    fold = np.concatenate([np.arange(n) % n_folds, np.full(n_others, -1)])
    is_own = np.arange(n + n_others) < n
    taught = fold[:, None] != np.arange(n_folds + 1)  # the last column by all jobs
    if n == 1:
        taught[:] = True
    n_own = taught[:n].sum(axis=0)
    weights = np.where(is_own[:, None], taught / np.maximum(n_own, 1), 1 / n_others)
    coefficients, intercepts = fit_logistic(
        X,
        np.broadcast_to(is_own[:, None], weights.shape),
        weights * _TOTAL_WEIGHT / 2,
        inverse_l2=_INVERSE_L2,
        n_iterations=10,
    )
    scores = np.asarray(X @ coefficients) + intercepts
    unseen = scores[np.arange(n), fold[:n]]
    return np.asarray(scores[n:, -1] >= np.quantile(unseen, _LEFT_OUT), bool)
