"""What is known of candidates and jobs besides events, as rows; and what follows for factors.

Letters for axes: N candidates or jobs, F features, K factors.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Self

import numpy as np
from scipy import linalg, sparse

from matcher.base import Arrays
from matcher.content import unit_codes
from matcher.data import Profiles
from matcher.factors import Factors
from matcher.fields import FieldConfig, FieldEncoder

CODE_SCALE = 3.0
"""Length of a code beside fields of 0 and 1."""


class SideFeatures:
    """Fields and code of a candidate or a job in one sparse row; its last number is always 1."""

    def __init__(self, config: FieldConfig | None = None) -> None:
        self.config = config

    def fit(self, profiles: Profiles) -> Self:
        self.fields_ = FieldEncoder(self.config).fit(profiles)
        codes = profiles.codes
        self.mean_ = np.zeros(0, np.float32)
        if codes is not None and codes.any():
            self.mean_ = np.asarray(codes[codes.any(axis=1)].mean(axis=0), np.float32)
        return self

    def transform(self, profiles: Profiles) -> sparse.csr_array:
        """Shape (N, F), float32."""
        parts: list[Any] = [self.fields_.transform(profiles)]
        if len(self.mean_):
            codes = unit_codes(profiles, self.mean_)
            shape = (len(profiles), len(self.mean_))
            parts.append(sparse.csr_array(np.zeros(shape) if codes is None else CODE_SCALE * codes))
        parts.append(sparse.csr_array(np.ones((len(profiles), 1), np.float32)))
        return sparse.csr_array(sparse.hstack(parts, "csr", dtype=np.float32))

    def to_arrays(self) -> dict[str, Arrays]:
        return {"fields": self.fields_.to_arrays(), "code": {"mean": self.mean_}}

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays]) -> Self:
        found = cls()
        found.fields_ = FieldEncoder.from_arrays(files["fields"])
        found.mean_ = files["code"]["mean"]
        return found


@lru_cache(maxsize=4)
def side_of(profiles: Profiles) -> tuple[SideFeatures, sparse.csr_array]:
    """Features learned from profiles, and theirs; kept, because each factorisation of a hybrid asks
    for the same profiles, and so, without times, does each inner split."""
    side = SideFeatures().fit(profiles)
    return side, side.transform(profiles)


class Ridge:
    """Ridge regression from features to factors: solved often, prepared once.

    References
    ----------
    Hoerl and Kennard, Ridge Regression: Biased Estimation for Nonorthogonal Problems, 1970.
    """

    def __init__(self, features: sparse.csr_array, penalty: float) -> None:
        self._features = features
        gram = (features.T @ features).toarray().astype(np.float64)
        # the last column is constant: hardly held back
        gram[np.diag_indices_from(gram)] += np.r_[np.full(len(gram) - 1, penalty), 1e-3]
        self._factor = linalg.cho_factor(gram, overwrite_a=True, check_finite=False)

    def weights(self, factors: Factors) -> Factors:
        """Shape (F, K)."""
        aim = self._features.T @ factors
        return np.asarray(linalg.cho_solve(self._factor, aim, check_finite=False), np.float32)

    def prior(self, factors: Factors) -> Factors:
        """What features say that the factors are, shape (N, K)."""
        return np.asarray(self._features @ self.weights(factors), np.float32)
