"""Names of tags that look like several tags in one, or like another tag, before they are stored."""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from tagger.tag_info import name_key

N_SHOWN = 5
_JOINS = (",", "|", "#", "/", "\t", "\n")
_SURE_JOINS = (",", "|", "\t", "\n")
"""Hardly any tag's own name holds one of these; the others join only where a part is known, or
where both parts are words."""
_WORDS = re.compile(r"[^\W_][\w .+-]+#[^\W_][\w .+-]+")


class Doubt(NamedTuple):
    """Names that may not be what they seem, and what to do."""

    problem: str
    examples: tuple[str, ...]
    n: int
    advice: str

    def __str__(self) -> str:
        more = f" and {self.n - len(self.examples):,} more" if self.n > len(self.examples) else ""
        return f"{self.problem}: {', '.join(map(repr, self.examples))}{more}. {self.advice}"


def find_doubts(names: Iterable[str], known: Collection[str] = ()) -> list[Doubt]:
    """What is doubtful of the names of tags that a file brings.

    Parameters
    ----------
    known
        Names that are there already: of these nothing is doubtful.

    Examples
    --------
    >>> [str(doubt) for doubt in find_doubts(["remote", "C#", "a, b"])]
    ["These tags look like several joined by ',': 'a, b'. To split them: --tag-separator ,"]
    """
    names = sorted(set(names))
    new = [name for name in names if name not in known]
    return [*_joined(new, {*names, *known}), *_alike(new, {*names, *known})]


def _joined(new: list[str], others: Collection[str]) -> list[Doubt]:
    keys = {name_key(name) for name in others}
    doubts = []
    for sign in _JOINS:
        split = {name: [part.strip() for part in name.split(sign)] for name in new if sign in name}
        found = [name for name, parts in split.items() if _is_joined(name, sign, parts, keys)]
        if found:
            shown = {"\t": "a tab", "\n": "a line break"}.get(sign, repr(sign))
            said = {"|": "'|'", "#": "'#'", "\t": r"'\t'", "\n": r"'\n'"}.get(sign, sign)
            problem = f"These tags look like several joined by {shown}"
            doubts.append(_doubt(problem, found, f"To split them: --tag-separator {said}"))
    return doubts


def _is_joined(name: str, sign: str, parts: list[str], keys: Collection[str]) -> bool:
    if sum(map(bool, parts)) < 2:
        return False
    if sign in _SURE_JOINS or (sign == "#" and _WORDS.fullmatch(name)):
        return True
    return any(part and name_key(part) in keys for part in parts)


def _alike(new: list[str], others: Collection[str]) -> list[Doubt]:
    """Names that only capitals and spaces tell from another."""
    by_key: dict[str, list[str]] = {}
    for name in sorted(others):
        by_key.setdefault(name_key(name), []).append(name)
    groups = {key: by_key[key] for key in dict.fromkeys(map(name_key, new)) if len(by_key[key]) > 1}
    found = [name for names in groups.values() for name in names]
    advice = (
        "Each would be a tag of its own. If they mean one tag, write them alike; or import them "
        "with --yes and then: jobtool tags merge TAG OTHER..."
    )
    problem = "These tags differ only in capitals and spaces"
    return [_doubt(problem, found, advice)] if found else []


def _doubt(problem: str, found: list[str], advice: str) -> Doubt:
    return Doubt(problem, tuple(found[:N_SHOWN]), len(found), advice)
