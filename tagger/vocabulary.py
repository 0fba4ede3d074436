"""Exact terms beside the hash buckets, each a column of its own.

A bucket is shared by several terms, so a tag that hangs on one rare word ("kafka") hears other
words with it. Letters for axes: B, N jobs, V columns of the vocabulary, T tags.
"""

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.features import TITLE_WEIGHT, Counted, Rows, unit_rows

Ints = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

MAX_VOCABULARY = 50_000
"""Exact terms of a model, terms of titles included."""
MIN_JOBS = 2
"""Labelled jobs with a term before it counts: what occurs once is as likely an accident."""
MAX_FAMILIAR = 20_000
"""Most frequent terms of the training jobs, by which a posting in another language is noticed."""
_TAGS_AT_ONCE = 32  # so that memory stays bounded
UNFAMILIAR = 0.2
"""A posting with less than this times the usual share of familiar terms is left to a person."""


class DocumentCounts(NamedTuple):
    """In how many jobs each term occurs."""

    hashes: Ints
    """Sorted."""
    n_with: Ints
    """Jobs with the term, shape of `hashes`."""
    n_jobs: int

    @classmethod
    def of(cls, *parts: Rows) -> "DocumentCounts":
        """Count the non-zeros of counted terms, (B, N_HASHES) each."""
        found = np.concatenate([part.indices for part in parts]) if parts else np.empty(0)
        hashes, n_with = np.unique(found.astype(np.int64), return_counts=True)
        return cls(hashes, n_with, sum(part.shape[0] for part in parts))

    def of_terms(self, hashes: Ints) -> Ints:
        """Jobs with each of some terms, shape of `hashes`."""
        if not len(self.hashes):
            return np.zeros(len(hashes), np.int64)
        place = np.searchsorted(self.hashes, hashes).clip(max=len(self.hashes) - 1)
        return np.where(self.hashes[place] == hashes, self.n_with[place], 0)

    def idf(self, hashes: Ints) -> FloatArray:
        """ln((1 + n) / (1 + n with the term)) + 1 of some terms, as scikit-learn has it."""
        return (np.log((1 + self.n_jobs) / (1 + self.of_terms(hashes))) + 1).astype(np.float32)


class TermCounts(NamedTuple):
    """In how many training jobs the terms of text and title occur."""

    text: DocumentCounts
    title: DocumentCounts

    @classmethod
    def of(cls, *parts: Counted) -> "TermCounts":
        return cls(
            DocumentCounts.of(*(part.terms for part in parts)),
            DocumentCounts.of(*(part.title_terms for part in parts)),
        )


def look_up(counted: Rows, hashes: Ints) -> Rows:
    """Columns of counted terms (B, N_HASHES) by their hashes, sorted: (B, len(hashes))."""
    if not len(hashes):
        return sparse.csr_array(np.zeros((counted.shape[0], 0), np.float32))
    place = np.searchsorted(hashes, counted.indices)
    place[place == len(hashes)] = 0
    found = hashes[place] == counted.indices
    before = np.zeros(len(found) + 1, np.int32)
    np.cumsum(found, out=before[1:])
    shape = (counted.shape[0], len(hashes))
    cells = (counted.data[found], place[found].astype(np.int32), before[counted.indptr])
    return sparse.csr_array(cells, shape=shape)


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Exact terms of text and title, and how they are weighed. V = terms + title terms."""

    hashes: Ints
    """Sorted hashes of the terms of title and text."""
    title_hashes: Ints
    """Sorted hashes of ``title:term``."""
    idf: FloatArray
    """Shape of `hashes`."""
    title_idf: FloatArray
    """Shape of `title_hashes`."""
    familiar: Ints
    """Sorted hashes of the most frequent terms of the training jobs."""
    usual: npt.NDArray[np.float64]
    """Shape (): median share of the terms of a training job that are familiar."""
    _known: Ints = field(init=False, repr=False)
    """Sorted hashes of all terms that are in `hashes` or `familiar`: both are looked up at once."""
    _column: npt.NDArray[np.int32] = field(init=False, repr=False)
    """Shape of `_known`: places in `hashes`; -1 for a term that is only familiar."""
    _is_familiar: npt.NDArray[np.bool_] = field(init=False, repr=False)
    """Shape of `_known`."""

    def __post_init__(self) -> None:
        known = np.union1d(self.hashes, self.familiar)
        column = np.full(len(known), -1, np.int32)
        column[np.searchsorted(known, self.hashes)] = np.arange(len(self.hashes))
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_column", column)
        object.__setattr__(self, "_is_familiar", np.isin(known, self.familiar))

    @property
    def n_columns(self) -> int:
        """V."""
        return len(self.hashes) + len(self.title_hashes)

    def rows(self, counted: Counted) -> Rows:
        """Rows (B, V): (1 + ln count) * idf; the parts of text and title have lengths 1 and
        TITLE_WEIGHT, as in the hashed row."""
        return self.rows_and_familiar(counted)[0]

    def rows_and_familiar(self, counted: Counted) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """`rows`, and whether enough terms of a job are known for tags to mean anything, (B,)."""
        known = look_up(counted.terms, self._known)
        column, starts = self._column[known.indices], known.indptr
        before = np.concatenate([[0], np.cumsum(column >= 0)])
        text = sparse.csr_array(
            (known.data[column >= 0], column[column >= 0], before[starts].astype(np.int32)),
            shape=(len(counted.measures), len(self.hashes)),
        )
        title = look_up(counted.title_terms, self.title_hashes)
        parts = [unit_rows(text, self.idf), TITLE_WEIGHT * unit_rows(title, self.title_idf)]
        rows = sparse.csr_array(sparse.hstack(parts, format="csr"), dtype=np.float32)
        n_familiar = np.diff(
            np.concatenate([[0], np.cumsum(self._is_familiar[known.indices])])[starts]
        )
        share = n_familiar / np.maximum(np.diff(counted.terms.indptr), 1)
        return rows, share >= UNFAMILIAR * float(self.usual)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {part.name: getattr(self, part.name) for part in fields(self) if part.init}


def _familiar_share(terms: Rows, familiar: Ints) -> npt.NDArray[np.float64]:
    """Share of a job's different terms that are among `familiar`, shape (B,); 0 without terms."""
    n_found = np.diff(look_up(terms, familiar).indptr)
    return np.asarray(n_found / np.maximum(np.diff(terms.indptr), 1), np.float64)


def learn_vocabulary(
    labelled: Counted,
    everyone: TermCounts,
    own: Counted,
    *,
    of_names: tuple[Ints, Ints] | None = None,
    kept: Vocabulary | None = None,
) -> Vocabulary:
    """Choose the terms that get a column.

    What labels say plays no part: the folds of the cross-fitting share one vocabulary, and terms
    chosen by all labels would tell each fold something of its own.

    Parameters
    ----------
    labelled
        Terms of at least MIN_JOBS of these are candidates. If there are more than MAX_VOCABULARY,
        those that most of these jobs have are taken; of equals, those that are rarer in `everyone`.
    everyone
        All training jobs: how rare a term is.
    own
        The jobs of the team: which terms are familiar.
    of_names
        Hashes of terms, and of terms of titles, that are taken before all other candidates: those
        of the tags' names and words.
    kept
        Terms of an earlier vocabulary are candidates, too, whatever the labelled jobs say.
    """
    counts = TermCounts.of(labelled)
    text, title = (part.hashes[part.n_with >= MIN_JOBS] for part in counts)
    if kept is not None:
        text, title = np.union1d(text, kept.hashes), np.union1d(title, kept.title_hashes)
    if len(text) + len(title) > MAX_VOCABULARY:
        n_labelled, n_all = (
            np.concatenate([of.text.of_terms(text), of.title.of_terms(title)])
            for of in (counts, everyone)
        )
        is_named = np.zeros(len(n_all), bool)
        if of_names is not None:
            is_named = np.concatenate([np.isin(text, of_names[0]), np.isin(title, of_names[1])])
        best = np.sort(np.lexsort((n_all, -n_labelled, ~is_named))[:MAX_VOCABULARY])
        text, title = text[best[best < len(text)]], title[best[best >= len(text)] - len(text)]
    frequent = DocumentCounts.of(own.terms)
    repeated = frequent.n_with >= min(MIN_JOBS, max(frequent.n_jobs, 1))
    hashes, n_with = frequent.hashes[repeated], frequent.n_with[repeated]
    familiar = np.sort(hashes[np.argsort(-n_with, kind="stable")[:MAX_FAMILIAR]])
    shares = _familiar_share(own.terms, familiar)
    return Vocabulary(
        hashes=text,
        title_hashes=title,
        idf=everyone.text.idf(text),
        title_idf=everyone.title.idf(title),
        familiar=familiar,
        usual=np.array(np.median(shares) if len(shares) else 0.0),
    )


def log_odds(columns: Rows, Y: npt.NDArray[np.int8]) -> tuple[FloatArray, FloatArray]:
    """How much each column tells each tag apart: two views, shape (V, T) each, at least 0.

    Parameters
    ----------
    columns : shape (N, V)
        Only whether a column is there counts.
    Y : shape (N, T)
        1 yes, 0 no, -1 unknown.

    Returns
    -------
    The log-count ratio (Wang and Manning, Baselines and Bigrams, 2012), large also for rare
    columns; and the log-odds ratio over its standard error (Monroe et al., Fightin' Words, 2008),
    large only where there is much evidence.
    """
    there = sparse.csr_array(columns, copy=True)
    there.data = (there.data > 0).astype(np.float32)
    transposed = there.T.tocsr()
    shape = (columns.shape[1], Y.shape[1])
    ratio, strength = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for first in range(0, Y.shape[1] if len(ratio) else 0, _TAGS_AT_ONCE):
        tags = slice(first, first + _TAGS_AT_ONCE)
        yes, no = ((Y[:, tags] == label).astype(np.float32) for label in (1, 0))
        with_yes, with_no = np.asarray(transposed @ yes), np.asarray(transposed @ no)
        p, q = with_yes + 1, with_no + 1
        sums = p.sum(axis=0, dtype=np.float64) / q.sum(axis=0, dtype=np.float64)
        ratio[:, tags] = np.abs(np.log(p) - np.log(q) - np.log(sums).astype(np.float32))
        half = np.float32(0.5)
        a, b = with_yes + half, yes.sum(axis=0) - with_yes + half
        c, d = with_no + half, no.sum(axis=0) - with_no + half
        error = np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
        strength[:, tags] = np.abs(np.log(a / b) - np.log(c / d)) / error
    return ratio, strength
