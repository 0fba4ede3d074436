"""What a team says its tags mean: description, other names, words that speak for or against.

See `tagger.tag_files` for reading it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tagger.columns import fold, is_missing, tag_name
from tagger.errors import DataError

MAX_DESCRIPTION = 10_000
"""Longest description, in characters: a description is a sentence or two, not a document."""
MAX_WORDS_OF_TAG = 1_000
"""Most aliases, and most words, of one tag."""
_N_SHOWN = 5
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
_BETWEEN = re.compile("[;\n\r]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagInfo:
    """What a team says of one tag. Valid once built.

    Raises
    ------
    DataError
        If the name is empty, the description too long, the share out of range, a word begins with
        a minus, or a word both speaks for the tag and against it.
    """

    name: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    """Other names of the tag; each is evidence like the name itself."""
    words: tuple[str, ...] = ()
    """Terms that speak for the tag."""
    against: tuple[str, ...] = ()
    """Terms that speak against it."""
    share: float | None = None
    """Expected share of postings that carry the tag, in (0, 1); None if nobody said."""

    def __post_init__(self) -> None:
        if not self.name:
            raise DataError("a tag must have a name")
        if len(self.description) > MAX_DESCRIPTION:
            raise DataError(
                f"the description of tag {self.name!r:.60} has {len(self.description):,} "
                f"characters; at most {MAX_DESCRIPTION:,} are read: shorten it"
            )
        if self.share is not None and not 0 < self.share < 1:
            raise DataError(
                f"the share of tag {self.name!r:.60} must lie between 0 and 1, got {self.share:g}: "
                "write 0.05 or 5%"
            )
        for kind, terms in (("aliases", self.aliases), ("words", self.words + self.against)):
            if len(terms) > MAX_WORDS_OF_TAG:
                raise DataError(
                    f"tag {self.name!r:.60} has {len(terms):,} {kind}; "
                    f"at most {MAX_WORDS_OF_TAG:,} count"
                )
        for word in self.words + self.against:
            if word.startswith("-"):
                raise DataError(
                    f"{word!r:.60} can't be a word of tag {self.name!r:.60}: a minus in front "
                    "marks a word that speaks against the tag"
                )
        both = {fold(word) for word in self.words} & {fold(word) for word in self.against}
        if both:
            raise DataError(
                f"{min(both)!r:.60} speaks both for tag {self.name!r:.60} and against it: "
                "take one of the two out"
            )

    def to_json(self) -> dict[str, Any]:
        """What was said, as plain values; what was not said is left out."""
        said = {
            "tag": self.name,
            "description": self.description,
            "aliases": list(self.aliases),
            "words": [*self.words, *(f"-{word}" for word in self.against)],
            "share": self.share,
        }
        return {key: value for key, value in said.items() if value not in ("", [], None)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "TagInfo":
        """From cells by our column names, as a file or `to_json` has them."""
        name = _one_line(said.get("tag"), "tag")
        for_, against = _signed(_terms(said.get("words"), "words"))
        return cls(
            name=name,
            description=_one_line(said.get("description"), "description"),
            aliases=tuple(dict.fromkeys(_terms(said.get("aliases"), "aliases"))),
            words=for_,
            against=against,
            share=read_share(said.get("share")),
        )


def plain_tags(names: Iterable[str]) -> tuple[TagInfo, ...]:
    """Tags of which nothing is known but the name."""
    return tuple(TagInfo(name=name) for name in names)


def check_distinct(tags: Sequence[TagInfo]) -> None:
    """Raise DataError if a name or alias could mean two tags; capitals and spaces don't count.

    One word may speak for several tags.
    """
    tag_called: dict[str, str] = {}
    problems: list[str] = []
    for tag in tags:
        key = name_key(tag.name)
        if key in tag_called:
            problems.append(_twice(tag_called[key], tag.name))
        tag_called.setdefault(key, tag.name)
    for tag in tags:
        for alias in tag.aliases:
            other = tag_called.setdefault(name_key(alias), tag.name)
            if other != tag.name:
                problems.append(
                    f"{alias!r:.60}, another name of tag {tag.name!r:.60}, already stands for tag "
                    f"{other!r:.60}: take one of them out"
                )
    if problems:
        raise DataError(some_problems(problems))


def without_mistakable_aliases(tags: Sequence[TagInfo]) -> tuple[TagInfo, ...]:
    """The tags without aliases that could mean another tag, as `check_distinct` wants them.

    Examples
    --------
    >>> tags = [TagInfo(name="remote"), TagInfo(name="home", aliases=("Remote", "telework"))]
    >>> without_mistakable_aliases(tags)[1].aliases
    ('telework',)
    """
    tag_called = {name_key(tag.name): tag.name for tag in tags}
    return tuple(
        replace(
            tag,
            aliases=tuple(
                alias
                for alias in tag.aliases
                if tag_called.setdefault(name_key(alias), tag.name) == tag.name
            ),
        )
        for tag in tags
    )


class TagNames:
    """Which tag a name stands for: the exact one first, else one but for capitals and spaces."""

    def __init__(self, tags: Iterable[TagInfo]) -> None:
        self._exact: dict[str, str] = {}
        self._alike: dict[str, set[str]] = {}
        for tag in tags:
            for name in (tag.name, *tag.aliases):
                self._alike.setdefault(name_key(name), set()).add(tag.name)
                if name == tag.name or name not in self._exact:  # a name is stronger than an alias
                    self._exact[name] = tag.name

    def find(self, name: str) -> str | None:
        """The tag's own name, None if there is no such tag; DataError if it could mean two."""
        if name in self._exact:
            return self._exact[name]
        alike = sorted(self._alike.get(name_key(name), ()))
        if len(alike) > 1:
            raise DataError(
                f"tag {name!r:.60} could mean {alike[0]!r:.60} or {alike[1]!r:.60}: write it as "
                "it is written there"
            )
        return alike[0] if alike else None


def _twice(first: str, second: str) -> str:
    if first == second:
        return f"tag {first!r:.60} is there twice: keep one"
    return (
        f"tags {first!r:.60} and {second!r:.60} have the same name but for capitals and spaces: "
        "keep one"
    )


def some_problems(problems: Sequence[str]) -> str:
    """The first problems of a list that may be long, in one line."""
    more = f"; and {len(problems) - _N_SHOWN:,} more" if len(problems) > _N_SHOWN else ""
    return "; ".join(problems[:_N_SHOWN]) + more


# ---- what a cell says


def name_key(name: str) -> str:
    """A name without what does not tell two tags apart.

    Examples
    --------
    >>> name_key(" Night  Shift")
    'night shift'
    """
    return fold(one_line(name))


def one_line(text: str) -> str:
    """A name, word or description as we keep it: `tag_name`, and no control characters."""
    return tag_name(_CONTROL.sub(" ", text))


def read_share(value: object) -> float | None:
    """A share such as 0.05 or "5%"; None for an empty cell.

    Raises
    ------
    DataError
        If it is no number. `TagInfo` checks the range.
    """
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, str) and value.strip().endswith("%"):
            return float(value.strip()[:-1]) / 100
        return float(value)  # type: ignore[arg-type]  # whatever else it is, it is refused
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"the share is {_what(value)}: write 0.05 or 5%") from None


def _one_line(value: object, column: str) -> str:
    if is_missing(value):
        return ""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise DataError(f"the {column} is {_what(value)}, not a string: put it in quotes")
    return one_line(str(value))


def _terms(value: object, column: str) -> tuple[str, ...]:
    """Terms of a list, or of a cell with separators; empty ones dropped."""
    if is_missing(value):
        return ()
    if isinstance(value, str):
        value = _split(value, column)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list | tuple):
        raise DataError(f"the column {column} holds {_what(value)}, not a list of words")
    return tuple(filter(None, (_one_line(term, f"term in {column}") for term in value)))


def _split(cell: str, column: str) -> object:
    """What separators divide, or what a JSON list holds."""
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return _BETWEEN.split(cell)
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise DataError(
            f"the column {column} holds a list that is not JSON: write night shift; rota"
        ) from None


def _signed(terms: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Terms that speak for the tag, and those with a minus in front, which speak against it.

    Each once, whatever its capitals; a minus alone is no term.
    """
    for_: dict[str, str] = {}
    against: dict[str, str] = {}
    for term in terms:
        bare = term.lstrip("- ")
        if bare:
            (against if term.startswith("-") else for_).setdefault(fold(bare), bare)
    return tuple(for_.values()), tuple(against.values())


def _what(value: object) -> str:
    """What came, in a few words; never a whole list, which may be huge."""
    kinds = {bool: "true or false", list: "a list", dict: "an object", type(None): "empty"}
    is_short = isinstance(value, str | float)
    return kinds.get(type(value)) or (f"{value!r:.40}" if is_short else type(value).__name__)
