"""Posting text to tokens and terms: clean, split, normalise numbers, drop stop words, stem.

Everything here is linear in the length of the text, whatever the text: each regular expression
either stops at the next character of the kind it started with or has a bounded repeat.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from html import unescape
from importlib.resources import files
from math import log10

import Stemmer

MAX_CHARACTERS = 1_000_000
"""Of a posting's text, without markup, that are read: longer ones are attacks or whole archives."""
_MAX_GROWTH = 4  # NFKC makes 18 characters of U+FDFA; a run that grows more stays as it is
_MAX_UNESCAPE = 3  # "&amp;amp;lt;" has been seen in feeds; deeper is an attack, not a posting
_ENTITY = re.compile(r"&(?:#\w{1,8}|[A-Za-z]\w{1,31});")
_MARKUP = re.compile(r"<!--|-->|</?([A-Za-z][A-Za-z0-9]*+)[^<>]*+>")
_BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table tbody td tfoot th thead tr ul".split()
)
_HIDDEN = frozenset({"script", "style", "head", "template", "noscript"})
_HIDDEN_END = re.compile(rf"</({'|'.join(sorted(_HIDDEN))})\b", re.IGNORECASE)
_NEVER_TEXT = frozenset({"script", "style"})  # hidden even where the end was cut off

# A run is at most 64 characters, so that the quadratic ordering of combining marks stays bounded.
_NON_ASCII = re.compile(r"([^\x00-\x7f]{1,64})")
_CONTROL = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]"
)
# The same where the text is ASCII, several times faster.
_ASCII_CONTROL = dict.fromkeys([*range(9), *range(0x0E, 0x20), 0x7F])
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys(
            "\u2022\u2023\u25aa\u25ab\u25cf\u25cb\u25e6\u25a0\u25a1\u2043\u27a2\u2714\u2713\u00b7\uf0b7",
            "\n",
        ),
        **dict.fromkeys("\x85\u2028\u2029", "\n"),
        "\u2044": "/",  # what NFKC makes of the bar in one-half
    }
)
_IRREGULAR = (("won't", "will not"), ("Won't", "Will not"), ("an't", "an not"))
_CONTRACTIONS = (  # each starts with a letter or sign of its own, so that the search is fast
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'m\b"), " am"),
    (re.compile(r"'d\b"), " would"),
)
_ADDRESSES = (  # each search begins with letters of its own, so that it is fast
    re.compile(r"http(?:s?://)[^\s<>\"]{1,2000}"),
    re.compile(r"www\.[^\s<>\"]{1,2000}"),
)
_TOKEN_KINDS = r"""\ *+(
      LETTER{1,40}+(?:\+\+|\#)?                       # words; C++, C#
    | [$£€₹¥]\ ?\d(?:[\d,.]{0,30}\d)?(?:[kKmM]\b)?   # money
    | \d{1,3}\ ?(?:-|to)\ ?\d{1,3}(?!\d|[,.]\d)\+?   # a range: 3-5, 3 to 5
    | \d(?:[\d,.]{0,30}\d)?(?:\+|\ ?%|(?:[kKmM]|st|nd|rd|th)\b)?  # 5+, 20 %, 80k, 3rd, 1,000.50
    | 's\b
    | [^\w\s]                                         # punctuation, one sign a token
    | \n
)"""  # the most frequent kind first
_TOKEN = re.compile(_TOKEN_KINDS.replace("LETTER", r"[^\W\d_]"), re.VERBOSE)
# The same tokens where the text is ASCII, as most are, a third faster.
_ASCII_TOKEN = re.compile(_TOKEN_KINDS.replace("LETTER", "[A-Za-z]"), re.VERBOSE | re.ASCII)
_SENTENCE_END = frozenset(".!?\n")
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), start=1
    )
}


def clean(text: str) -> str:
    """Plain text of a posting: no markup, NFKC, one kind of quote, dash and bullet.

    Parameters
    ----------
    text
        As it came: HTML, escaped HTML (also twice), any Unicode, NUL bytes, lone surrogates.

    Returns
    -------
    Text in which line breaks and bullets are ``\\n``, contractions are spelled out and web
    addresses are left out; the first `MAX_CHARACTERS`.
    Takes time linear in the length of `text`.

    Examples
    --------
    >>> clean("&lt;p&gt;We&#8217;re hiring&lt;/p&gt;<ul><li>5+ years</li></ul>")
    'We are hiring\\n\\n\\n5+ years'
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
    for depth in range(_MAX_UNESCAPE):
        if "<" in text:
            text = _strip_markup(text, is_escaped=depth > 0)
        if "&" not in text or not _ENTITY.search(text):
            break
        text = _ENTITY.sub(_unescaped, text)
    text = text.strip()[:MAX_CHARACTERS]
    if not text.isascii():
        text = _normalized(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\x0b", " ").replace("\x0c", " ")
    text = text.translate(_ASCII_CONTROL) if text.isascii() else _CONTROL.sub("", text)
    for address in _ADDRESSES:
        text = address.sub(" ", text)
    if "'" in text:
        for short, spelled in _IRREGULAR:
            text = text.replace(short, spelled)
        for contraction, spelled in _CONTRACTIONS:
            text = contraction.sub(spelled, text)
    return text.strip()[:MAX_CHARACTERS]


def _unescaped(entity: re.Match[str]) -> str:
    return unescape(entity[0])  # one at a time: all at once it fails at "&#" and 5,000 digits


def _normalized(text: str) -> str:
    """NFKC and plain typography, run by run of other than ASCII, which NFKC leaves as it is."""
    parts = _NON_ASCII.split(text)  # ASCII, a run, ASCII, a run, ...
    for i in range(1, len(parts), 2):
        run = parts[i]
        if unicodedata.combining(run[0]):  # what it stands on belongs to it
            parts[i - 1], run = parts[i - 1][:-1], parts[i - 1][-1:] + run
        normal = unicodedata.normalize("NFKC", run)
        parts[i] = (normal if len(normal) <= _MAX_GROWTH * len(run) else run).translate(_TYPOGRAPHY)
    return "".join(parts)


def _strip_markup(text: str, *, is_escaped: bool) -> str:
    """Drop tags, comments and scripts; block tags become line breaks. One pass, no nesting kept.

    An element that is never closed is only talked of ("the <template> tag"): its text stays.
    """
    last_end = {end[1].lower(): end.start() for end in _HIDDEN_END.finditer(text)}
    kept: list[str] = []
    end = 0  # of the last piece of markup
    hidden = ""  # what we are inside of: "-->" or the name of an element without text
    for mark in _MARKUP.finditer(text):
        if mark[0] == "-->" and hidden != "-->":
            continue
        if not hidden:
            kept.append(text[end : mark.start()])
        end = mark.end()
        name = (mark[1] or "").lower()
        if hidden:
            if mark[0] == hidden or (name == hidden and mark[0][1] == "/"):
                hidden = ""
        elif mark[0] == "<!--":
            hidden = "-->"
        elif name in _HIDDEN and mark[0][1] != "/":
            is_cut_off = name in _NEVER_TEXT and not is_escaped
            if is_cut_off or last_end.get(name, -1) >= end:
                hidden = name
        elif name in _BLOCKS:
            kept.append("\n")
    if not hidden:
        kept.append(text[end:])
    return "".join(kept)


def tokenize(text: str) -> list[str]:
    """Words, numbers, signs and line breaks of cleaned text, case kept.

    Examples
    --------
    >>> tokenize("C++ dev, 3 to 5 years, $80k+")
    ['C++', 'dev', ',', '3 to 5', 'years', ',', '$80k', '+']
    """
    return (_ASCII_TOKEN if text.isascii() else _TOKEN).findall(text)


LINE_BREAK = "\n"


def term_of(token: str) -> str:
    """Term of a token: its stem or number; "" if it has none.

    A sentence's end (``.``, ``!``, ``?``) is ``LINE_BREAK``, as a line break is.
    """
    if token in _SENTENCE_END:
        return LINE_BREAK
    first = token[0]
    if first.isdecimal() or (first in "$£€₹¥" and len(token) > 1):
        return _number(token)
    if not first.isalpha():
        return ""
    word = token.lower()
    if word in _NUMBER_WORDS:
        return _NUMBER_WORDS[word]
    if word in stop_words():
        return ""
    return str(_stemmer().stemWord(word))


def _number(token: str) -> str:
    """Small counts stay as they are; money and large numbers keep their size only.

    ``5+`` and ``3-5`` stay; ``3 to 5`` is ``3-5``; ``$18.50`` is ``money:2`` (two digits before the
    point), ``$80k`` is ``money:5``; ``20 %`` is ``number:%``; ``2019`` is ``number:4``.
    """
    if first_range := _RANGE.fullmatch(token):
        return f"{int(first_range[1])}-{int(first_range[2])}"
    digits = re.sub(r"[^\d.]", "", token.replace(",", "")).strip(".")
    whole = digits.split(".")[0]
    value = int(whole or 0) * {"k": 1_000, "m": 1_000_000}.get(token[-1].lower(), 1)
    size = int(log10(value)) + 1 if value else 1
    if not token[0].isdecimal():
        return f"money:{size}"
    if token.endswith("%"):
        return "number:%"
    if token[-1] in "kKmM":
        return f"number:{size}"
    if value > 99:
        return f"number:{size}"
    return f"{value}+" if token.endswith("+") else str(value)


_RANGE = re.compile(r"(\d{1,3}) ?(?:-|to) ?(\d{1,3})\+?")


@cache
def stop_words() -> frozenset[str]:
    """Our English stop words, lower case; kept short, since "no", "must" and "per" decide tags."""
    return frozenset(files("tagger").joinpath("data/stopwords.txt").read_text("utf-8").split())


@cache
def _stemmer() -> "Stemmer.Stemmer":
    return Stemmer.Stemmer("english", 0)  # no cache of its own: tagger.words has one


def terms(tokens: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Unigrams and bigrams of stems, each with the words it came from, in reading order.

    A bigram crosses a line break, as in a heading and its value ("Location", "Berlin" below), but
    no end of a sentence.

    Examples
    --------
    >>> [term for term, words in terms(tokenize("Managing the teams. 5+ years"))]
    ['manag', 'team', 'manag team', '5+', 'year', '5+ year']
    """
    last: tuple[str, str] | None = None
    for token in tokens:
        if token == LINE_BREAK:
            continue
        term, word = term_of(token), token.lower()
        if term == LINE_BREAK:
            last = None
        elif term:
            yield term, word
            if last:
                yield f"{last[0]} {term}", f"{last[1]} {word}"
            last = term, word
