"""Boosted trees on the numbers of a pair, and their leaves as columns of a linear model.

Letters for axes: P pairs, F numbers, R trees.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.base import Arrays
from matcher.data import BoolArray, FloatArray
from matcher.features import Rows
from matcher.ftrl import Ftrl, FtrlConfig
from matcher.linear import FtrlModel, LinearConfig
from matcher.ranking import RankingConfig, RankingModel
from tagger.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeConfig(RankingConfig):
    """Of boosted trees."""

    n_trees: int = 150
    depth: int = 5
    """Questions from the root of a tree to a leaf, at most."""
    rate: float = 0.08
    """What each tree adds, of what it would."""
    min_child: float = 10.0
    """Least sum of second derivatives in a leaf."""
    row_share: float = 0.8
    """Share of the pairs, drawn for each tree, in (0, 1]."""
    column_share: float = 0.8
    """Share of the numbers, drawn for each tree, in (0, 1]."""

    def __post_init__(self) -> None:
        check_trees(self.n_trees, self.depth)
        if not self.rate > 0 or self.min_child < 0:
            raise DataError("rate must be above 0 and min_child at least 0")
        if not (0 < self.row_share <= 1 and 0 < self.column_share <= 1):
            raise DataError("row_share and column_share must be in (0, 1]")


def check_trees(n_trees: int, depth: int) -> None:
    if n_trees < 1 or not 1 <= depth <= 12:
        raise DataError(f"n_trees must be at least 1 and depth in 1 to 12, got {n_trees}, {depth}")


class Trees:
    """XGBoost's trees, kept as the bytes of its own portable format.

    References
    ----------
    Chen and Guestrin, XGBoost: A Scalable Tree Boosting System, 2016.
    """

    def fit(self, numbers: FloatArray, is_yes: BoolArray, config: TreeConfig, seed: int) -> "Trees":
        """Learn from numbers, shape (P, F), nan for unknown."""
        import xgboost

        options = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": config.depth,
            "eta": config.rate,
            "min_child_weight": config.min_child,
            "subsample": config.row_share,
            "colsample_bytree": config.column_share,
            "seed": seed,
            "verbosity": 0,
        }
        rows = xgboost.DMatrix(_finite(numbers), is_yes.astype(np.float32))
        self.booster_ = xgboost.train(options, rows, config.n_trees)
        return self

    def predict_proba(self, numbers: FloatArray) -> FloatArray:
        """Probability of yes, shape (P,)."""
        return np.asarray(self.booster_.inplace_predict(_finite(numbers)), np.float64)

    def leaves(self, numbers: FloatArray) -> npt.NDArray[np.int32]:
        """Number of the node where each pair ends in each tree, shape (P, R)."""
        import xgboost

        found = self.booster_.predict(xgboost.DMatrix(_finite(numbers)), pred_leaf=True)
        return np.asarray(found, np.int32).reshape(len(numbers), -1)

    def to_bytes(self) -> npt.NDArray[np.uint8]:
        return np.frombuffer(self.booster_.save_raw("ubj"), np.uint8)

    @classmethod
    def from_bytes(cls, saved: npt.NDArray[np.uint8]) -> "Trees":
        import xgboost

        trees = cls()
        trees.booster_ = xgboost.Booster()
        trees.booster_.load_model(bytearray(saved.tobytes()))
        return trees


def _finite(numbers: FloatArray) -> FloatArray:
    """Infinity is as unknown as nan: XGBoost refuses it."""
    return np.where(np.isfinite(numbers), numbers, np.nan).astype(np.float32)


class TreeModel(RankingModel):
    """XGBoost on the numbers alone: ids and values with many kinds come in as their statistics.

    References
    ----------
    Chen and Guestrin, XGBoost, 2016; ids made continuous as in system 58.
    """

    name = "xgboost"
    config_class = TreeConfig

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        self.trees_ = Trees().fit(rows.numbers, is_yes, self.settings, self.seed)

    def _proba(self, rows: Rows) -> FloatArray:
        return self.trees_.predict_proba(rows.numbers)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"trees": self.trees_.to_bytes()}

    def _set_arrays(self, arrays: Arrays) -> None:
        self.trees_ = Trees.from_bytes(arrays["trees"])


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLinearConfig(LinearConfig):
    """Of trees and the linear model behind them."""

    n_trees: int = 60
    depth: int = 4
    """Questions from the root of a tree to a leaf, at most."""
    rate: float = 0.1
    """What each tree adds, of what it would."""
    tree_share: float = 0.5
    """Share of the pairs, the earlier ones, that the trees learn from, in (0, 1); the linear part
    learns from the others, whose leaves are as honest as those of new pairs."""
    ftrl: FtrlConfig = field(default_factory=lambda: FtrlConfig(alpha=0.02))
    """Slower than without leaves: each pair has one of every tree, which step together."""

    def __post_init__(self) -> None:
        LinearConfig.__post_init__(self)
        check_trees(self.n_trees, self.depth)
        if not 0 < self.tree_share < 1:
            raise DataError(f"tree_share must be in (0, 1), got {self.tree_share}")


class TreeLinearModel(FtrlModel):
    """Leaves of XGBoost as columns beside the discretised features; on both, FTRL.

    `partial_fit` goes on with the linear part; the trees stay.

    Measured on a simulated board: with the trees and the linear part on the same pairs AUC .695,
    each on half of them .755, trees alone .749.

    References
    ----------
    He et al., Practical Lessons from Predicting Clicks on Ads at Facebook, 2014; with the
    discretised features beside the leaves as in system 58.
    """

    name = "xgboost-lr"
    config_class: ClassVar[type[RankingConfig]] = TreeLinearConfig

    def _learn(self, rows: Rows, is_yes: BoolArray, *, show_progress: bool) -> None:
        config = self.settings
        trees = TreeConfig(n_trees=config.n_trees, depth=config.depth, rate=config.rate)
        n = min(max(int(config.tree_share * len(rows)), 1), len(rows) - 1)
        self.trees_ = Trees().fit(rows.numbers[:n], is_yes[:n], trees, self.seed)
        super()._learn(rows.take(slice(n, None)), is_yes[n:], show_progress=show_progress)

    def _columns(self, rows: Rows) -> sparse.csr_array:
        plain = self.bins_.transform(rows)
        return sparse.csr_array(sparse.hstack([plain, self._leaf_columns(rows)], "csr"))

    def _leaf_columns(self, rows: Rows) -> sparse.csr_array:
        """A column for each node of each tree; 1 in R of them."""
        leaves = self.trees_.leaves(rows.numbers)
        n_pairs, n_trees = leaves.shape
        places = leaves + np.arange(n_trees, dtype=np.int32) * self._n_nodes
        starts = np.arange(0, places.size + 1, n_trees, dtype=np.int32)
        cells = (np.ones(places.size, np.float32), places.ravel(), starts)
        return sparse.csr_array(cells, shape=(n_pairs, n_trees * self._n_nodes))

    @property
    def _n_nodes(self) -> int:
        return int(2 ** (self.settings.depth + 1))

    def _new_learner(self, n_columns: int) -> Ftrl:
        return super()._new_learner(n_columns + self.settings.n_trees * self._n_nodes)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {**super()._arrays(), "trees": self.trees_.to_bytes()}

    def _set_arrays(self, arrays: Arrays) -> None:
        super()._set_arrays(arrays)
        self.trees_ = Trees.from_bytes(arrays["trees"])
