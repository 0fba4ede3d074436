"""Jobs to rows: hashed terms, part-of-speech shares and text measures, one CSR row a job.

Letters for axes: B jobs, H = 32,768 columns of a row = `N_TERMS` hash buckets + `N_MEASURES`
columns at the end that are not hashed.

The first part is scikit-learn's HashingVectorizer (same hash function, same bucket for the same
term; a test holds the two together). mmh3 stands in for it because tagging one posting must not
wait for scikit-learn to be imported.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain, islice
from typing import Any, NamedTuple, Self

import mmh3
import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.jobs import Job
from tagger.pos import PENN_TAGS, PosTagger, counts
from tagger.text import clean, terms, tokenize

FloatArray = npt.NDArray[np.float32]
Rows = sparse.csr_array

N_COLUMNS = 32_768
N_MEASURES = 64
N_TERMS = N_COLUMNS - N_MEASURES
BATCH = 512
"""Jobs worked on at once: enough for array speed, 512 postings of 2 kB need about 30 MB."""
IDF_POWER = 0.5
"""Plain idf hides the common words ("degree", "hour") that tags hang on: docs/decisions/0002."""
TITLE_WEIGHT = 0.5
"""Length of the title's part beside a text part of length 1."""
MEASURES_WEIGHT = 0.01
"""One standard deviation of a measure beside a term part of length 1."""

_SHAPES = ("digit", "upper", "lower", "space", "punctuation", "other")
_SIZES = ("characters", "tokens", "stops", "title_tokens", "breaks_per_token", "distinct_terms")
MEASURES = (
    *(f"pos:{tag}" for tag in PENN_TAGS),
    *(f"share:{shape}" for shape in _SHAPES),
    *(f"size:{size}" for size in _SIZES),
)
"""Names of the columns from `N_TERMS` on; columns past the last name stay empty."""

_SENTENCE_ENDS = frozenset(".!?\n")


def _byte_shapes() -> npt.NDArray[np.uint8]:
    """Kind of each byte of UTF-8, as a place in `_SHAPES`."""
    kinds = (bytes.isdigit, bytes.isupper, bytes.islower, bytes.isspace)
    table = np.full(256, _SHAPES.index("other"), np.uint8)
    for byte in range(128):
        found = [place for place, kind in enumerate(kinds) if kind(bytes([byte]))]
        table[byte] = found[0] if found else _SHAPES.index("punctuation")
    return table


_SHAPE_OF_BYTE = _byte_shapes()


@dataclass(frozen=True, slots=True)
class JobTerms:
    """A job's cleaned text split once, for everybody who needs a part of it."""

    title_tokens: list[str]
    text_tokens: list[str]
    cleaned: str

    @classmethod
    def of(cls, job: Job) -> Self:
        title, text = clean(job.title), clean(job.text)
        return cls(tokenize(title), tokenize(text), f"{title}\n{text}")

    def terms(self) -> tuple[list[str], list[str]]:
        """Terms of title and text together, and those of the title once more as ``title:term``."""
        in_title = terms(self.title_tokens)
        return in_title + terms(self.text_tokens), [f"title:{term}" for term in in_title]


def bucket_of(term: str) -> int:
    """Column of a term in a row, in [0, N_TERMS)."""
    return abs(mmh3.hash(term)) % N_TERMS


@cache
def _pos_tagger() -> PosTagger:
    return PosTagger.load()


def batches(jobs: Iterable[Job], size: int = BATCH) -> Iterator[list[Job]]:
    """Jobs in lists of at most `size`, as they come."""
    stream = iter(jobs)
    while batch := list(islice(stream, size)):
        yield batch


class Counted(NamedTuple):
    """What was counted in B jobs; `RowWeights` makes rows of it."""

    text: Rows
    """Shape (B, N_TERMS): how often each bucket's terms occur in title and text."""
    title: Rows
    """Shape (B, N_TERMS): the same for the buckets of ``title:term``."""
    measures: FloatArray
    """Shape (B, N_MEASURES), not yet scaled."""


def count(jobs: Sequence[Job]) -> Counted:
    """Everything that is counted in a few jobs at once."""
    batch = [JobTerms.of(job) for job in jobs]
    found = [job.terms() for job in batch]
    text, title = ([pair[part] for pair in found] for part in (0, 1))
    return Counted(_count_buckets(text), _count_buckets(title), measure(batch))


def _count_buckets(lists: list[list[str]]) -> Rows:
    hashes = np.array([mmh3.hash(term) for found in lists for term in found], np.int64)
    buckets = (np.abs(hashes) % N_TERMS).astype(np.int32)
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    ones = np.ones(len(hashes), np.float32)
    rows: Rows = sparse.csr_array((ones, buckets, starts), shape=(len(lists), N_TERMS))
    rows.sum_duplicates()
    return rows


def measure(batch: Sequence[JobTerms]) -> FloatArray:
    """Part-of-speech shares and text measures, shape (B, N_MEASURES), not yet scaled."""
    values = np.zeros((len(batch), N_MEASURES), np.float32)
    values[:, : len(PENN_TAGS)] = _pos_shares(batch)
    shares = len(PENN_TAGS)
    sizes = shares + len(_SHAPES)
    for row, job in zip(values, batch, strict=True):
        raw = np.frombuffer(job.cleaned.encode(), np.uint8)
        shapes = np.bincount(_SHAPE_OF_BYTE[raw], minlength=len(_SHAPES))
        row[shares:sizes] = shapes / max(len(raw), 1)
        text, tokens = job.cleaned, job.text_tokens
        n_breaks = text.count("\n")
        n_stops = text.count(".") + text.count("!") + text.count("?") + n_breaks
        row[sizes : sizes + len(_SIZES)] = (
            np.log1p(len(text)),
            np.log1p(len(tokens)),
            np.log1p(n_stops),
            np.log1p(len(job.title_tokens)),
            n_breaks / max(len(tokens), 1),
            len(set(tokens)) / max(len(tokens), 1),
        )
    return values


class _Ids(dict[str, int]):
    """Word -> its number, in order of appearance."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


def _pos_shares(batch: Sequence[JobTerms]) -> FloatArray:
    """Share of each Penn tag among a job's tokens, shape (B, len(PENN_TAGS))."""
    ids = _Ids()
    parts = [[*job.title_tokens, "\n", *job.text_tokens, "\n"] for job in batch]
    lengths = [len(part) for part in parts]
    token_ids = np.fromiter(map(ids.__getitem__, chain.from_iterable(parts)), np.int32)
    words = list(ids)
    is_break = np.array([word == "\n" for word in words], bool)[token_ids]
    ends = np.array([word in _SENTENCE_ENDS for word in words], bool)[token_ids]
    job_of_token = np.repeat(np.arange(len(batch)), lengths)[~is_break]
    after_end = np.concatenate([[True], ends[:-1]])
    sentence = np.cumsum(after_end)[~is_break]
    starts = np.flatnonzero(np.diff(sentence, prepend=0))
    tags = _pos_tagger().tag_ids(words, token_ids[~is_break], starts)
    found = counts(tags, job_of_token, len(batch))
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class RowWeights:
    """What turns counts and measures into rows: learned once, then the same for ever."""

    idf: FloatArray
    """Shape (N_TERMS,), at least 1: (ln((1 + n) / (1 + n with the bucket)) + 1) ** IDF_POWER."""
    mean: FloatArray
    """Shape (N_MEASURES,)."""
    scale: FloatArray
    """Shape (N_MEASURES,): MEASURES_WEIGHT / standard deviation, 0 for a constant measure."""

    def weigh(self, counted: Counted) -> Rows:
        """Rows (B, H): terms are (1 + ln count) * idf, measures standardised.

        Text and title are each brought to their own length, 1 and TITLE_WEIGHT: a title says as
        much above a long text as above a short one.
        """
        terms_part = self._unit(counted.text) + TITLE_WEIGHT * self._unit(counted.title)
        limit = 3 * MEASURES_WEIGHT  # a 10 MB posting is no farther out than a long one
        measures = np.clip((counted.measures - self.mean) * self.scale, -limit, limit)
        rows = sparse.hstack([terms_part, sparse.csr_array(measures)], format="csr")
        return sparse.csr_array(rows, dtype=np.float32)

    def _unit(self, counted: Rows) -> Rows:
        """Weighted counts, each row of length 1 (0 where there is nothing)."""
        rows = counted.copy()
        rows.data = (1 + np.log(rows.data)) * self.idf[rows.indices]
        n_found = np.diff(rows.indptr)
        squares = np.append(rows.data**2, 0)  # reduceat needs a place for an empty last row
        lengths = np.sqrt(np.add.reduceat(squares, rows.indptr[:-1]))
        rows.data /= np.repeat(lengths, n_found)
        return rows

    def rows(self, jobs: Iterable[Job]) -> Rows:
        """Rows of any number of jobs, shape (n_jobs, H)."""
        parts = list(self.iter_rows(jobs))
        if not parts:
            return self.weigh(count([]))
        return parts[0] if len(parts) == 1 else sparse.csr_array(sparse.vstack(parts, format="csr"))

    def iter_rows(self, jobs: Iterable[Job], *, batch: int = BATCH) -> Iterator[Rows]:
        """Rows in batches, as jobs come; memory stays flat however many there are."""
        for some in batches(jobs, batch):
            yield self.weigh(count(some))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


class RowStatistics:
    """Sums over jobs from which `RowWeights` follow; may be added to in several goes."""

    def __init__(self) -> None:
        self.n_jobs = 0
        self._with_bucket = np.zeros(N_TERMS, np.int64)
        self._sum = np.zeros(N_MEASURES)
        self._squares = np.zeros(N_MEASURES)

    def add(self, counted: Counted) -> None:
        self.n_jobs += len(counted.measures)
        for part in (counted.text, counted.title):
            self._with_bucket += np.bincount(part.indices, minlength=N_TERMS)
        self._sum += counted.measures.sum(axis=0, dtype=np.float64)
        self._squares += (counted.measures.astype(np.float64) ** 2).sum(axis=0)

    def weights(self) -> RowWeights:
        n = max(self.n_jobs, 1)
        share = np.minimum(1 + self._with_bucket, 1 + n) / (1 + n)  # a bucket may hold both parts
        idf = (1 - np.log(share)) ** IDF_POWER
        mean = self._sum / n
        deviation = np.sqrt(np.maximum(self._squares / n - mean**2, 0))
        varies = deviation > 1e-6
        scale = np.where(varies, MEASURES_WEIGHT / np.where(varies, deviation, 1), 0)
        return RowWeights(*(x.astype(np.float32) for x in (idf, mean, scale)))
