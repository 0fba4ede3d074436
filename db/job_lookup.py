"""Which stored job a row means: by its id, however it is spelled, or by its text."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.engine import reading
from db.labels import chunks
from db.rows import writable
from db.schema import Job

_PAGE = 1000


def job_ids(session: Session, external_ids: Iterable[str]) -> dict[str, int]:
    """Jobs by external id; those that are not there are left out."""
    wanted = sorted(set(external_ids))
    other = other_spellings(session, Job.external_id, wanted)
    names = {other.get(name, name): name for name in wanted}
    found: dict[str, int] = {}
    for part in chunks(list(names)):
        query = select(Job.external_id, Job.id).where(Job.external_id.in_(part))
        found |= {names[name]: job_id for name, job_id in session.execute(query)}
    return found


def other_spellings(
    session: Session, column: InstrumentedAttribute[str], ids: Iterable[str]
) -> dict[str, str]:
    """``7`` -> ``7.0`` where only that is stored: pandas turns whole numbers into floats."""
    numbers = sorted({one for one in ids if one.isdecimal()})
    found: dict[str, str] = {}
    for part in chunks(numbers):
        spelled = {f"{one}.0": one for one in part}
        stored = set(session.scalars(select(column).where(column.in_([*part, *spelled]))))
        found |= {
            one: name for name, one in spelled.items() if name in stored and one not in stored
        }
    return found


class Match(NamedTuple):
    """A stored job that has a text."""

    id: int
    external_id: str


class TextIndex:
    """Stored jobs by their texts, at some 32 bytes a job; built when it is first asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_built = False
        self._keys = np.empty(0, np.int64)
        self._ids = np.empty(0, np.int64)

    def find(self, session: Session, title: str, text: str) -> list[Match]:
        """The jobs with this text, white space aside; with a title those of that title first.

        A task of a labelling tool may show the title above the text.
        """
        if not text.strip():
            return []
        ids = self._look_up(_key(f"{title} {text}")) if title.strip() else []
        ids = ids or self._look_up(_key(text))
        query = select(Job.id, Job.external_id).where(Job.id.in_(ids)).order_by(Job.id)
        return [Match(*row) for row in session.execute(query)] if ids else []

    def _look_up(self, key: int) -> list[int]:
        if not self._is_built:
            self._build()
        first, last = np.searchsorted(self._keys, [key, key + 1])
        return sorted({int(one) for one in self._ids[first:last]})

    def _build(self) -> None:
        keys: list[int] = []
        ids: list[int] = []
        with reading(self._engine) as session:
            query = select(Job.id, Job.title, Job.text)
            for job_id, title, text in session.execute(
                query, execution_options={"yield_per": _PAGE}
            ):
                for shown in {text, f"{title} {text}"}:
                    keys.append(_key(shown))
                    ids.append(job_id)
        self._is_built = True
        order = np.argsort(np.array(keys, np.int64), kind="stable")
        self._keys = np.array(keys, np.int64)[order]
        self._ids = np.array(ids, np.int64)[order]


def _key(text: str) -> int:
    """63 bits that tell a text from others, white space aside."""
    plain = " ".join(writable(text).split())
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest()) >> 1


def find_jobs(
    session: Session,
    index: TextIndex,
    named: Sequence[tuple[str, tuple[str, str] | None]],
) -> list[int | str]:
    """The job that each row means, by its external id or by title and text.

    Returns
    -------
    Ids of jobs; a string says why there is none.
    """
    ids = job_ids(session, [writable(name) for name, _ in named if name])
    return [_find(session, index, ids, name, posting) for name, posting in named]


def _find(
    session: Session,
    index: TextIndex,
    ids: dict[str, int],
    name: str,
    posting: tuple[str, str] | None,
) -> int | str:
    by_id = ids.get(writable(name)) if name else None
    matches = index.find(session, *posting) if posting else []
    same = [one for one in matches if one.id == by_id]
    if by_id is not None and (same or not matches):
        return by_id
    if by_id is not None:
        other = matches[0].external_id
        return f"job {name!r:.60} has another text, which job {other!r:.60} has; {_NAME_IT}"
    if len(matches) == 1:
        return matches[0].id
    if matches:
        names = " and ".join(repr(one.external_id)[:60] for one in matches[:3])
        return f"jobs {names} have this text; {_NAME_IT}"
    if name:
        return f"no job {name!r:.60}; import the jobs first"
    return "no job has this text; import the jobs first"


_NAME_IT = "name the job in the file, with --column job=NAME"
