"""Which postings would teach a model most: V-optimal design, a greedy choice, one at a time.

Suppose each tag is a Bayesian logistic regression on the code, with a normal prior. Then the
covariance S of its coefficients depends on codes and on probabilities p, not on what people will
say: a label on a posting with code x adds p (1 - p) x x' to the inverse of S. What matters for
ranking is the variance of the logits of postings that probably have the tag, tr(S M), where M is
the mean of x x' over the unlabelled postings, weighted by p. The *gain* of a posting is how much
its label would lower this variance, mean over tags. So

- a tag counts by what is not known of it yet, not by how frequent it is;
- a posting counts where the model is in doubt, and where many likely postings are like it;
- one like a labelled or an offered posting gains little.

With the probabilities of names alone this works before there is any label.

Letters for axes: N postings, L labelled postings, T tags, C numbers of a code.

References
----------
Schein and Ungar, Active Learning for Logistic Regression: An Evaluation, 2007 (variance reduction).
Yu, Bi and Tresp, Active Learning via Transductive Experimental Design, 2006 (the greedy choice).
Ash et al., Gone Fishing: Neural Active Learning with Fisher Embeddings, 2021 (for networks).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

PRIOR_DEVIATION = 5.0
"""Standard deviation, before any label, of the logit of a posting; codes have length 1."""
_LEAST = 1e-4  # so sure that nothing can be learned, no model is


class Design:
    """Gains of N postings, kept up to date while they are added to the labelled ones one by one."""

    def __init__(
        self,
        codes: FloatArray,
        proba: FloatArray,
        labelled_codes: FloatArray,
        labelled_proba: FloatArray,
    ) -> None:
        """Memory is that of a few numbers per posting and tag, and of 2 T C^2.

        Parameters
        ----------
        codes : shape (N, C)
            Of length 1; 0 where there is none.
        proba : shape (N, T)
            In [0, 1]; nan where the tag is not open, or the model says nothing of it.
        labelled_codes : shape (L, C)
        labelled_proba : shape (L, T)
            nan where the tag has no label.
        """
        self._codes = (PRIOR_DEVIATION * codes).astype(np.float32)
        likely, self._weight = _likelihood_and_weight(proba)
        labelled = PRIOR_DEVIATION * labelled_codes.astype(np.float64)
        _, labelled_weight = _likelihood_and_weight(labelled_proba)
        n_tags, width = proba.shape[1], codes.shape[1]
        self._covariance = np.empty((n_tags, width, width))
        self._likely = np.empty((n_tags, width, width))
        self._variance, self._shared = np.empty_like(self._weight), np.empty_like(self._weight)
        for tag in range(n_tags):
            known = (labelled * labelled_weight[:, tag, None]).T @ labelled
            covariance = np.linalg.inv(np.eye(width) + known)
            weighted = self._codes * likely[:, tag, None]
            moment = (weighted.T @ self._codes).astype(np.float64)
            seen = self._codes @ covariance.astype(np.float32)
            self._variance[:, tag] = (seen * self._codes).sum(axis=1)
            self._shared[:, tag] = ((seen @ moment.astype(np.float32)) * seen).sum(axis=1)
            self._covariance[tag], self._likely[tag] = covariance, moment

    def gains(self) -> FloatArray:
        """What a label on each posting would bring, shape (N,), at least 0: squared logits."""
        removed = self._weight * self._shared / (1 + self._weight * self._variance)
        return np.asarray(np.maximum(removed, 0).sum(axis=1) / max(removed.shape[1], 1))

    def add(self, number: int) -> None:
        """Count a posting, by its number, as labelled."""
        weight = self._weight[number].astype(np.float64)
        step = weight / (1 + weight * self._variance[number])
        u = self._covariance @ self._codes[number].astype(np.float64)  # (T, C)
        y = np.einsum("tij,tj->ti", self._likely, u)
        z = np.einsum("tij,tj->ti", self._covariance, y)
        removed = (u * y).sum(axis=1)
        along, across = (self._codes @ v.T.astype(np.float32) for v in (u, z))  # (N, T)
        factor = step.astype(np.float32)
        self._shared += (factor**2 * removed).astype(np.float32) * along**2
        self._shared -= 2 * factor * along * across
        self._variance -= factor * along**2
        np.maximum(self._variance, 0, out=self._variance)
        self._covariance -= step[:, None, None] * u[:, :, None] * u[:, None, :]


def _likelihood_and_weight(proba: FloatArray) -> tuple[FloatArray, FloatArray]:
    """p, of sum 1 per tag, and p (1 - p), shape (N, T) each; 0 where p is not known."""
    known = ~np.isnan(proba)
    p = np.clip(np.nan_to_num(proba), _LEAST, 1 - _LEAST) * known
    share = p / np.maximum(p.sum(axis=0), 1e-12)
    return share.astype(np.float32), (p * (1 - p)).astype(np.float32)
