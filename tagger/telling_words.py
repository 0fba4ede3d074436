"""Words that would tell most about each tag, for a person to judge.

To judge a word takes about a fifth of the time of a label, and it speaks of every posting that has
the word. Which words to ask about is found as telling words of two groups of texts are: by the
log-odds ratio over its standard error (`tagger.vocabulary.log_odds`). The two groups of a tag are

- the postings labelled yes and no, where there are `MIN_LABELLED` of each;
- else what labels there are and, among the other postings, those that fit the tag best and those
  that fit it less than average: by a model's probability, or else by what the tag is called.

Letters for axes: N postings, V terms, T tags.

References
----------
Raghavan, Madani and Jones, Active Learning with Feedback on Features and Instances, 2006.
Druck, Mann and McCallum, Learning from Labeled Features using Generalized Expectation Criteria,
2008.
Settles, Closing the Loop: Fast, Interactive Semi-Supervised Annotation with Queries on Features
and Instances, 2011 (DUALIST).
Monroe, Colaresi and Quinn, Fightin' Words, 2008.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.features import N_HASHES, Counted, Rows, batches, count
from tagger.jobs import Job
from tagger.labels import encode_labels, known_counts
from tagger.names import MOST_GIVEN, learn_names, terms_of_name
from tagger.tag_info import TagInfo
from tagger.text import clean, terms, tokenize
from tagger.vocabulary import MAX_TERMS, MIN_JOBS, DocumentCounts, TermCounts, log_odds, look_up
from tagger.words import term_hash

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]
Likely = Callable[[Sequence[Job]], FloatArray]
"""Some postings -> probability of each tag, shape (N, T); nan where nothing is known."""

MIN_LABELLED = 5
"""With fewer yes, or fewer no, the labels of a tag alone don't show which words tell."""
MIN_STRENGTH = 1.5
"""Standard errors: weaker words are not worth a person's time."""
NUMBER_STRENGTH = 4.0
"""The same for terms that are nothing but numbers, which seldom mean the same twice."""
COMMON, ALIKE = 0.5, 2.0
"""A term in more than this share of all postings must be so many times as frequent in one of the
two groups as in the other."""
SHARE_AGAINST = 0.25
"""At most this share of a tag's words speaks against it: mostly these are only another subject."""
N_TRIED = 8
"""Postings that are read again for how a term is written, of each tag."""
N_AROUND = 60
"""Characters of a posting shown on either side of a word."""
_TAGS_AT_ONCE = 8  # bounds the arrays (V, T)


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingWord:
    """A word or pair of words that tells something of a tag, and what it was found by."""

    tag: str
    word: str
    """As postings write it, in lower case."""
    is_for: bool
    """Whether it is more frequent where the tag applies."""
    strength: float
    """Log-odds ratio over its standard error, at least `MIN_STRENGTH`."""
    basis: str
    """What tells the two groups apart: "labels", "model" or "names"."""
    n_with: int
    """Postings with the tag that have the word..."""
    n_tagged: int
    """... out of so many; without labels those that fit the tag best."""
    n_others_with: int
    """Postings without the tag that have the word..."""
    n_others: int
    """... out of so many."""
    before: str
    """What stands before the word in one posting."""
    found: str
    """The word there."""
    after: str
    """What stands behind it."""


def telling_words(
    jobs: Iterable[Job],
    infos: Sequence[TagInfo],
    *,
    asked: Iterable[str] | None = None,
    judged: Mapping[str, Iterable[str]] | None = None,
    likely: Likely | None = None,
    limit: int = 50,
) -> list[TellingWord]:
    """The words to ask about, at most `limit`.

    Tags take turns: each one's most telling word, then each one's second, and so on. The tags with
    the fewest postings labelled yes come first in each turn, in their order where these are equal:
    a word helps most where there are few examples, and whoever stops early has helped those.

    Left out are words of a tag's name, aliases and known words; what has been judged; words in more
    than half of all postings that are about as frequent with the tag as without; numbers, unless
    they tell a lot; and of a pair and a single word in it the one that tells less.

    Parameters
    ----------
    jobs
        Gone through twice, so that their texts need not be kept: a list, or an object that reads
        them again. About 10 kB of memory each.
    infos
        What is known of the tags: of all that the labels name.
    asked
        Names of the tags to find words for. None: all.
    judged
        Tag -> words not to offer again, whatever was said of them.
    likely
        What a model says of postings, in the columns of `infos`.

    Examples
    --------
    >>> jobs = [Job(str(n), "", "Nights on the ward" if n < 5 else "Parcels") for n in range(10)]
    >>> jobs = [replace(job, tags=("nurse",) if int(job.id) < 5 else ()) for job in jobs]
    >>> [(word.word, word.n_with, word.is_for) for word in telling_words(jobs, plain_tags(["nurse"]))]
    [('nights on the ward', 5, True)]
    """
    names = [info.name for info in infos]
    wanted = set(names if asked is None else asked)
    columns = [place for place, name in enumerate(names) if name in wanted]
    read = _read(jobs, names, columns, likely)
    if not read.ids or not columns or limit < 1:
        return []
    groups = _groups(read, infos, columns)
    n_yes, _ = known_counts(read.Y)
    turns = np.argsort(n_yes, kind="stable").tolist()
    per_tag = -(-limit // len(columns))
    ranked = _rank(read.counted.terms, groups, [infos[c] for c in columns], judged or {}, per_tag)
    written = _write(jobs, read.ids, ranked)
    chosen = [list(_choose(ranked[t], written, per_tag)) for t in turns]
    in_turn = chain.from_iterable(zip_longest(*chosen))
    return [word for word in in_turn if word is not None][:limit]


# ---- what is read


class _Read(NamedTuple):
    """What the first reading leaves of N postings."""

    ids: list[str]
    counted: Counted
    Y: LabelArray
    """Shape (N, T)."""
    proba: FloatArray
    """Shape (N, T), nan where no model says anything."""


def _read(
    jobs: Iterable[Job], names: Sequence[str], columns: Sequence[int], likely: Likely | None
) -> _Read:
    ids: list[str] = []
    counted = [count([])]
    labels = [np.zeros((0, len(columns)), np.int8)]
    probas: list[FloatArray] = [np.zeros((0, len(columns)))]
    for batch in batches(jobs):
        ids += [job.id for job in batch]
        counted.append(count(batch))
        labels.append(encode_labels(batch, names)[:, columns])
        none = np.full((len(batch), len(columns)), np.nan)
        probas.append(likely(batch)[:, columns] if likely else none)
    together = Counted(
        _stacked([part.terms for part in counted]),
        _stacked([part.title_terms for part in counted]),
        np.concatenate([part.measures for part in counted]),
    )
    return _Read(ids, together, np.concatenate(labels), np.concatenate(probas))


def _stacked(parts: Sequence[Rows]) -> Rows:
    return sparse.csr_array(sparse.vstack(parts, format="csr"))


# ---- two groups of postings


class _Groups(NamedTuple):
    Y: LabelArray
    """Shape (N, T): 1 with the tag, 0 without, -1 neither."""
    basis: list[str]
    """What tells the two apart, one per tag."""


def _groups(read: _Read, infos: Sequence[TagInfo], columns: Sequence[int]) -> _Groups:
    Y, basis = read.Y.copy(), ["labels"] * len(columns)
    n_yes, n_no = known_counts(Y)
    few = np.flatnonzero(np.minimum(n_yes, n_no) < MIN_LABELLED).tolist()
    by_name = _name_scores(read.counted, infos, [columns[t] for t in few])
    for place, t in enumerate(few):
        scores, told_by = read.proba[:, t], "model"
        if not np.isfinite(scores).any():
            scores, told_by = by_name[:, place], "names"
        soft = _soft_labels(np.where(Y[:, t] >= 0, np.nan, scores), infos[columns[t]].share)
        if (soft == 1).any():
            Y[:, t], basis[t] = np.where(Y[:, t] >= 0, Y[:, t], soft), told_by
    return _Groups(Y, basis)


def _name_scores(counted: Counted, infos: Sequence[TagInfo], columns: list[int]) -> FloatArray:
    """How well each posting fits what some tags are called, shape (N, len(columns))."""
    if not columns:
        return np.zeros((len(counted.measures), 0))
    evidence = learn_names(infos, TermCounts.of(counted), counted)
    rows = np.arange(len(counted.measures))
    parts = [rows[first : first + 512] for first in range(0, len(rows), 512)]
    return np.concatenate([evidence.scores(counted.take(part))[:, columns] for part in parts])


def _soft_labels(scores: FloatArray, share: float | None) -> LabelArray:
    """1 for the best postings, 0 for those that are not above average, else -1. Shape (N,).

    The best are as many as the tag is expected on, or else `MOST_GIVEN`; but `MIN_LABELLED` or
    more, if so many are above average. nan is -1.
    """
    labels = np.full(len(scores), -1, np.int8)
    known = np.flatnonzero(np.isfinite(scores))
    if not len(known):
        return labels
    average = scores[known].mean() + 1e-9
    best = known[np.argsort(-scores[known], kind="stable")]
    n_best = max(MIN_LABELLED, round(min(share or MOST_GIVEN, 0.5) * len(known)))
    labels[[place for place in best[:n_best] if scores[place] > average]] = 1
    labels[known[scores[known] <= average]] = 0
    return labels


# ---- which terms tell the groups apart


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A term that tells a tag, before it is known how it is written."""

    hash: int
    is_known: bool
    """Part of what the tag is called or of its words: not offered, nor what holds it."""
    strength: float
    is_for: bool
    counts: tuple[int, int, int, int]
    """With the tag and the term, with the tag, without the tag but with the term, without it."""
    examples: tuple[int, ...]
    """Some postings that have it, on the side that it speaks for."""


@dataclass(frozen=True, slots=True)
class _OfTag:
    tag: str
    basis: str
    ranked: list[_Ranked]


def _rank(
    counted: Rows,
    groups: _Groups,
    infos: Sequence[TagInfo],
    judged: Mapping[str, Iterable[str]],
    n_words: int,
) -> list[_OfTag]:
    """The most telling terms of each tag, some more than `n_words`, as some will be left out."""
    frequent = DocumentCounts.of(counted)
    order = np.argsort(-frequent.n_with, kind="stable")[:MAX_TERMS]
    hashes = np.sort(frequent.hashes[order][frequent.n_with[order] >= MIN_JOBS])
    there = look_up(counted, hashes)
    there.data = np.ones_like(there.data)
    by_term = there.tocsc()
    is_common = np.diff(by_term.indptr) > COMMON * there.shape[0]
    found = []
    for first in range(0, len(infos), _TAGS_AT_ONCE):
        some = slice(first, first + _TAGS_AT_ONCE)
        Y = groups.Y[:, some]
        strengths = log_odds(there, Y)[1]
        n_yes, n_no = ((Y == side).sum(axis=0) for side in (1, 0))
        with_yes, with_no = (
            np.asarray(there.T @ (Y == side).astype(np.float32)).astype(np.int64) for side in (1, 0)
        )
        for t, info in enumerate(infos[some]):
            a, b = with_yes[:, t], with_no[:, t]
            p, q = a / max(n_yes[t], 1), b / max(n_no[t], 1)
            is_for = p > q
            basis = groups.basis[first + t]
            # Without labels, what speaks against a tag is only what most postings are about.
            able = is_for | (basis == "labels")
            able &= np.where(is_for, a, b) >= MIN_JOBS
            able &= strengths[:, t] >= MIN_STRENGTH
            able &= ~is_common | (np.maximum(p, q) >= ALIKE * np.minimum(p, q))
            unwanted = _hashes(_judged_terms(judged.get(info.name, ())))
            able &= ~np.isin(hashes, list(unwanted))
            known = _hashes(_known_terms(info))
            places = np.flatnonzero(able)
            # The rarer of two equals first: it says more of the few postings that have it.
            best = places[np.lexsort((a[places] + b[places], -strengths[places, t]))]
            best = best[: 4 * n_words + len(known) + 16]
            ranked = [
                _Ranked(
                    hash=int(hashes[v]),
                    is_known=int(hashes[v]) in known,
                    strength=float(strengths[v, t]),
                    is_for=bool(is_for[v]),
                    counts=(int(a[v]), int(n_yes[t]), int(b[v]), int(n_no[t])),
                    examples=_examples(by_term, v, Y[:, t] == int(is_for[v])),
                )
                for v in best.tolist()
            ]
            found.append(_OfTag(info.name, basis, ranked))
    return found


def _examples(by_term: sparse.csc_array, term: int, side: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    with_term = by_term.indices[by_term.indptr[term] : by_term.indptr[term + 1]]
    return tuple(with_term[side[with_term]][:N_TRIED].tolist())


def _hashes(found: Iterable[str]) -> set[int]:
    return {_column(term) for term in found}


def _column(term: str) -> int:
    return term_hash(term) & (N_HASHES - 1)


def _known_terms(info: TagInfo) -> set[str]:
    said = (info.name, *info.aliases, *info.words, *info.against)
    return {term for phrase in said for term in terms_of_name(phrase)}


def _judged_terms(words: Iterable[str]) -> Iterator[str]:
    """What was judged, but not the single words of a pair."""
    for word in words:
        *parts, last = terms_of_name(word) or ("",)
        if len(parts) in (0, 2):  # more: longer than any term
            yield last


# ---- how a term is written


@dataclass(slots=True)
class _Written:
    """What the second reading found of one term."""

    term: str = ""
    forms: Counter[str] = field(default_factory=Counter)
    snippets: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """Posting -> what stands before, the words, what stands behind."""


def _write(
    jobs: Iterable[Job], ids: Sequence[str], of_tags: Sequence[_OfTag]
) -> dict[int, _Written]:
    """Hash -> how its term is written."""
    written: dict[int, _Written] = {}
    wanted: dict[int, set[int]] = {}
    for one in chain.from_iterable(of_tag.ranked for of_tag in of_tags):
        written.setdefault(one.hash, _Written())
        for place in one.examples:
            wanted.setdefault(place, set()).add(one.hash)
    place_of = {id: place for place, id in enumerate(ids)}
    for job in jobs:
        place = place_of.get(job.id, -1)
        for text in (clean(job.title), clean(job.text)) if place in wanted else ():
            # Each term once: the set also bounds the work on a text that repeats itself.
            for term, words in set(terms(tokenize(text))):
                column = _column(term)
                if column in wanted[place]:
                    _add_form(written[column], place, term, words, text)
    return written


def _add_form(written: _Written, place: int, term: str, words: str, text: str) -> None:
    written.term = term
    between = r"(?!\w)[^.!?]{0,40}?(?<!\w)"
    pattern = rf"(?<!\w){between.join(map(re.escape, words.split()))}(?!\w)"
    found = re.search(pattern, text, re.IGNORECASE)
    if not found:
        return
    whole = [token.lower() for token in tokenize(found[0]) if token[0].isalnum()]
    form = " ".join(whole)
    written.forms[form if term in terms_of_name(form) else words] += 1
    start, end = found.span()
    cut = max(start - N_AROUND, 0), min(end + N_AROUND, len(text))
    before = text[cut[0] : start] if cut[0] == 0 else text[cut[0] : start].partition(" ")[2]
    after = text[end : cut[1]] if cut[1] == len(text) else text[end : cut[1]].rpartition(" ")[0]
    written.snippets.setdefault(
        place,
        (
            ("" if cut[0] == 0 else "\N{HORIZONTAL ELLIPSIS} ") + before,
            found[0],
            after + ("" if cut[1] == len(text) else " \N{HORIZONTAL ELLIPSIS}"),
        ),
    )


def _choose(
    of_tag: _OfTag, written: Mapping[int, _Written], n_words: int
) -> Iterator[TellingWord]:
    """Words of one tag, the most telling first."""
    n_for = n_against = 0
    before: list[tuple[bool, set[str]]] = []
    for one in of_tag.ranked:
        known = written[one.hash]
        if not known.forms:
            continue
        parts, word = set(known.term.split(" ")), known.forms.most_common(1)[0][0]
        said = any(
            is_for == one.is_for and (parts <= others or others <= parts)
            for is_for, others in before
        )
        before.append((one.is_for, parts))
        if said or one.is_known or known.term not in terms_of_name(word):
            continue
        if all(map(_is_number, parts)) and one.strength < NUMBER_STRENGTH:
            continue
        if one.is_for:
            n_for += 1
        elif n_against >= max(1, SHARE_AGAINST * n_words):
            continue
        else:
            n_against += 1
        snippet = next(
            (known.snippets[place] for place in one.examples if place in known.snippets), None
        )
        n_with, n_tagged, n_others_with, n_others = one.counts
        start, found, end = snippet or ("", word, "")
        yield TellingWord(
            tag=of_tag.tag,
            word=word,
            is_for=one.is_for,
            strength=round(one.strength, 2),
            basis=of_tag.basis,
            n_with=n_with,
            n_tagged=n_tagged,
            n_others_with=n_others_with,
            n_others=n_others,
            before=start,
            found=found,
            after=end,
        )
        if n_for + n_against == n_words:
            return


def _is_number(stem: str) -> bool:
    return stem[:1].isdecimal() or stem.startswith(("money:", "number:"))
