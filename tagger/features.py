"""Jobs to rows: hashed terms, part-of-speech shares and text measures, one CSR row a job.

Letters for axes: B jobs, H = 32,768 columns of a row = `N_TERMS` hash buckets + `N_MEASURES`
columns at the end that are not hashed.

The first part is scikit-learn's HashingVectorizer (same hash function, same bucket for the same
term; a test holds the two together). mmh3 stands in for it because tagging one posting must not
wait for scikit-learn to be imported.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice
from math import log1p
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.hashing import term_hash
from tagger.jobs import Job
from tagger.pos import PENN_TAGS, counts
from tagger.text import LINE_BREAK, clean, tokenize
from tagger.words import NEW_LINE, SENTENCE_END, TERM, Tokens, word_table

FloatArray = npt.NDArray[np.float32]
Ints = npt.NDArray[np.integer[Any]]
Rows = sparse.csr_array

N_COLUMNS = 32_768
N_MEASURES = 64
N_TERMS = N_COLUMNS - N_MEASURES
N_HASHES = 2**32
"""Columns of counted terms: a term is its 32-bit hash. Of 50,000 terms, one in 86,000 others is
taken for one of them."""
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


_BYTE_KINDS = (*_SHAPES, "break", "stop")
"""What is counted of a text's bytes: line breaks are spaces, too, and sentence ends punctuation."""


def _byte_kinds() -> npt.NDArray[np.uint8]:
    """Kind of each byte of UTF-8, as a place in `_BYTE_KINDS`."""
    kinds = (bytes.isdigit, bytes.isupper, bytes.islower, bytes.isspace)
    table = np.full(256, _BYTE_KINDS.index("other"), np.uint8)
    for byte in range(128):
        found = [place for place, kind in enumerate(kinds) if kind(bytes([byte]))]
        table[byte] = found[0] if found else _BYTE_KINDS.index("punctuation")
    table[ord("\n")] = _BYTE_KINDS.index("break")
    table[[ord(sign) for sign in ".!?"]] = _BYTE_KINDS.index("stop")
    return table


_KIND_OF_BYTE = _byte_kinds()


@dataclass(frozen=True, slots=True)
class JobText:
    """A job's cleaned text, split."""

    title_tokens: list[str]
    text_tokens: list[str]
    cleaned: str

    @classmethod
    def of(cls, job: Job) -> Self:
        title, text = clean(job.title), clean(job.text)
        return cls(tokenize(title), tokenize(text), f"{title}\n{text}")


def buckets_of(columns: Ints) -> Ints:
    """Buckets of the columns of counted terms, in [0, N_TERMS)."""
    signed = (columns.astype(np.int64) ^ 0x80000000) - 0x80000000  # 32 bits: unsigned to signed
    return np.asarray(np.abs(signed) % N_TERMS)


def batches(jobs: Iterable[Job], size: int = BATCH) -> Iterator[list[Job]]:
    """Jobs in lists of at most `size`, as they come."""
    stream = iter(jobs)
    while batch := list(islice(stream, size)):
        yield batch


class Counted(NamedTuple):
    """What was counted in B jobs; `RowWeights` and `tagger.vocabulary` make rows of it."""

    terms: Rows
    """Shape (B, N_HASHES): how often each term occurs in title and text, by its hash."""
    title_terms: Rows
    """Shape (B, N_HASHES): the same for ``title:term``."""
    measures: FloatArray
    """Shape (B, N_MEASURES), not yet scaled."""

    def take(self, chosen: npt.NDArray[Any]) -> "Counted":
        """Some of the jobs, by number or by a mask of shape (B,)."""
        return Counted(self.terms[chosen], self.title_terms[chosen], self.measures[chosen])

    @property
    def text(self) -> Rows:
        """Shape (B, N_TERMS): how often each bucket's terms occur in title and text."""
        return _in_buckets(self.terms)

    @property
    def title(self) -> Rows:
        """Shape (B, N_TERMS): the same for the buckets of ``title:term``."""
        return _in_buckets(self.title_terms)


def _in_buckets(terms: Rows) -> Rows:
    columns = buckets_of(terms.indices).astype(np.int32)
    starts = terms.indptr.astype(np.int32 if terms.nnz < 2**31 else np.int64)
    rows = sparse.csr_array((terms.data, columns, starts), shape=(terms.shape[0], N_TERMS))
    rows = rows.copy()
    rows.sum_duplicates()
    return rows


def count_all(jobs: Iterable[Job], *, show_progress: bool = False) -> Counted:
    """Count any number of jobs in batches; their texts are not kept."""
    from tqdm import tqdm  # one posting needs none

    parts = []
    with tqdm(desc="reading", unit="job", disable=None if show_progress else True) as bar:
        for batch in batches(jobs):
            parts.append(count(batch))
            bar.update(len(batch))
    return join_counted(parts or [count([])])


def join_counted(parts: Sequence[Counted]) -> Counted:
    """Counted jobs one after the other."""
    terms, title_terms = (
        sparse.csr_array(sparse.vstack(kind, format="csr"))
        for kind in ([part.terms for part in parts], [part.title_terms for part in parts])
    )
    return Counted(terms, title_terms, np.concatenate([part.measures for part in parts]))


def count(jobs: Sequence[Job]) -> Counted:
    """Everything that is counted in a few jobs at once."""
    batch = [JobText.of(job) for job in jobs]
    # Two parts a job, title and text; each is a sentence of its own for the parts of speech.
    parts = [tokens for job in batch for tokens in (job.title_tokens, job.text_tokens)]
    part = np.repeat(np.arange(len(parts)), [len(tokens) + 1 for tokens in parts])
    ended = chain.from_iterable((tokens, (LINE_BREAK,)) for tokens in parts)
    tokens = word_table().look_up(chain.from_iterable(ended))
    terms, title_terms = _count_terms(tokens, part, len(batch))
    measures = np.zeros((len(batch), N_MEASURES), np.float32)
    measures[:, : len(PENN_TAGS)] = _pos_shares(tokens, part // 2, len(batch))
    measures[:, len(PENN_TAGS) : len(MEASURES)] = _shapes_and_sizes(batch)
    return Counted(terms, title_terms, measures)


def _count_terms(tokens: Tokens, part: Ints, n_jobs: int) -> tuple[Rows, Rows]:
    """How often each term occurs, and those of the title once more."""
    heard = np.flatnonzero((tokens.kind == TERM) | (tokens.kind == SENTENCE_END))
    is_term = tokens.kind[heard] == TERM
    term = heard[is_term]  # (n_terms,), places of tokens
    same_part = part[heard[:-1]] == part[heard[1:]]
    pairs = np.flatnonzero(is_term[:-1] & is_term[1:] & same_part)  # of neighbours in `heard`
    first = np.cumsum(is_term)[pairs] - 1  # the first of each pair, as a place in `term`
    of_pair = part[term[first]]
    in_title, pair_in_title = part[term] % 2 == 0, of_pair % 2 == 0
    word = tokens.ids[term]
    left, right = word[first], word[first + 1]
    names = tokens.terms
    of_title = [names[i] for i in word[in_title].tolist()]
    of_title += [
        f"{names[a]} {names[b]}"
        for a, b in zip(left[pair_in_title].tolist(), right[pair_in_title].tolist(), strict=True)
    ]

    def rows(hashes: list[Any], parts: list[Ints]) -> Rows:
        columns = np.concatenate(hashes).astype(np.int64) & (N_HASHES - 1)
        ones = np.ones(len(columns), np.float32)
        places = (np.concatenate(parts) // 2, columns)
        return sparse.csr_array((ones, places), shape=(n_jobs, N_HASHES))

    return (
        rows(
            [tokens.hash[term], tokens.hash_state.of_pairs(left, right)],
            [part[term], of_pair],
        ),
        rows(
            [[term_hash(f"title:{found}") for found in of_title]],
            [part[term][in_title], of_pair[pair_in_title]],
        ),
    )


def _shapes_and_sizes(batch: Sequence[JobText]) -> npt.NDArray[np.float64]:
    """Shapes and sizes of texts, as `MEASURES` names them behind the parts of speech: (B, 12)."""
    raw = [job.cleaned.encode() for job in batch]
    n_bytes = np.array([len(part) for part in raw], np.int64)
    kinds = _KIND_OF_BYTE[np.frombuffer(b"".join(raw), np.uint8)]
    cell = np.repeat(np.arange(len(batch)) * len(_BYTE_KINDS), n_bytes) + kinds
    counts = np.bincount(cell, minlength=len(batch) * len(_BYTE_KINDS))
    shapes, breaks, stops = np.split(
        counts.reshape(-1, len(_BYTE_KINDS)), [len(_SHAPES), len(_SHAPES) + 1], axis=1
    )
    shapes[:, _SHAPES.index("space")] += breaks[:, 0]
    shapes[:, _SHAPES.index("punctuation")] += stops[:, 0]
    sizes = [
        _sizes(job, n_breaks, n_stops)
        for job, n_breaks, n_stops in zip(
            batch, breaks[:, 0].tolist(), stops[:, 0].tolist(), strict=True
        )
    ]
    return np.concatenate(
        [
            shapes / np.maximum(n_bytes, 1)[:, None],
            np.array(sizes, np.float64).reshape(len(batch), len(_SIZES)),
        ],
        axis=1,
    )


def _sizes(job: JobText, n_breaks: int, n_stops: int) -> list[float]:
    n_tokens = len(job.text_tokens)
    return [
        log1p(len(job.cleaned)),
        log1p(n_tokens),
        log1p(n_stops + n_breaks),
        log1p(len(job.title_tokens)),
        n_breaks / max(n_tokens, 1),
        len(set(job.text_tokens)) / max(n_tokens, 1),
    ]


def _pos_shares(tokens: Tokens, job: Ints, n_jobs: int) -> FloatArray:
    """Share of each Penn tag among a job's tokens, shape (n_jobs, len(PENN_TAGS))."""
    ends = np.isin(tokens.kind, (SENTENCE_END, NEW_LINE))
    said = tokens.kind != NEW_LINE
    sentence = np.cumsum(np.concatenate([[True], ends[:-1]]))[said]
    starts = np.flatnonzero(np.diff(sentence, prepend=0))
    tags = word_table().pos_tagger.tag_ids(tokens.table, tokens.ids[said], starts)
    found = counts(tags, job[said], n_jobs)
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1), np.float32)


def unit_rows(counted: Rows, idf: FloatArray) -> Rows:
    """(1 + ln count) * idf, each row of length 1 (0 where there is nothing), shape of `counted`."""
    rows = counted.copy()
    rows.data = (1 + np.log(rows.data)) * idf[rows.indices]
    n_found = np.diff(rows.indptr)
    squares = np.append(rows.data**2, 0)  # reduceat needs a place for an empty last row
    lengths = np.sqrt(np.add.reduceat(squares, rows.indptr[:-1])) if len(n_found) else n_found
    rows.data /= np.repeat(lengths, n_found)
    return rows


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
        text, title = unit_rows(counted.text, self.idf), unit_rows(counted.title, self.idf)
        terms_part = text + TITLE_WEIGHT * title
        limit = 3 * MEASURES_WEIGHT  # a 10 MB posting is no farther out than a long one
        measures = np.clip((counted.measures - self.mean) * self.scale, -limit, limit)
        rows = sparse.hstack([terms_part, sparse.csr_array(measures)], format="csr")
        return sparse.csr_array(rows, dtype=np.float32)

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


def small_indices(rows: Any) -> Rows:
    """The same rows with 32-bit indices, whatever a stack of rows came with: liblinear needs them.

    Parameters
    ----------
    rows
        A sparse matrix or array of any kind, fewer than 2**31 entries. It stays as it is; the
        result may share its data.

    Returns
    -------
    shape of `rows`
    """
    rows = sparse.csr_array(rows)
    indices, starts = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    return sparse.csr_array((rows.data, indices, starts), shape=rows.shape)


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
