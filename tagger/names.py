"""How well a posting fits what a tag is called: evidence that needs no label.

Letters for axes: B jobs, K terms of names, T tags.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.features import N_HASHES, Counted, Rows
from tagger.hashing import term_hash
from tagger.tag_info import TagInfo, name_key
from tagger.text import clean, term_of, terms, tokenize
from tagger.vocabulary import Ints, TermCounts, look_up

FloatArray = npt.NDArray[np.float32]

SATURATION, LENGTH_SHARE = 1.2, 0.75
"""k1 and b of BM25: how soon a term said again adds nothing, how far long texts are held back."""
IN_TITLE = 2.0
"""What a term of the name adds when it stands in the title."""
OF_DESCRIPTION = 0.2
"""Weight of a term that only the tag's description has, beside 1 for its names and words."""
CAUTIOUS_SHARE = 0.1
"""Without labels and without an expected share, a tag is given to at most this share of jobs."""

_SIGNS = re.compile(r"[-_/:&()\[\]|,;]+")
_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_DIGITS = re.compile(r"(?<=[^\W\d_])(?=\d)")
_NUMBER = re.compile(r"\d|money:|number:")  # how terms of numbers begin
IsKnown = Callable[[str], bool]


def _nothing(term: str) -> bool:
    """Nothing is known of any term."""
    return False


def split_name(name: str, is_known: IsKnown = _nothing) -> str:
    """A tag's name as words: split at signs, at a change of case, before digits.

    A word that postings write as one ("JavaScript") stays one: its parts would speak of
    something else.

    Parameters
    ----------
    is_known
        Whether the training postings have a term.

    Examples
    --------
    >>> split_name("part-time_job"), split_name("DataEngineer/ETL"), split_name("level3")
    ('part time job', 'Data Engineer ETL', 'level 3')
    >>> split_name("JavaScript/DataEngineer", is_known=lambda term: term == "javascript")
    'JavaScript Data Engineer'
    """
    words = []
    for word in _SIGNS.sub(" ", name).split():
        tokens = tokenize(word) if _CASE.search(word) else []
        whole = len(tokens) == 1 and is_known(term_of(tokens[0]))
        words.append(_DIGITS.sub(" ", word if whole else _CASE.sub(" ", word)))
    return " ".join(words)


def terms_of_name(name: str, is_known: IsKnown = _nothing) -> tuple[str, ...]:
    """Terms of a name as the text stack makes them of a posting, pairs included, each once.

    Examples
    --------
    >>> terms_of_name("Customer Service/Support")
    ('custom', 'servic', 'custom servic', 'support', 'servic support')
    """
    words = split_name(clean(name), is_known)  # cleaned first: splitting would break markup
    return tuple(dict.fromkeys(term for term, _ in terms(tokenize(words))))


def telling_terms(name: str, is_known: IsKnown = _nothing) -> tuple[str, ...]:
    """Terms of a name that speak for it by themselves.

    Not a number, nor a letter in a name with a number: half of all postings say "1" somewhere.
    They count in pairs, or where the name has nothing else.

    Examples
    --------
    >>> telling_terms("T1"), telling_terms("level 3"), telling_terms("R developer")
    (('t 1',), ('level', 'level 3'), ('r', 'develop', 'r develop'))
    """
    found = terms_of_name(name, is_known)
    numbers = {term for term in found if " " not in term and _NUMBER.match(term)}
    letters = {term for term in found if len(term) == 1} if numbers else set()
    return tuple(term for term in found if term not in numbers | letters) or found


def without_shared_prefix(infos: Sequence[TagInfo]) -> list[tuple[str, ...]]:
    """Names and aliases of each tag, without a prefix up to a colon that those of another tag have.

    What several tags are called tells them not apart. Capitals in a prefix don't matter.

    Examples
    --------
    >>> names = [("tech:go", ("Tech:golang",)), ("tech:rust", ()), ("region:emea", ())]
    >>> without_shared_prefix([TagInfo(name=name, aliases=others) for name, others in names])
    [('go', 'golang'), ('rust',), ('region:emea',)]
    """
    called = [(info.name, *info.aliases) for info in infos]
    n_tags = Counter(prefix for names in called for prefix in {_prefix(name) for name in names})
    return [
        tuple(
            name.partition(":")[2] if _prefix(name) and n_tags[_prefix(name)] > 1 else name
            for name in names
        )
        for names in called
    ]


def _prefix(name: str) -> str:
    """What stands before a colon, if something stands behind it."""
    before, _, rest = name.partition(":")
    return name_key(before) if rest.strip() else ""


class _Evidence(NamedTuple):
    """What speaks for and against each tag: (term, tag, weight)."""

    terms: list[str]
    tags: list[int]
    weights: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class NameEvidence:
    """BM25 of each tag's names and words in a posting, standardised per tag.

    References
    ----------
    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
    """

    hashes: Ints
    """Shape (K,), sorted: terms in title and text."""
    title_hashes: Ints
    """Shape (K,), sorted: the same in the title."""
    title_place: Ints
    """Shape (K,): which of `hashes` each of `title_hashes` is."""
    tag: Ints
    """Shape (E,): tags of the E weights, grouped by term."""
    start: Ints
    """Shape (K + 1,): where the weights of each term begin."""
    weight: FloatArray
    """Shape (E,): idf, less for a description, below 0 for a word against the tag."""
    mean: FloatArray
    """Shape (T,)."""
    scale: FloatArray
    """Shape (T,): 1 / standard deviation; 0 for a tag of whose names no posting says anything."""
    usual_length: npt.NDArray[np.float64]
    """Shape (): mean number of terms of a posting."""

    def scores(self, counted: Counted) -> FloatArray:
        """Standardised evidence, shape (B, T); 0 throughout for a name without meaning here."""
        raw = self._raw(counted)
        return np.asarray((raw - self.mean) * self.scale, np.float32)

    def _raw(self, counted: Counted) -> FloatArray:
        weights = sparse.csr_array(
            (self.weight, self.tag, self.start), shape=(len(self.hashes), len(self.mean))
        )
        return np.asarray((self._terms(counted) @ weights).toarray(), np.float32)

    def _terms(self, counted: Counted) -> Rows:
        """How much a job says of each term of the names, shape (B, K)."""
        found = look_up(counted.terms, self.hashes)
        length = np.asarray(counted.terms.sum(axis=1)).ravel() / max(float(self.usual_length), 1e-9)
        held_back = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * length)
        job = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
        found.data = found.data * (SATURATION + 1) / (found.data + held_back[job])
        in_title = look_up(counted.title_terms, self.title_hashes)
        in_title = sparse.csr_array(
            (
                np.full(in_title.nnz, IN_TITLE, np.float32),
                self.title_place[in_title.indices],
                in_title.indptr,
            ),
            shape=found.shape,
        )
        return sparse.csr_array(found + in_title, dtype=np.float32)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def learn_names(infos: Sequence[TagInfo], everyone: TermCounts, own: Counted) -> NameEvidence:
    """Weigh the terms of the tags' names by how rare they are, and learn the scale of the scores.

    Parameters
    ----------
    infos
        One per tag, in column order.
    everyone
        All training jobs: how rare a term is. A term that none of them has is left out.
    own
        The team's jobs, labelled or not: mean and deviation of the scores.
    """
    counts = everyone.text
    evidence = _evidence(infos, _known_among(counts.hashes))
    hashes = np.array([_column(term) for term in evidence.terms], np.int64)
    known = np.isin(hashes, counts.hashes)
    words = {_column(term): term for term in evidence.terms}
    rare = np.unique(hashes[known])
    title = np.array([_column(f"title:{words[term]}") for term in rare.tolist()], np.int64)
    order = np.argsort(title, kind="stable")
    place = np.searchsorted(rare, hashes[known])
    idf = counts.idf(rare)[place] - 1 if len(rare) else np.empty(0, np.float32)
    weights = sparse.csr_array(
        (
            np.array(evidence.weights, np.float32)[known] * idf,
            (place, np.array(evidence.tags, np.int64)[known]),
        ),
        shape=(len(rare), len(infos)),
    )
    weights.sum_duplicates()
    n_terms = np.asarray(own.terms.sum(axis=1)).ravel()
    found = NameEvidence(
        hashes=rare,
        title_hashes=title[order],
        title_place=order.astype(np.int64),
        tag=weights.indices.astype(np.int64),
        start=weights.indptr.astype(np.int64),
        weight=weights.data.astype(np.float32),
        mean=np.zeros(len(infos), np.float32),
        scale=np.ones(len(infos), np.float32),
        usual_length=np.array(n_terms.mean() if len(n_terms) else 1.0),
    )
    mean, deviation = _moments(found, own)
    scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0)
    arrays = found.to_arrays() | {
        "mean": mean.astype(np.float32),
        "scale": scale.astype(np.float32),
    }
    return NameEvidence(**arrays)


def _moments(found: NameEvidence, own: Counted) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Mean and standard deviation of the scores over jobs, (T,) each, a few hundred at a time."""
    n_jobs = max(len(own.measures), 1)
    total, squares = np.zeros(len(found.mean)), np.zeros(len(found.mean))
    for first in range(0, len(own.measures), 512):
        raw = found._raw(own.take(np.arange(first, min(first + 512, len(own.measures)))))
        total += raw.sum(axis=0, dtype=np.float64)
        squares += (raw.astype(np.float64) ** 2).sum(axis=0)
    mean = total / n_jobs
    return mean, np.sqrt(np.maximum(squares / n_jobs - mean**2, 0))


def cautious_share(infos: Sequence[TagInfo], own: Counted) -> npt.NDArray[np.float64]:
    """Share of jobs with all words of a tag's name, of an alias or of a word; at most
    `CAUTIOUS_SHARE`.

    What a tag without any label and without an expected share is given to. Shape (T,). The words
    may stand apart: few postings say a name such as "part-time job" as it is written.
    """
    is_known = _known_among(np.unique(own.terms.indices))
    phrases = [
        [_hashes(phrase, is_known) for phrase in (*names, *info.words)]
        for names, info in zip(without_shared_prefix(infos), infos, strict=True)
    ]
    all_terms = np.unique([term for of_tag in phrases for phrase in of_tag for term in phrase])
    there = look_up(own.terms, all_terms.astype(np.int64)).tocsc()
    n_jobs = own.terms.shape[0]
    shares = np.zeros(len(infos))
    for tag, of_tag in enumerate(phrases):
        says = np.zeros(n_jobs, bool)
        for phrase in filter(None, of_tag):
            columns = np.searchsorted(all_terms, phrase)
            with_term = [there.indices[there.indptr[c] : there.indptr[c + 1]] for c in columns]
            n_said = np.bincount(np.concatenate(with_term), minlength=n_jobs)
            says |= n_said == len(columns)
        shares[tag] = says.mean() if n_jobs else 0
    return np.minimum(shares, CAUTIOUS_SHARE)


def _known_among(hashes: npt.NDArray[Any]) -> IsKnown:
    """Whether a term is among some, by their hashes, sorted."""

    def is_known(term: str) -> bool:
        place = int(np.searchsorted(hashes, _column(term)))
        return place < len(hashes) and int(hashes[place]) == _column(term)

    return is_known


def _hashes(phrase: str, is_known: IsKnown) -> list[int]:
    """Hashes of the single terms of a phrase that speak for it; of its pairs if it has none."""
    telling = telling_terms(phrase, is_known)
    single = [term for term in telling if " " not in term]
    return [_column(term) for term in single or telling]


def _evidence(infos: Sequence[TagInfo], is_known: IsKnown) -> _Evidence:
    found = _Evidence([], [], [])

    def telling(phrases: Iterable[str]) -> list[str]:
        return [term for phrase in phrases for term in telling_terms(phrase, is_known)]

    for tag, (names, info) in enumerate(zip(without_shared_prefix(infos), infos, strict=True)):
        weights: dict[str, float] = {}
        for term in telling([info.description]):
            weights[term] = OF_DESCRIPTION
        for term in telling(info.against):
            weights[term] = -1.0
        for term in telling([*names, *info.words]):
            weights[term] = 1.0
        found.terms.extend(weights)
        found.tags.extend([tag] * len(weights))
        found.weights.extend(weights.values())
    return found


def _column(term: str) -> int:
    return term_hash(term) & (N_HASHES - 1)
