"""One answer from several models. Letters for axes: M models, P pairs."""

import numpy as np

from matcher.data import FloatArray


def soft_vote(proba: FloatArray) -> FloatArray:
    """Mean probability, shape (M, P) -> (P,).

    Examples
    --------
    >>> soft_vote(np.array([[0.25, 0.5], [0.75, 1.0]]))
    array([0.5 , 0.75])
    """
    return np.asarray(proba.mean(axis=0))


def hard_vote(proba: FloatArray) -> FloatArray:
    """Share of votes for yes, the mean probability being one vote more: (M, P) -> (P,).

    A model votes yes from .5 on. The result is .5 or more where most models vote yes. Where as
    many vote yes as no, the mean probability decides: it is .5 or more. Pairs with equal votes are
    in the order of their mean probability.

    Examples
    --------
    >>> proba = np.array([[0.6, 0.9], [0.7, 0.8], [0.4, 0.2], [0.1, 0.3]])
    >>> hard_vote(proba)  # both 2 : 2; the means are .45 and .55
    array([0.49, 0.51])
    """
    votes = (proba >= 0.5).sum(axis=0)
    return np.asarray((votes + proba.mean(axis=0)) / (len(proba) + 1))
