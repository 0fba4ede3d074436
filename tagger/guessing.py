"""Pseudo-labels: what a model is so sure of that its successor learns from it too.

Letters for axes: G unlabelled jobs, T tags.
"""

import numpy as np
import numpy.typing as npt

from tagger.labels import NO, UNKNOWN, YES

LabelArray = npt.NDArray[np.int8]

SURE_YES, SURE_NO = 0.8, 0.05
"""Calibrated probabilities from which a tag is taken as given, and up to which as not."""
GUESS_WEIGHT = 0.3
"""What a guess counts beside a person's answer."""
MAX_GUESSED = 5000
"""Newest unlabelled jobs that are asked about."""


def confident_guesses(
    proba: npt.NDArray[np.floating], n_yes: npt.NDArray[np.integer], learned: npt.NDArray[np.bool_]
) -> LabelArray:
    """What to learn from a model's own probabilities.

    A tag is guessed on the jobs it is surest of, at most as many as people gave it to, so that
    guesses never outvote people. Jobs without any tag guessed teach nothing.

    Parameters
    ----------
    proba : shape (G, T)
        Calibrated, in [0, 1].
    n_yes : shape (T,)
        Jobs to which people gave the tag.
    learned : shape (T,)
        Tags that the model has learned; others are not guessed.

    Returns
    -------
    shape (G, T): 1 yes, 0 no, -1 no guess.

    References
    ----------
    Lee, Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method, 2013.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.01], [0.85, 0.5], [0.4, 0.02]])
    >>> confident_guesses(proba, np.array([1, 1]), np.array([True, True]))
    array([[ 1,  0],
           [-1, -1],
           [-1, -1]], dtype=int8)
    """
    guesses = np.full(proba.shape, UNKNOWN, np.int8)
    guesses[(proba <= SURE_NO) & learned] = NO
    for tag in np.flatnonzero(learned):
        surest = np.argsort(-proba[:, tag], kind="stable")[: int(n_yes[tag])]
        guesses[surest[proba[surest, tag] >= SURE_YES], tag] = YES
    guesses[~(guesses == YES).any(axis=1)] = UNKNOWN
    return guesses
