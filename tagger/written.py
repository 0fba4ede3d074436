"""How postings write a term: its stems say too little to a person."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from tagger.jobs import Job
from tagger.names import terms_of_name
from tagger.text import clean, terms, tokenize

N_AROUND = 60
"""Characters of a posting shown on either side of a word."""
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


class Written(NamedTuple):
    """A term as a person reads it."""

    word: str
    """In lower case, small words between its words: "work from home"."""
    before: str
    """What stands before the word in one posting."""
    found: str
    """The word there."""
    after: str
    """What stands behind it."""


def find_written(term: str, jobs: Iterable[Job]) -> Written | None:
    """How most of some postings write a term, with a snippet of one; None if none has it.

    Examples
    --------
    >>> find_written("work home", [Job("1", "Cook", "You can work from home.")])
    Written(word='work from home', before='You can ', found='work from home', after='.')
    """
    forms: Counter[str] = Counter()
    first: dict[str, tuple[str, str, str]] = {}
    for job in jobs:
        for text in (clean(job.text), clean(job.title)):
            words = next((words for found, words in terms(tokenize(text)) if found == term), "")
            match = words and _as_written(words).search(text)
            if not match:
                continue
            whole = (token.lower() for token in tokenize(match[0]) if token[0].isalnum())
            form = " ".join(whole)
            form = form if terms_of_name(form)[-1:] == (term,) else words
            forms[form] += 1
            first.setdefault(form, _snippet(text, *match.span()))
    if not forms:
        return None
    word = forms.most_common(1)[0][0]
    return Written(word, *first[word])


def _as_written(words: str) -> re.Pattern[str]:
    """A term's words as they stand in a posting, small words and signs between them."""
    between = r"(?!\w)[^.!?]{0,40}?(?<!\w)"
    inner = between.join(map(re.escape, words.split()))
    return re.compile(rf"(?<!\w){inner}(?!\w)", re.IGNORECASE)


def _snippet(text: str, start: int, end: int) -> tuple[str, str, str]:
    """What stands before, the words, and what stands behind, cut between words."""
    first, last = max(start - N_AROUND, 0), min(end + N_AROUND, len(text))
    before, after = text[first:start], text[end:last]
    if first:
        before = f"{_ELLIPSIS} {before.partition(' ')[2]}"
    if last < len(text):
        after = f"{after.rpartition(' ')[0]} {_ELLIPSIS}"
    return before, text[start:end], after
