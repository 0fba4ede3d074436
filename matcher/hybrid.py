"""The hybrid: several first models find jobs for a candidate, trees rank what they found.

Letters for axes: B candidates asked for, J jobs, P pairs, M first models, X numbers of a pair.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from matcher.base import Arrays, Matcher, Pairs, blocks
from matcher.data import FloatArray, IntArray, MatchData
from matcher.first_stage import FirstStage
from matcher.found import FACTORS, Rows
from matcher.histories import check_positive
from matcher.saved_config import from_plain
from matcher.splits import Split, rolling, split
from tagger.errors import DataError

CELLS_AT_ONCE = 2**21
"""Scores of a first model that are held at once."""
NEGATIVES = 60
"""The trees learn from so many jobs of a question, drawn, besides its answer."""
MIN_NEW, MAX_NEW = 0.01, 0.3
"""With a share of jobs without events above the least, as many are made to look new inside."""
MIN_QUESTIONS = 30
"""With fewer inner questions trees would learn noise: the factors rank alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridConfig:
    """Sizes of both levels."""

    n_factors: int = 128
    """Factors of each factorisation, at least 1."""
    n_seeds: int = 3
    """Factorisations from different starts, every second one of half the size, whose scores are
    added; at least 1."""
    n_rounds: int = 15
    """Rounds of each factorisation, at least 1."""
    n_found: int = 40
    """Jobs that each first model brings into the ranking, at least 1; and, of jobs without events,
    the factors once more."""
    n_inner: int = 4
    """Inner splits that the trees learn from, at least 1; half as many with jobs made new."""
    max_questions: int = 2000
    """Of each inner split, at least 1."""
    n_trees: int = 250
    depth: int = 4
    """Splits of a tree one below the other, at least 1."""
    learning_rate: float = 0.05
    """In (0, 1]."""

    def __post_init__(self) -> None:
        check_positive(**asdict(self))


class Hybrid(Matcher):
    """Collaborative signal, fields and codes together: old and brand-new jobs in one ranking.

    First level: factorisations that start from fields and codes (`FieldsALS`) and one that does
    not, neighbours of jobs and of candidates, similarity of codes; where events have several
    actions, decaying activity embeddings. Each finds some jobs; the second
    level, boosted trees, ranks all that were found: by the first models' scores, by how often and
    how lately a job was wanted, by how usual its fields are among the candidate's jobs, and the
    candidate's among those who wanted it. The trees learn from inner splits of the training events,
    made as the data would be split for a test; if some jobs have no events, as many more are made
    to look new there. Then the first level is fitted again on everything.

    In `score_jobs`, jobs that no first model found follow after all others, in the order of the
    factors; `score_pairs` ranks every pair by the trees.

    References
    ----------
    Covington, Adams and Sargin, Deep Neural Networks for YouTube Recommendations, 2016 (to find,
    then to rank); Wolpert, Stacked Generalization, 1992; Chen and Guestrin, XGBoost, 2016.
    """

    name = "hybrid"
    config_class = HybridConfig
    _explained: tuple[MatchData, int, Rows] | None = None
    """The candidate last explained; most come with all places of their list."""
    _booster: Any = None

    def __init__(self, config: HybridConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        config = self.settings
        self.target_ = data.target
        self._explained = self._booster = None
        self.notes_: tuple[str, ...] = ()
        self.first_ = FirstStage(
            data,
            n_factors=config.n_factors,
            n_seeds=config.n_seeds,
            n_rounds=config.n_rounds,
            seed=self.seed,
        )
        rng = np.random.default_rng(self.seed)
        examples = [self._examples(inner, rng, show_progress) for inner in self._inner(data)]
        self.first_.fit(data, show_progress=show_progress)
        self._fit_trees(examples)
        return self

    def _inner(self, data: MatchData) -> Iterator[Split]:
        """Splits of the events to learn from; none where there are too few."""
        n, seed = self.settings.n_inner, self.seed + 1
        with suppress(DataError):
            if data.has_times:
                yield from rolling(data, n, seed=seed)
                return
            yield from (split(data, seed=seed + number) for number in range(n))
            is_new = np.bincount(data.events.jobs, minlength=len(data.jobs)) == 0
            share = min(float(is_new.mean()), MAX_NEW)
            for number in range((n + 1) // 2 if share > MIN_NEW else 0):
                yield split(data, seed=seed + number, cold_share=share)

    def _examples(
        self, inner: Split, rng: np.random.Generator, show_progress: bool
    ) -> tuple[Any, Any]:
        """Numbers of some pairs found for the inner questions, and which were the answers."""
        self.first_.fit(inner.train, show_progress=show_progress)
        some = rng.permutation(len(inner))[: self.settings.max_questions]
        numbers, answers = [], []
        for block in blocks(np.sort(some), self._at_once(inner.known)):
            people, times = inner.candidates[block], inner.times[block]
            rows = self.first_.rows(inner.known, people, times, live=inner.live)
            asked, jobs = rows.found(inner.live, self.settings.n_found)
            is_answer = jobs == inner.jobs[block][asked]
            useful = is_answer | (rng.random(len(asked)) < NEGATIVES / np.bincount(asked)[asked])
            useful &= np.isin(asked, asked[is_answer])
            numbers.append(rows.numbers(asked[useful], jobs[useful]))
            answers.append(is_answer[useful])
        return np.concatenate(numbers), np.concatenate(answers)

    def _fit_trees(self, examples: list[tuple[Any, Any]]) -> None:
        import xgboost

        self.trees_ = np.zeros(0, np.uint8)
        n_questions = sum(int(y.sum()) for _, y in examples)
        if n_questions < MIN_QUESTIONS:
            self.notes_ = (
                f"{n_questions} questions could be held out to learn the ranking from, fewer than "
                f"{MIN_QUESTIONS}: the factors rank alone, and no parts of a score can be told",
            )
            return
        config = self.settings
        x, y = (np.concatenate(part) for part in zip(*examples, strict=True))
        options = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_bin": 64,
            "max_depth": config.depth,
            "eta": config.learning_rate,
            "min_child_weight": 5,
            "subsample": 0.7,
            "colsample_bytree": 0.7,
            "seed": self.seed,
        }
        rows = xgboost.QuantileDMatrix(x, y.astype(np.float32), max_bin=64)
        booster = xgboost.train(options, rows, config.n_trees)
        self.trees_ = np.frombuffer(booster.save_raw("ubj"), np.uint8)
        self._booster = booster

    def score_jobs(
        self, data: MatchData, candidates: IntArray, times: FloatArray | None = None
    ) -> FloatArray:
        parts = [
            self._ranked(
                self.first_.rows(data, candidates[part], None if times is None else times[part])
            )
            for part in blocks(np.arange(len(candidates)), self._at_once(data))
        ]
        return np.concatenate([np.empty((0, len(data.jobs)), np.float32), *parts])

    def _ranked(self, rows: Rows) -> npt.NDArray[np.float32]:
        base = rows.scores[FACTORS].copy()
        if not len(self.trees_):
            return base
        asked, jobs = rows.found(None, self.settings.n_found)
        scores = self._trees(rows.numbers(asked, jobs))
        least = np.full(len(base), np.inf, np.float32)
        np.minimum.at(least, asked, scores)
        base += (
            np.where(np.isfinite(least), least, 0)[:, None] - 1 - base.max(axis=1, keepdims=True)
        )
        base[asked, jobs] = scores
        return base

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        if not len(pairs):
            return np.empty(0)
        is_met = np.asarray(data.matrix(self.target_)[pairs.candidates, pairs.jobs]).ravel() > 0
        without = np.where(is_met, pairs.jobs, -1)
        keys = np.stack([pairs.candidates, without, np.nan_to_num(pairs.times, nan=np.inf)], axis=1)
        questions, question = np.unique(keys, axis=0, return_inverse=True)
        order = np.argsort(question, kind="stable")
        bounds = np.searchsorted(question[order], np.arange(len(questions) + 1))
        scores = np.empty(len(pairs))
        for block in blocks(np.arange(len(questions)), self._at_once(data)):
            candidates, left_out = questions[block, :2].astype(np.intp).T
            times = np.where(np.isinf(questions[block, 2]), np.nan, questions[block, 2])
            rows = self.first_.rows(data, candidates, times, without=left_out)
            here = order[bounds[block[0]] : bounds[block[-1] + 1]]
            asked, jobs = question[here] - block[0], pairs.jobs[here]
            if len(self.trees_):
                scores[here] = self._trees(rows.numbers(asked, jobs))
            else:
                scores[here] = rows.scores[FACTORS][asked, jobs]
        return scores

    def explain(self, data: MatchData, candidate: int, job: int) -> Mapping[str, float]:
        """What each part adds to the score of the trees, in log-odds; empty without trees.

        References
        ----------
        Lundberg et al., Consistent Individualized Feature Attribution for Tree Ensembles, 2018.
        """
        if not len(self.trees_):
            return {}
        import xgboost

        if self._explained is None or self._explained[:2] != (data, candidate):
            self._explained = data, candidate, self.first_.rows(data, np.array([candidate]))
        rows = self._explained[2]
        numbers = rows.numbers(np.zeros(1, np.intp), np.array([job]))
        parts = self._loaded().predict(xgboost.DMatrix(numbers), pred_contribs=True)[0]
        found: Counter[str] = Counter()
        for name, part in zip(rows.names(), parts[:-1].tolist(), strict=True):
            found[name] += part
        return found

    def _at_once(self, data: MatchData) -> int:
        return max(CELLS_AT_ONCE // len(data.jobs), 1)

    def _trees(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(self._loaded().inplace_predict(x, predict_type="margin"), np.float32)

    def _loaded(self) -> Any:
        import xgboost

        if self._booster is None:
            self._booster = xgboost.Booster(model_file=bytearray(self.trees_.tobytes()))
        return self._booster

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        files, first = self.first_.to_arrays()
        meta = {"config": asdict(self.settings), "seed": self.seed, "first": first}
        return {**files, "trees": {"trees": self.trees_}}, meta

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        model = cls(from_plain(cls.config_class, meta["config"]), seed=meta["seed"])
        model.trees_ = files["trees"]["trees"]
        model.first_ = FirstStage.from_arrays(files, meta["first"])
        model.target_ = model.first_.target
        return model
