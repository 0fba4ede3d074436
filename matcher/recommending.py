"""Lists made and carried where they go: block by block, each kept as it is done."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import numpy as np
from tqdm import tqdm

from matcher.base import says_what
from matcher.data import DAY, BoolArray, IntArray, MatchData
from matcher.explain import Explainer
from matcher.fitting import Loaded
from matcher.predict import Place, Wanted, candidates_for, iter_jobs_for, row_of
from matcher.sources import Store
from tagger.errors import DataError
from tagger.writing import RowWriter

COLUMNS = {
    "candidate": "text",
    "job": "text",
    "score": "number",
    "rank": "number",
    "model": "text",
    "computed_at": "time",
    "reasons": "texts",
}
"""Of a file of recommendations, and what they hold."""


Lists = Iterator[tuple[IntArray, list[Place]]]
"""Rows of those whose lists they are, candidates or jobs, and the places in them."""


class Lister:
    """Makes lists with one model and carries them where they are wanted."""

    def __init__(self, loaded: Loaded, wanted: Wanted, *, explains: bool = False) -> None:
        self.loaded, self.data, self.wanted = loaded, loaded.data, wanted
        self.explainer = Explainer(loaded.model, loaded.data) if explains else None
        self.n_level = 0
        """Lists so far in which all places have the same score."""

    def for_candidates(self, ids: Sequence[str] | None) -> Lists:
        """Lists of some candidates, each once; without `ids` of all."""
        if not ids:
            return self._for(np.arange(len(self.data.candidates)))
        rows = [row_of(self.data.candidates, id, "candidate") for id in ids]
        return self._for(np.array(list(dict.fromkeys(rows)), np.intp))

    def for_job(self, id: str) -> Lists:
        """The list of a job."""
        job = row_of(self.data.jobs, id, "job")
        places = candidates_for(self.loaded.model, self.data, job, self.wanted, show_progress=True)
        yield np.array([job]), places

    def _for(self, people: IntArray) -> Lists:
        found = iter_jobs_for(self.loaded.model, self.data, people, self.wanted)
        some = None if len(people) > 1 else True
        with tqdm(total=len(people), desc="candidates", disable=some) as bar:
            for block, places in found:
                self.n_level += _n_level(places)
                yield block, places
                bar.update(len(block))

    def notes(self) -> list[str]:
        """What is to be said of the lists so far."""
        model, found = self.loaded.model, []
        if not model.ranks_jobs:
            found.append(f"{says_what(model.name)}, so lists hold pairs under way alone")
        if self.n_level:
            known = "knows too little of these candidates, and their order means nothing"
            found.append(f"{self.n_level:,} lists have equal scores: the model {known}")
        return found

    def rows(self, places: Iterable[Place]) -> list[dict[str, Any]]:
        """Places as rows to write or print."""
        return [self._row(place, datetime.now(UTC)) for place in places]

    def _row(self, place: Place, at: datetime) -> dict[str, Any]:
        row = {
            "candidate": self.data.candidates.ids[place.candidate],
            "job": self.data.jobs.ids[place.job],
            "score": round(place.score, 6),
            "rank": place.rank,
            "model": self.loaded.name,
            "computed_at": at,
        }
        if self.explainer:
            row["reasons"] = self.explainer.sentences(place.candidate, place.job)
        return row

    def write(self, path: Path, lists: Lists) -> tuple[int, int]:
        """Lists into a file, which appears when it is whole: how many, and how many places."""
        n_lists = 0
        names = [name for name in COLUMNS if self.explainer or name != "reasons"]
        with RowWriter(path, {name: COLUMNS[name] for name in names}) as writer:
            for owners, places in lists:
                n_lists += len(owners)
                for row in self.rows(places):
                    writer.write(row)
        return n_lists, writer.n_rows

    def save(self, list_of: str, owners: IntArray, places: list[Place]) -> int:
        """Lists into the database, in the place of older ones; how many places.

        `list_of` says whether the owners are candidates ("candidate") or jobs ("job").
        """
        return self._store.put_lists(self.loaded.number, list_of, owners.tolist(), places)

    def save_all(self, *, resume: bool = False) -> tuple[int, int]:
        """Everybody's lists into the database: how many, and how many places they have.

        What is stored stays; with `resume` the latest such run goes on, which was stopped.
        """
        people = np.arange(len(self.data.candidates))
        done = self._store.begin_lists(self.loaded.number, resume=resume)
        n_done, n_places = 0, 0
        try:
            for block, places in self._for(people[~np.isin(people, done)]):
                n_places += self.save("candidate", block, places)
                n_done += len(block)
        except BaseException as error:
            error.add_note(
                f"lists of {n_done:,} candidates are stored; run it again with --resume to go on"
            )
            raise
        return n_done, n_places

    @property
    def _store(self) -> Store:
        if self.loaded.store is None:
            raise DataError("lists can be stored in a database alone")
        return self.loaded.store


def _n_level(places: list[Place]) -> int:
    """Lists whose first score is their last."""
    first = {place.candidate: place.score for place in reversed(places)}
    last = {place.candidate: place for place in places}
    return sum(one.rank > 1 and one.score == first[who] for who, one in last.items())


def open_jobs(data: MatchData, days: float | None) -> tuple[BoolArray | None, tuple[str, ...]]:
    """Jobs that may be recommended now, shape (J,), None for all; and what is to be said of it.

    Those that were posted, with `days` in the last so many; those without a date, too.
    """
    posted, now = data.jobs.known_from, time()
    if posted is None or np.isnan(posted).all():
        if days is not None:
            raise DataError("no job has a date (posted_at), so none can be told to be too old")
        return None, ()
    is_later = posted > now
    n_later = int(is_later.sum())
    notes = (
        (f"{n_later:,} jobs are left out: their posted_at lies in the future",) if n_later else ()
    )
    if days is None:
        return (~is_later if n_later else None), notes
    return ~(is_later | (posted < now - days * DAY)), notes
