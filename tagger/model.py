"""A trained tagger as it serves: numpy only, frozen, quick to load.

Letters for axes: N jobs, H columns of a row, C code, T tags.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

from tagger.errors import ModelError
from tagger.features import (
    N_HASHES,
    Counted,
    JobText,
    Rows,
    RowWeights,
    batches,
    buckets_of,
    count,
)
from tagger.forward import DeepTagger, Encoder
from tagger.hashing import term_hash
from tagger.held_out import HeldOut
from tagger.jobs import Job
from tagger.model_check import check_arrays
from tagger.names import NameEvidence
from tagger.promises import Judged, Promises, make_promises
from tagger.storage import load_arrays, load_meta, save_folder
from tagger.tag_info import TagInfo
from tagger.text import terms
from tagger.thresholds import Decisions
from tagger.vocabulary import Vocabulary

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Arrays = dict[str, npt.NDArray[Any]]


_HASH_BITS = N_HASHES - 1
MAX_EXPLAINED = 300
"""Terms of a posting that are left out in turn: the heaviest; a long text has thousands."""


class Reason(NamedTuple):
    """What one term of a posting did to a tag."""

    term: str
    """As the posting has it, not stemmed."""
    effect: float
    """How much higher (or lower) the tag's calibrated logit is than without the term."""


class Predictions(NamedTuple):
    """All that a model says of N jobs, from one pass over them."""

    scores: FloatArray
    """Shape (N, T): calibrated logits."""
    probabilities: FloatArray
    """Shape (N, T): calibrated, in [0, 1]."""
    decisions: BoolArray
    """Shape (N, T): which tags are given."""
    reviews: BoolArray
    """Shape (N, T): which tags a person should look at."""
    codes: npt.NDArray[np.float32]
    """Shape (N, C)."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """The stacked paths, folded into one sparse product with the rows and one with exact terms.

    Columns whose coefficients are all 0 share the last row of them: without labels, that is all of
    them.
    """

    rows: npt.NDArray[np.float32]
    """Shape (number of columns of a row that are used + 1, T)."""
    terms: npt.NDArray[np.float32]
    """Shape (number of exact terms that are used + 1, T)."""
    names: FloatArray
    """Shape (T,): weight of the names' evidence."""
    code: FloatArray
    """Shape (T,): weight of the network on the code."""
    intercept: FloatArray
    """Shape (T,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Which row of the mixture's coefficients each column has."""

    rows: npt.NDArray[np.int32]
    """Shape (H,): of `Mixture.rows`."""
    terms: npt.NDArray[np.int32]
    """Shape (V,): of `Mixture.terms`."""


@dataclass(frozen=True, slots=True, eq=False)
class TagModel:
    """Everything a trained tagger knows, in the order a posting passes it.

    Made by `JobTagger.fit` or `load`; not changed afterwards, so the same posting gets the same
    answer for ever.
    """

    tags: tuple[str, ...]
    """In column order."""
    row_weights: RowWeights
    vocabulary: Vocabulary
    names: NameEvidence
    encoder: Encoder
    deep: DeepTagger
    mixture: Mixture
    places: Places
    thresholds: FloatArray
    """Shape (T,); nan for a tag that is never given."""
    bands: FloatArray
    """Shape (T, 2): lowest and highest probability left to a person."""
    held_out: HeldOut
    meta: dict[str, Any]
    """What `meta.json` says: version, seed, configuration, data, metrics."""
    arrays: dict[str, Arrays]
    """The arrays behind all this, as they are saved."""

    @classmethod
    def of(cls, arrays: dict[str, Arrays], meta: dict[str, Any]) -> Self:
        """Put together from saved arrays."""
        try:
            decisions = arrays["decisions"]
            return cls(
                tags=tuple(meta["tags"]),
                row_weights=RowWeights(**arrays["rows"]),
                vocabulary=Vocabulary(**arrays["vocabulary"]),
                names=NameEvidence(**arrays["names"]),
                encoder=Encoder(arrays["encoder"]),
                deep=DeepTagger(arrays["deep"]),
                mixture=Mixture(**arrays["mixture"]),
                places=Places(**arrays["places"]),
                thresholds=decisions["threshold"],
                bands=decisions["band"],
                held_out=HeldOut(**arrays["held_out"]),
                meta=meta,
                arrays=arrays,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's files don't fit together: {error!r}") from error

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model folder; ModelError unless every file is what was saved."""
        meta = load_meta(Path(folder))
        arrays = load_arrays(Path(folder), meta)
        try:
            check_arrays(arrays, len(meta["tags"]))
            model = cls.of(arrays, meta)
            with np.errstate(over="ignore", invalid="ignore"):
                model._probe()
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ModelError(f"{folder}: its files don't fit together ({error})") from error
        return model

    def _probe(self) -> None:
        """Raise an error of whatever kind unless a posting with every column gets an answer."""
        row = sparse.csr_array(np.ones((1, len(self.places.rows)), np.float32))
        (proba,) = self.predict_proba([Job("", "night nurse", "care for patients on the ward")])
        codes = self.encoder(row)
        if not (np.isfinite(codes).all() and np.isfinite(self.deep(codes)).all()):
            raise ValueError("a posting gets no code")
        if proba.shape != (len(self.tags),) or not np.isfinite(proba).all():
            raise ValueError("a posting gets no probabilities")

    def save(self, folder: Path | str, *, parent: Path | None = None) -> None:
        """Write a model folder beside and rename it into place, instead of an older model.

        Parameters
        ----------
        parent
            Folder of the model that this one goes on from: files that are the same take no room.
        """
        saved = {key: value for key, value in self.meta.items() if key not in ("sha256", "format")}
        save_folder(Path(folder), self.arrays, saved, parent=parent)

    @property
    def remarks(self) -> dict[str, str]:
        """Tag -> what must be known of it."""
        return dict(self.meta.get("remarks", {}))

    @property
    def infos(self) -> tuple[TagInfo, ...]:
        """What was said of each tag when it was trained, in column order."""
        return tuple(TagInfo.from_json(said) for said in self.meta["tag_info"])

    @property
    def without_labels(self) -> bool:
        """Whether it has learned from no labelled job: it knows tags by their names alone."""
        return not self.meta["data"]["labelled"]

    def rows(self, jobs: Iterable[Job]) -> Rows:
        """Rows, shape (N, H)."""
        return self.row_weights.rows(jobs)

    def encode(self, jobs: Iterable[Job]) -> npt.NDArray[np.float32]:
        """Codes, shape (N, C)."""
        return self.encoder(self.rows(jobs))

    def predict_proba(self, jobs: Iterable[Job]) -> FloatArray:
        """Calibrated probability of each tag, shape (N, T), in [0, 1]."""
        parts = [self.proba_of(count(batch)) for batch in batches(jobs)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.tags)))

    def proba_of(self, counted: Counted) -> FloatArray:
        """The same of counted jobs."""
        return np.asarray(expit(self._logits(counted)[0]))

    def decide(self, proba: FloatArray) -> BoolArray:
        """Which tags are given at these probabilities, shape (N, T)."""
        return self._decisions.decide(proba)

    def review(self, proba: FloatArray) -> BoolArray:
        """Which tags a person should look at, shape (N, T)."""
        return self._decisions.review(proba)

    def promises(self, *, wrong_at_most: float, confidence: float) -> Promises:
        """Which tags may be given without a person, and from which probability on.

        Raises
        ------
        DataError
            As `make_promises`.
        """
        return make_promises(
            Judged(self.held_out.probability, self.held_out.label, self.held_out.group),
            self.tags,
            self.thresholds,
            wrong_at_most=wrong_at_most,
            confidence=confidence,
        )

    def predict(self, jobs: Iterable[Job]) -> list[tuple[str, ...]]:
        """Tags given to each job, in column order."""
        given = [row for batch in batches(jobs) for row in self.predict_all(batch).decisions]
        return [tuple(tag for tag, yes in zip(self.tags, row, strict=True) if yes) for row in given]

    def predict_all(self, jobs: Sequence[Job]) -> Predictions:
        """Scores, probabilities, decisions and codes at once: for one batch, held in memory.

        Of a job hardly any of whose terms are known (another language, three dots) no tag is
        given: what would have been is left to a person, or else the likeliest tag.
        """
        return self.predict_counted(count(jobs))

    def predict_counted(self, counted: Counted, *, codes: bool = True) -> Predictions:
        """The same of counted jobs; without `codes` they are left empty where no tag needs them."""
        scores, coded, is_familiar = self._logits(counted, codes=codes)
        proba = np.asarray(expit(scores))
        decisions, reviews = self.decide(proba), self.review(proba)
        strange = ~is_familiar
        if strange.any() and len(self.tags):
            likeliest = np.arange(len(self.tags)) == proba.argmax(axis=1)[:, None]
            none = ~(decisions | reviews).any(axis=1, keepdims=True)
            reviews |= strange[:, None] & (decisions | (none & likeliest))
            decisions &= ~strange[:, None]
        return Predictions(scores, proba, decisions, reviews, coded)

    def explain(self, job: Job, *, n_terms: int = 8) -> dict[str, list[Reason]]:
        """The terms that raised or lowered each tag most, strongest first.

        Each term is left out of title and text in turn and the whole model asked again, so the
        effects hold for all paths together.
        """
        whole = count([job])
        names = _readable(job)
        columns = whole.terms.indices
        weights = self.row_weights.idf[buckets_of(columns)] * (1 + np.log(whole.terms.data))
        chosen = np.sort(np.argsort(-weights, kind="stable")[:MAX_EXPLAINED])
        if not len(chosen):
            return {tag: [] for tag in self.tags}
        without = _each_left_out(whole, columns[chosen], names)
        effects = self._logits(whole)[0] - self._logits(without)[0]
        shown = [names[int(column)].shown for column in columns[chosen]]
        return {tag: _strongest(effects[:, t], shown, n_terms) for t, tag in enumerate(self.tags)}

    @property
    def _decisions(self) -> Decisions:
        return Decisions(self.thresholds, self.bands)

    def _logits(
        self, counted: Counted, *, codes: bool = False
    ) -> tuple[FloatArray, npt.NDArray[np.float32], BoolArray]:
        """Calibrated logits (N, T); codes, if asked for or needed; whether the words are known."""
        mixture, places = self.mixture, self.places
        rows = self.row_weights.weigh(counted)
        terms, is_familiar = self.vocabulary.rows_and_familiar(counted)
        logits = np.tile(mixture.intercept, (rows.shape[0], 1))
        logits += weighed(rows, places.rows, mixture.rows)
        logits += weighed(terms, places.terms, mixture.terms)
        if mixture.names.any():
            logits += mixture.names * self.names.scores(counted)
        needed = mixture.code.any()
        coded = self.encoder(rows) if codes or needed else np.zeros((rows.shape[0], 0), np.float32)
        if needed:
            logits += mixture.code * self.deep(coded)
        return logits, coded, is_familiar


def weighed(
    rows: Rows, place: npt.NDArray[np.int32], coefficients: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32] | float:
    """Sparse rows times coefficients as `Mixture` has them, shape (N, T); 0 where all are 0."""
    if len(coefficients) == 1:
        return 0.0
    if len(coefficients) == rows.shape[1] + 1:  # all are used, in their order
        return np.asarray(rows @ coefficients[:-1])
    shape = (rows.shape[0], len(coefficients))
    used = sparse.csr_array((rows.data, place[rows.indices], rows.indptr), shape=shape)
    return np.asarray(used @ coefficients)


def used_rows(
    coefficients: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Coefficients without those that are 0 for all tags, and which row each column has.

    Examples
    --------
    >>> rows, place = used_rows(np.array([[0, 0], [1, 2], [0, 0]], np.float32))
    >>> rows.tolist(), place.tolist()
    ([[1.0, 2.0], [0.0, 0.0]], [1, 0, 1])
    """
    used = np.flatnonzero(coefficients.any(axis=1))
    place = np.full(len(coefficients), len(used), np.int32)
    place[used] = np.arange(len(used))
    nothing = np.zeros((1, coefficients.shape[1]), np.float32)
    return np.concatenate([coefficients[used], nothing]), place


def _strongest(effects: FloatArray, shown: Sequence[str], n_terms: int) -> list[Reason]:
    order = np.argsort(-np.abs(effects), kind="stable")[:n_terms]
    return [Reason(shown[i], round(float(effects[i]), 4)) for i in order.tolist()]


class _Term(NamedTuple):
    """A term of a posting."""

    shown: str
    """The posting's own words for it."""
    title_column: int
    """Hash of ``title:term``."""


def _readable(job: Job) -> dict[int, _Term]:
    """Hash -> the posting's own words for each of its terms."""
    split = JobText.of(job)
    return {
        term_hash(term) & _HASH_BITS: _Term(words, term_hash(f"title:{term}") & _HASH_BITS)
        for tokens in (split.text_tokens, split.title_tokens)
        for term, words in terms(tokens)
    }


def _each_left_out(whole: Counted, columns: npt.NDArray[Any], names: dict[int, _Term]) -> Counted:
    """Copies of one counted job, each without one of its terms."""
    text, title = (
        sparse.csr_array(sparse.vstack([part] * len(columns), format="csr"))
        for part in (whole.terms, whole.title_terms)
    )
    keep_text = np.tile(whole.terms.indices, len(columns)) != np.repeat(columns, whole.terms.nnz)
    left_out = np.array([names[int(column)].title_column for column in columns])
    keep_title = np.tile(whole.title_terms.indices, len(columns)) != np.repeat(
        left_out, whole.title_terms.nnz
    )
    return Counted(
        _only(text, keep_text),
        _only(title, keep_title),
        np.repeat(whole.measures, len(columns), axis=0),
    )


def _only(rows: Rows, kept: BoolArray) -> Rows:
    before = np.concatenate([[0], np.cumsum(kept)])
    return sparse.csr_array(
        (rows.data[kept], rows.indices[kept], before[rows.indptr]), shape=rows.shape
    )
