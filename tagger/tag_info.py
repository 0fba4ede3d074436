"""What a team says its tags mean: description, other names, words that speak for or against.

See `tagger.tag_files` for reading it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tagger.columns import fold, is_null, tag_name
from tagger.errors import DataError

MAX_DESCRIPTION = 10_000
"""Longest description, in characters: a description is a sentence or two, not a document."""
MAX_TERMS = 1_000
"""Most aliases, and most words, of one tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagInfo:
    """What a team says of one tag. Valid once built.

    Raises
    ------
    DataError
        If the name is empty, the description too long, the share out of range, or a word both
        speaks for the tag and against it.
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
                f"the share of tag {self.name!r:.60} must lie between 0 and 1, got {self.share:g}"
            )
        for kind, terms in (("aliases", self.aliases), ("words", self.words + self.against)):
            if len(terms) > MAX_TERMS:
                raise DataError(
                    f"tag {self.name!r:.60} has {len(terms):,} {kind}; at most {MAX_TERMS:,} count"
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
        for_, against = _signed(_terms(said.get("words"), name))
        return cls(
            name=tag_name(name) if name else "",
            description=_one_line(said.get("description"), "description"),
            aliases=_terms(said.get("aliases"), name),
            words=for_,
            against=against,
            share=_share(said.get("share"), name),
        )


def plain_tags(names: Iterable[str]) -> tuple[TagInfo, ...]:
    """Tags of which nothing is known but the name."""
    return tuple(TagInfo(name=name) for name in names)


def check_distinct(tags: Sequence[TagInfo]) -> None:
    """Raise DataError if a name or alias could mean two tags; capitals and spaces don't count.

    One word may speak for several tags.
    """
    tag_called = {}
    for tag in tags:
        key = _folded(tag.name)
        if key in tag_called:
            raise DataError(
                f"tags {tag_called[key]!r:.60} and {tag.name!r:.60} have the same name but for "
                "capitals and spaces: keep one"
            )
        tag_called[key] = tag.name
    for tag in tags:
        for alias in tag.aliases:
            other = tag_called.setdefault(_folded(alias), tag.name)
            if other != tag.name:
                raise DataError(
                    f"{alias!r:.60}, another name of tag {tag.name!r:.60}, already stands for "
                    f"tag {other!r:.60}: take one of them out"
                )


def _folded(name: str) -> str:
    return " ".join(fold(name).split())


def _one_line(value: object, column: str) -> str:
    if is_null(value):
        return ""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise DataError(f"the {column} is {type(value).__name__}, not a string")
    return tag_name(str(value))


def _terms(value: object, tag: str) -> tuple[str, ...]:
    """Terms of a list, or of a cell separated by semicolons; each once, empty ones dropped."""
    if is_null(value):
        return ()
    if isinstance(value, str):
        value = value.split(";")
    if not isinstance(value, list | tuple):
        raise DataError(f"tag {tag!r:.60}: {value!r:.40} is not a list of words")
    terms = (_one_line(term, "word") for term in value)
    return tuple(dict.fromkeys(filter(None, terms)))


def _signed(terms: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Terms that speak for the tag, and those with a minus in front, which speak against it."""
    for_, against = [], []
    for term in terms:
        if term.startswith("-") and term.strip("- "):
            against.append(term.lstrip("- "))
        else:
            for_.append(term)
    return tuple(for_), tuple(against)


def _share(value: object, tag: str) -> float | None:
    if is_null(value) or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, str) and value.strip().endswith("%"):
            return float(value.strip()[:-1]) / 100
        return float(value)  # type: ignore[arg-type]  # whatever else it is, it is refused
    except (TypeError, ValueError):
        raise DataError(
            f"the share of tag {tag!r:.60} is {value!r:.40}; write 0.05 or 5%"
        ) from None
