"""Where candidates, jobs and events come from: files or a database; here both become `MatchData`.

The matcher knows no SQL: a database is handed over as a `Store`. N rows, D numbers of a code.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from matcher.data import NUMBER, Events, FloatArray, IntArray, MatchData, Profiles, join
from tagger.errors import ModelError

Watch = Callable[[Iterator[Any], str], Iterator[Any]]
"""Passes rows on and shows how many there were."""


class Encoder(Protocol):
    """What makes codes of texts."""

    @property
    def identity(self) -> str:
        """Tells its codes from those of another one."""

    def __call__(self, texts: Sequence[tuple[str, str]], /) -> npt.NDArray[np.float32]:
        """From titles and texts, N of them, to codes, shape (N, D)."""


@dataclass(frozen=True, slots=True)
class Known:
    """Data, and what made their codes."""

    data: MatchData
    codes: str | None
    """None where there are none."""


class StoredRows(Protocol):
    """Jobs or candidates as a database gives them."""

    ids: list[str]
    fields: dict[str, list[Any]]
    posted_at: npt.NDArray[np.float64] | None
    groups: npt.NDArray[np.int64] | None
    codes: npt.NDArray[np.float32] | None


class StoredEvents(Protocol):
    """Events as a database gives them; actions are places in `names`."""

    @property
    def candidates(self) -> npt.NDArray[np.intp]: ...
    @property
    def jobs(self) -> npt.NDArray[np.intp]: ...
    @property
    def actions(self) -> npt.NDArray[np.int8]: ...
    @property
    def times(self) -> npt.NDArray[np.float64]: ...
    @property
    def names(self) -> tuple[str, ...]: ...


class Stored(Protocol):
    """All that a database knew at one moment."""

    @property
    def jobs(self) -> StoredRows: ...
    @property
    def candidates(self) -> StoredRows: ...
    @property
    def events(self) -> StoredEvents: ...
    @property
    def codes(self) -> str | None: ...
    @property
    def now(self) -> float: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


class Store(Protocol):
    """A database, as `db.match_store` has it. Candidates and jobs are rows of what was read."""

    def read(self, *, watch: Watch) -> Stored: ...
    def new_folder(self, name: str) -> Path: ...
    def register(
        self,
        folder: Path,
        *,
        name: str,
        config: Mapping[str, Any],
        metrics: Mapping[str, Any],
        seed: int,
        events_until: float | None,
    ) -> int: ...
    def find(self, name: str | None) -> tuple[int, Path]: ...
    def titles(self, ids: Iterable[str]) -> dict[str, str]: ...
    def prune(self, keep: int) -> tuple[list[str], list[str]]: ...
    def begin_lists(self, model: int, *, resume: bool) -> IntArray: ...
    def put_lists(
        self,
        model: int,
        list_of: str,
        owners: Iterable[int],
        places: Iterable[tuple[int, int, float, int]],
    ) -> int: ...
    def begin_vectors(self, model: int, name: str, *, resume: bool) -> IntArray: ...
    def put_vectors(self, model: int, name: str, rows: IntArray, vectors: FloatArray) -> int: ...
    def study_storage(self) -> AbstractContextManager[Any]: ...


def read_store(store: Store, *, watch: Watch) -> Known:
    """All that a database knows now; what can't be used is counted in the notes.

    Raises
    ------
    DataError
        If no event can be used.
    """
    stored = store.read(watch=watch)
    numbers = np.array([*(NUMBER.get(name, -1) for name in stored.events.names), -1], np.int8)  # type: ignore[call-overload]
    events = Events(
        stored.events.candidates,
        stored.events.jobs,
        numbers[stored.events.actions],
        stored.events.times,
    )
    people, jobs = _profiles(stored.candidates), _profiles(stored.jobs)
    data = join(people, jobs, events, until=stored.now)
    notes = (*stored.notes, *data.notes, *textless(data))
    return Known(replace(data, notes=notes), stored.codes)


def textless(data: MatchData) -> tuple[str, ...]:
    """A note on each side that has codes, but no text that they could come from."""
    return tuple(
        f"no {name} has a text: there was nothing to make codes of"
        for name, side in (("candidate", data.candidates), ("job", data.jobs))
        if side.codes is not None and not side.codes.any()
    )


def _profiles(rows: StoredRows) -> Profiles:
    return Profiles(
        ids=tuple(rows.ids),
        codes=rows.codes,
        fields={name: [_plain(value) for value in rows.fields[name]] for name in rows.fields},
        known_from=rows.posted_at,
        groups=rows.groups,
    )


def _plain(value: Any) -> Any:
    """Values that models can read; an object within a field is left out."""
    return None if value == "" or isinstance(value, Mapping) else value


def fitted_to(known: Known, trained: Mapping[str, Any], name: str) -> MatchData:
    """Data as a saved model can be asked with: codes of another tagger would mean something else.

    Parameters
    ----------
    trained
        What was remembered of its training: `codes`, as in `Known`, and `n_numbers`.

    Raises
    ------
    ModelError
        If the model learned from codes, and these are others or there are none.
    """
    wanted, data = trained.get("codes"), known.data
    if not wanted:
        return replace(  # codes that it has never seen
            data,
            candidates=replace(data.candidates, codes=None),
            jobs=replace(data.jobs, codes=None),
        )
    if known.codes is None:
        raise ModelError(
            f"model {name} learned from the codes of {wanted} and there are none: name "
            f"them with {'--word-vectors' if wanted.startswith('word') else '--tagger'}, "
            "or train the model again without"
        )
    codes = data.jobs.codes
    n_numbers = None if codes is None else codes.shape[1]
    if known.codes != wanted or n_numbers != trained.get("n_numbers"):
        raise ModelError(
            f"model {name} learned from codes of {trained.get('n_numbers')} numbers by {wanted}, "
            f"these have {n_numbers} and are by {known.codes}: train it again, jobtool match train"
        )
    return data
