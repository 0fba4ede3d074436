"""What a feed says of a posting beside its text, and which tags that suggests.

Job boards and applicant systems say in fields of their own what kind of employment a job is, where
it is done, what it pays and how senior it is: ``employmentType`` in schema.org's JobPosting,
``commitment`` at Lever, ``job_type`` and ``is_remote`` in scraped tables. A value suggests the tags
that are called like it, or those that the team maps it to. It is never a label: feeds fill such
fields in by default, and models read texts alone.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from tagger.names import split_name, terms_of_name, without_shared_prefix
from tagger.tag_info import TagInfo


class Kind(StrEnum):
    """What a field is about."""

    EMPLOYMENT = "employment type"
    MODE = "work mode"
    SENIORITY = "seniority"
    PAY = "pay"
    OTHER = "other"
    """A field that only the team's mapping names."""


FIELDS: dict[Kind, tuple[str, ...]] = {
    Kind.EMPLOYMENT: (
        *("employmentType", "jobType", "jobTypes", "employmentTypeCode", "typeOfEmployment"),
        *("contractType", "positionType", "commitment", "timeType", "workSchedule"),
    ),
    Kind.MODE: (
        *("jobLocationType", "workplaceType", "isRemote", "remote", "remoteType", "workMode"),
        *("workArrangement", "workLocationType", "telecommuting", "remotePolicy"),
    ),
    Kind.SENIORITY: (
        *("seniority", "seniorityLevel", "experienceLevel", "jobLevel", "careerLevel"),
        *("positionLevel", "experienceRange"),
    ),
    Kind.PAY: (
        *("baseSalary", "salary", "estimatedSalary", "salaryRange", "compensation", "pay"),
        *("payRange", "minAmount", "maxAmount", "salaryMin", "salaryMax", "minSalary"),
        *("maxSalary", "salaryInterval", "payPeriod", "salaryPeriod", "interval"),
    ),
}
"""Kind -> names of its fields in schema.org, Indeed, Greenhouse, Lever, Ashby, SmartRecruiters,
JobSpy and common tables; case and signs don't matter."""
_MEANINGS = {
    "telecommute": ("remote",),
    "contractor": ("contract",),
    "intern": ("internship",),
    "temp": ("temporary",),
    "onsite": ("on site", "office"),
    "inoffice": ("on site", "office"),
    "hour": ("hourly wage", "hourly"),
    "hourly": ("hourly wage",),
    "year": ("salary", "yearly", "annual"),
    "yearly": ("salary", "annual"),
    "annual": ("salary", "yearly"),
}
"""What else the values of such standards are called; values like ``FULL_TIME`` speak for
themselves."""
_GENERIC: dict[Kind, frozenset[str]] = {
    Kind.EMPLOYMENT: frozenset(terms_of_name("job type employment employee position work")),
    Kind.MODE: frozenset(terms_of_name("job work working mode policy fully")),
    Kind.SENIORITY: frozenset(terms_of_name("level position job")),
    Kind.PAY: frozenset(terms_of_name("pay salary wage compensation")),
    Kind.OTHER: frozenset(),
}
"""Terms that a tag or a value may have or lack: ``full-time-job`` is ``Full Time``."""
_PERIODS = ("unittext", "interval", "period", "payperiod", "salaryinterval", "salaryperiod")
_LABELS = ("label", "name", "text", "value")
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_STATED = "pay stated"
_BETWEEN = re.compile(r"[,;/|\n]+")
_MAX_DEPTH, _MAX_VALUE = 4, 200


class Fact(NamedTuple):
    """One thing that a feed says of a posting."""

    kind: Kind
    name: str
    """The field, as the feed has it; below others: ``baseSalary.unitText``."""
    value: str
    """As the feed has it."""
    holds: bool = True
    """False where the feed says that it is not so: ``isRemote`` is false."""

    @property
    def said(self) -> str:
        """For people: ``employmentType=FULL_TIME``."""
        return f"{self.name}={self.value}"


class Suggestion(NamedTuple):
    """What a feed says of a tag."""

    answer: bool
    """Whether the tag applies."""
    said: str
    """The field and its value."""

    @property
    def told(self) -> str:
        """For people.

        Examples
        --------
        >>> Suggestion(True, "isRemote=true").told
        'yes: isRemote=true'
        """
        return f"{'yes' if self.answer else 'no'}: {self.said}"


Mapped = Mapping[tuple[str, str], str | None]
"""Field and value, both `plain` -> the tag that the team says it means, or None for no tag."""


def plain(text: str) -> str:
    """A name or value without what does not matter in it: case, spaces, underscores, signs.

    Examples
    --------
    >>> plain("FULL_TIME"), plain("fullTime"), plain("Full-time")
    ('fulltime', 'fulltime', 'fulltime')
    """
    return "".join(filter(str.isalnum, text.casefold()))


_KINDS = {plain(name): kind for kind, names in FIELDS.items() for name in names}


def facts_of(fields: Mapping[str, Any], others: Iterable[str] = ()) -> list[Fact]:
    """What the fields of a posting say, each once.

    Parameters
    ----------
    fields
        Plain values, lists and objects; strings that hold JSON are taken apart.
    others
        Further fields to read, `plain`.

    Examples
    --------
    >>> [fact.said for fact in facts_of({"employmentType": ["FULL_TIME", "INTERN"]})]
    ['employmentType=FULL_TIME', 'employmentType=INTERN']
    >>> facts_of({"is_remote": False})[0]
    Fact(kind=<Kind.MODE: 'work mode'>, name='is_remote', value='false', holds=False)
    """
    found = _facts(fields, "", None, frozenset(others), 0)
    return list(dict.fromkeys(found))


class Suggester:
    """Which tags the fields of a posting suggest."""

    def __init__(self, tags: Iterable[TagInfo], mapped: Mapped | None = None) -> None:
        self._infos, self._mapped = tuple(tags), mapped or {}
        self._names = frozenset(name for name, _ in self._mapped)
        self._tags: dict[tuple[Kind, str], list[str]] = {}
        """Made when it is first needed: most postings have no such fields."""
        self._known: dict[tuple[Kind, str, str], tuple[str, ...]] = {}

    def suggest(self, fields: Mapping[str, Any] | None) -> dict[str, Suggestion]:
        """Tag -> what the feed says of it; where it says both yes and no, nothing.

        Examples
        --------
        >>> tags = [TagInfo(name="full-time-job"), TagInfo(name="remote")]
        >>> Suggester(tags).suggest({"employment_type": "FULL_TIME", "isRemote": False})
        {'full-time-job': Suggestion(answer=True, said='employment_type=FULL_TIME'), \
'remote': Suggestion(answer=False, said='isRemote=false')}
        """
        found: dict[str, Suggestion] = {}
        torn = set()
        for fact in facts_of(fields, self._names) if fields else ():
            for tag in self.tags_of(fact):
                before = found.setdefault(tag, Suggestion(fact.holds, fact.said))
                if before.answer != fact.holds:
                    torn.add(tag)
        return {tag: said for tag, said in found.items() if tag not in torn}

    def tags_of(self, fact: Fact) -> tuple[str, ...]:
        """The tags that a fact means."""
        key = (fact.kind, plain(fact.name), fact.value)
        if key not in self._known:
            self._known[key] = self._find(fact)
        return self._known[key]

    def _find(self, fact: Fact) -> tuple[str, ...]:
        for name in (fact.name, fact.name.rpartition(".")[2]):
            key = (plain(name), plain(fact.value))
            if key in self._mapped:
                tag = self._mapped[key]
                return () if tag is None else (tag,)
        if fact.kind is Kind.OTHER:
            return ()
        names = [fact.value, *_MEANINGS.get(plain(fact.value), ())]
        if fact.kind is Kind.MODE and plain(fact.value) in (*_TRUE, *_FALSE):
            names = ["remote"]
        if fact.kind is Kind.PAY and not _is_period(fact.name):
            names = [_STATED]
        self._tags = self._tags or self._called()
        keys = ((fact.kind, key) for name in names for key in _keys(name)[fact.kind])
        return tuple(dict.fromkeys(tag for key in keys for tag in self._tags.get(key, ())))

    def _called(self) -> dict[tuple[Kind, str], list[str]]:
        """By what the tags are found."""
        found: dict[tuple[Kind, str], list[str]] = {}
        own = without_shared_prefix(self._infos)
        for tag, names in zip(self._infos, own, strict=True):
            for called in {tag.name, *names, *tag.aliases}:
                for kind, keys in _keys(called).items():
                    for key in keys:
                        found.setdefault((kind, key), []).append(tag.name)
        return found


def _keys(name: str) -> dict[Kind, set[str]]:
    """By what a name is found: its letters, and its terms, with and without words that say nothing.

    Letters find ``fulltime``, terms find ``contracts``.
    """
    words = [(word, terms_of_name(word) or (word,)) for word in split_name(name).split()]
    found = {}
    for kind, generic in _GENERIC.items():
        telling = [(word, terms) for word, terms in words if not generic.issuperset(terms)]
        found[kind] = {
            key
            for some in (words, telling or words)
            for key in (
                "".join(plain(word) for word, _ in some),
                " ".join(term for _, terms in some for term in terms if " " not in term),
            )
            if key
        }
    return found


def _facts(
    value: Any, name: str, kind: Kind | None, others: frozenset[str], depth: int
) -> Iterator[Fact]:
    """What stands in and below a value; `kind` is that of the nearest field that is known."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        value = _from_json(value)
    if depth > _MAX_DEPTH or value is None or value == "":
        return
    if isinstance(value, Mapping):
        yield from _below(value, name, kind, others, depth)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _facts(one, name, kind, others, depth + 1)
    elif kind is not None:
        yield from _of_value(value, name, kind)


def _below(
    value: Mapping[str, Any], name: str, kind: Kind | None, others: frozenset[str], depth: int
) -> Iterator[Fact]:
    label, content = value.get("name"), value.get("value")
    if isinstance(label, str) and content is not None and kind is None and depth:
        value = {label: content}  # one of a list of named values, as at Greenhouse
    elif kind not in (None, Kind.PAY):
        shown = next((value[key] for key in _LABELS if isinstance(value.get(key), str)), None)
        if shown is not None:
            yield from _facts(shown, name, kind, others, depth + 1)
            return
    for key, inner in value.items():
        below = f"{name}.{key}" if name else key
        own = _KINDS.get(plain(key)) or (Kind.OTHER if plain(key) in others else None)
        if own is Kind.PAY or kind is Kind.PAY:
            own = Kind.PAY
        yield from _facts(inner, below, own or kind, others, depth + 1)


def _of_value(value: Any, name: str, kind: Kind) -> Iterator[Fact]:
    if isinstance(value, bool):
        value = "true" if value else "false"
    text = str(value).strip()[:_MAX_VALUE]
    if kind is Kind.MODE:
        yield Fact(kind, name, text, plain(text) not in _FALSE)
    elif kind is not Kind.PAY:
        yield from (Fact(kind, name, part.strip()) for part in _BETWEEN.split(text) if part.strip())
    elif _is_period(name) or re.search("[1-9]", text):
        yield Fact(kind, name, text)


def _is_period(name: str) -> bool:
    """Whether a field of pay says for which time it is paid."""
    return plain(name.rpartition(".")[2]) in _PERIODS


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
