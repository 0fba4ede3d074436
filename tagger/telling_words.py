"""Words that would tell most about each tag, for a person to judge.

To judge a word takes about a fifth of the time of a label, and it speaks of every posting that has
the word. Which words to ask about is found by comparing two groups of postings: the log-odds ratio
of a term over its standard error (`tagger.vocabulary.log_odds`). The two groups of a tag are

- the postings labelled yes and no, where there are `MIN_LABELLED` of each;
- else the few labels there are and, of the other postings, those that fit the tag's name and words
  best and those that fit it less than average (`tagger.names`).

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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.features import Rows, count_all
from tagger.jobs import Job
from tagger.labels import encode_labels, known_counts
from tagger.names import CAUTIOUS_SHARE, learn_names, terms_of_name
from tagger.tag_info import TagInfo
from tagger.text import clean, terms, tokenize
from tagger.vocabulary import MAX_VOCABULARY, MIN_JOBS, TermCounts, log_odds
from tagger.written import find_written

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]

MIN_LABELLED = 5
"""With fewer yes, or fewer no, the labels of a tag alone don't show which words tell."""
MIN_STRENGTH = 1.5
"""Standard errors: weaker words are not worth a person's time."""
NUMBER_STRENGTH = 4.0
"""The same for terms of numbers alone, which seldom mean the same in two postings."""
COMMON, ALIKE = 0.5, 2.0
"""A term in more than this share of all postings must be so many times as frequent in one of the
two groups as in the other."""
FOR_PER_AGAINST = 3
"""Words for a tag that are offered before another one against it: most words that are missing
where a tag applies are only about another subject."""
N_TRIED = 8
"""Postings in which it is looked up how a term is written."""
_N_RANKED = 500  # terms of a tag that are looked at one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingWord:
    """A word or pair of words that tells something of a tag, and where it was found."""

    tag: str
    word: str
    """As postings write it, in lower case."""
    is_for: bool
    """Whether it is more frequent where the tag applies."""
    by_name: bool
    """Whether "with the tag" means, for want of labels, "among the best fits of its name"."""
    n_with: int
    """Postings with the tag that have the word..."""
    n_tagged: int
    """... out of so many."""
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
    jobs: Sequence[Job],
    infos: Sequence[TagInfo],
    *,
    asked: Iterable[str] | None = None,
    judged: Mapping[str, Iterable[str]] | None = None,
    limit: int = 50,
) -> list[TellingWord]:
    """The words to ask about, at most `limit`.

    Tags take turns: each one's most telling word, then each one's second, and so on, those with
    the fewest postings labelled yes first: a word helps most where there are few examples.

    Left out are words of a tag's name, aliases and known words; what has been judged; words in
    more than half of all postings that are about as frequent with the tag as without; numbers,
    unless they tell a lot; and of a pair and a single word in it the one that tells less.

    Parameters
    ----------
    jobs
        A few thousand, labelled or not.
    infos
        What is known of the tags: of all that the labels name.
    asked
        Names of the tags to find words for. None: all.
    judged
        Tag -> words not to offer again, whatever was said of them.

    Examples
    --------
    >>> jobs = [Job("1", "", "Nights on the ward", ("nurse",)), Job("2", "", "Parcels", ())] * 5
    >>> words = telling_words(jobs, [TagInfo(name="nurse")])
    >>> [(word.word, word.is_for, word.n_with, word.n_others_with) for word in words]
    [('nights on the ward', True, 5, 0), ('parcels', False, 0, 5)]
    """
    wanted = {info.name for info in infos} if asked is None else set(asked)
    columns = [place for place, info in enumerate(infos) if info.name in wanted]
    if not jobs or not columns:
        return []
    Y, by_name = _groups(jobs, infos, columns)
    counted = _count(jobs)
    order = np.argsort(known_counts(_labels(jobs, infos, columns))[0], kind="stable")
    found: list[Iterator[TellingWord]] = []
    for t in order.tolist():
        info = infos[columns[t]]
        known = {term for said in _said(info) for term in terms_of_name(said)}
        unwanted = _judged_terms((judged or {}).get(info.name, ()))
        ranked = _rank(counted, Y[:, t], known, is_against_too=t not in by_name)
        offered = _without(ranked, unwanted)
        found.append(_choose(info.name, offered, known, jobs, by_name=t in by_name))
    return list(islice(_in_turn(found), limit))


def _in_turn(found: list[Iterator[TellingWord]]) -> Iterator[TellingWord]:
    """One of each, then another one of each; no more is looked for than is asked for."""
    while found:
        for words in tuple(found):
            word = next(words, None)
            if word is None:
                found.remove(words)
            else:
                yield word


def _without(ranked: Iterable["_Ranked"], terms: set[str]) -> Iterator["_Ranked"]:
    return (one for one in ranked if one.term not in terms)


def _said(info: TagInfo) -> tuple[str, ...]:
    return (info.name, *info.aliases, *info.words, *info.against)


def _judged_terms(words: Iterable[str]) -> set[str]:
    """The terms that were judged, but of a pair not its single words."""
    found = (terms_of_name(word) for word in words)
    return {of_word[-1] for of_word in found if len(of_word) in (1, 3)}  # else longer than a term


# ---- two groups of postings


def _labels(jobs: Sequence[Job], infos: Sequence[TagInfo], columns: list[int]) -> LabelArray:
    return encode_labels(jobs, [info.name for info in infos])[:, columns]


def _groups(
    jobs: Sequence[Job], infos: Sequence[TagInfo], columns: list[int]
) -> tuple[LabelArray, set[int]]:
    """With the tag 1, without 0, neither -1, shape (N, T); and the tags told by their name."""
    Y = _labels(jobs, infos, columns).copy()
    few = np.flatnonzero(np.minimum(*known_counts(Y)) < MIN_LABELLED).tolist()
    by_name = set()
    scores = _name_scores(jobs, infos)[:, columns] if few else np.zeros(Y.shape)
    for t in few:
        is_open = Y[:, t] < 0
        fits = _best_and_rest(scores[is_open, t], infos[columns[t]].share)
        if (fits == 1).any():
            Y[is_open, t] = fits
            by_name.add(t)
    return Y, by_name


def _name_scores(jobs: Sequence[Job], infos: Sequence[TagInfo]) -> FloatArray:
    """How well each posting fits what each tag is called, shape (N, number of `infos`)."""
    counted = count_all(jobs)
    return learn_names(infos, TermCounts.of(counted), counted).scores(counted)


def _best_and_rest(scores: FloatArray, share: float | None) -> LabelArray:
    """1 for the best postings, 0 for those that are not above average, else -1.

    The best are as many as the tag is expected on, or else `CAUTIOUS_SHARE`; but `MIN_LABELLED` or
    more, if so many are above average.
    """
    groups = np.full(len(scores), -1, np.int8)
    if len(scores):
        average = scores.mean() + 1e-6
        n_best = max(MIN_LABELLED, round(min(share or CAUTIOUS_SHARE, 0.5) * len(scores)))
        best = np.argsort(-scores, kind="stable")[:n_best]
        groups[best[scores[best] > average]] = 1
        groups[scores <= average] = 0
    return groups


# ---- which terms tell the groups apart


class _Counted(NamedTuple):
    """Which posting has which term."""

    there: Rows
    """Shape (N, V), 1 where a posting has a term."""
    terms: list[str]
    """V terms, those that `MIN_JOBS` postings have and no more than `MAX_VOCABULARY`."""


class _Ranked(NamedTuple):
    """A term that tells a tag, before it is known how it is written."""

    term: str
    is_for: bool
    strength: float
    """Log-odds ratio over its standard error."""
    counts: tuple[int, int, int, int]
    """Postings with the tag that have the term, with the tag; without that have it, without."""
    examples: list[int]
    """Some postings that have it, on the side that it speaks for."""


def _count(jobs: Sequence[Job]) -> _Counted:
    column: dict[str, int] = {}
    of_jobs = []
    for job in jobs:
        texts = (clean(job.title), clean(job.text))
        found = {term for text in texts for term, _ in terms(tokenize(text))}
        of_jobs.append([column.setdefault(term, len(column)) for term in sorted(found)])
    starts = np.cumsum([0, *map(len, of_jobs)])
    cells = np.fromiter(chain.from_iterable(of_jobs), np.int64, int(starts[-1]))
    shape = (len(jobs), len(column))
    everything = sparse.csr_array((np.ones(len(cells), np.float32), cells, starts), shape=shape)
    n_with = np.bincount(cells, minlength=len(column))
    chosen = np.argsort(-n_with, kind="stable")[:MAX_VOCABULARY]
    chosen = chosen[n_with[chosen] >= MIN_JOBS]
    names = list(column)
    return _Counted(sparse.csr_array(everything[:, chosen]), [names[c] for c in chosen.tolist()])


def _rank(
    counted: _Counted, y: LabelArray, known: set[str], *, is_against_too: bool
) -> Iterator[_Ranked]:
    """The most telling terms of one tag, the strongest first."""
    there = counted.there
    strength = log_odds(there, y[:, None])[1][:, 0]
    yes, no = y == 1, y == 0
    n_yes, n_no = int(yes.sum()), int(no.sum())
    with_yes, with_no = (np.rint(there.T @ side.astype(np.float32)) for side in (yes, no))
    p, q = with_yes / max(n_yes, 1), with_no / max(n_no, 1)
    is_for = p > q
    is_common = there.sum(axis=0) > COMMON * there.shape[0]
    able = (strength >= MIN_STRENGTH) & (np.where(is_for, with_yes, with_no) >= MIN_JOBS)
    able &= ~is_common | (np.maximum(p, q) >= ALIKE * np.minimum(p, q))
    able &= is_for | is_against_too
    places = np.flatnonzero(able)
    # Of equals known terms first, so that pairs with them are left out; then pairs, which ask more
    # clearly than one of their words.
    some = [counted.terms[v] for v in places.tolist()]
    rank = np.array([0 if term in known else 2 - term.count(" ") for term in some], np.int64)
    best = places[np.lexsort((rank, -strength[places]))][:_N_RANKED]
    by_term = there[:, best].tocsc()
    for place, v in enumerate(best.tolist()):
        with_term = by_term.indices[by_term.indptr[place] : by_term.indptr[place + 1]]
        side = yes if is_for[v] else no
        yield _Ranked(
            counted.terms[v],
            bool(is_for[v]),
            float(strength[v]),
            (int(with_yes[v]), n_yes, int(with_no[v]), n_no),
            with_term[side[with_term]][:N_TRIED].tolist(),
        )


def _choose(
    tag: str, ranked: Iterable[_Ranked], known: set[str], jobs: Sequence[Job], *, by_name: bool
) -> Iterator[TellingWord]:
    """Words of one tag, the most telling first."""
    n_for = n_against = 0
    before: list[tuple[bool, set[str]]] = []
    for one in ranked:
        parts = set(one.term.split(" "))
        is_said = any(
            side == one.is_for and (parts <= others or others <= parts) for side, others in before
        )
        if one.term in known:
            before.append((one.is_for, parts))
        is_early = not one.is_for and n_against > n_for // FOR_PER_AGAINST
        is_dull = all(map(_is_number, parts)) and one.strength < NUMBER_STRENGTH
        if is_said or is_early or is_dull or one.term in known:
            continue
        written = find_written(one.term, [jobs[n] for n in one.examples])
        if written is None:
            continue
        before.append((one.is_for, parts))
        n_for, n_against = n_for + one.is_for, n_against + (not one.is_for)
        n_with, n_tagged, n_others_with, n_others = one.counts
        yield TellingWord(
            tag=tag,
            is_for=one.is_for,
            by_name=by_name,
            n_with=n_with,
            n_tagged=n_tagged,
            n_others_with=n_others_with,
            n_others=n_others,
            **written._asdict(),
        )


def _is_number(stem: str) -> bool:
    return stem[:1].isdecimal() or stem.startswith(("money:", "number:"))
