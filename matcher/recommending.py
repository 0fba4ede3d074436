"""Lists made and carried where they go: block by block, each kept as it is done."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import numpy as np
from tqdm import tqdm

from matcher.data import DAY, BoolArray, IntArray, MatchData
from matcher.explain import Explainer
from matcher.fitting import Loaded
from matcher.predict import Place, Wanted, candidates_for, iter_jobs_for, row_of
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
AT_ONCE = 512
"""Candidates whose lists are stored in one transaction."""


class Lister:
    """Makes lists with one model and carries them where they are wanted."""

    def __init__(self, loaded: Loaded, wanted: Wanted, *, explains: bool = False) -> None:
        self.loaded, self.data, self.wanted = loaded, loaded.data, wanted
        self.explainer = Explainer(loaded.model, loaded.data) if explains else None

    def people(self, ids: Sequence[str] | None, *, resume: bool = False) -> IntArray:
        """Rows of candidates, all without `ids`; with `resume` those who have no list yet."""
        if ids:
            rows = np.array([row_of(self.data.candidates, id, "candidate") for id in ids], np.intp)
        else:
            rows = np.arange(len(self.data.candidates))
        if resume and self.loaded.store:
            done = self.loaded.store.listed(self.loaded.number, "candidate")
            rows = rows[~np.isin(rows, done)]
        return rows

    def for_candidates(self, people: IntArray, *, save: bool = False) -> list[Place]:
        """Places in the lists of some candidates."""
        found = iter_jobs_for(self.loaded.model, self.data, people, self.wanted)
        places = [place for _, block in found for place in block]
        if save:
            self._save("candidate", people.tolist(), places)
        return places

    def for_job(self, id: str, *, save: bool = False) -> list[Place]:
        """Places in the list of a job."""
        job = row_of(self.data.jobs, id, "job")
        places = candidates_for(self.loaded.model, self.data, job, self.wanted)
        if save:
            self._save("job", [job], places)
        return places

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

    def write(self, path: Path, people: IntArray) -> int:
        """Lists into a file, which appears when it is whole; how many rows."""
        names = [name for name in COLUMNS if self.explainer or name != "reasons"]
        with RowWriter(path, {name: COLUMNS[name] for name in names}) as writer:
            for _, places in self._with_bar(people):
                for row in self.rows(places):
                    writer.write(row)
        return writer.n_rows

    def store(self, people: IntArray) -> int:
        """Lists into the database; how many places. What is stored stays."""
        n_done, n_places = 0, 0
        try:
            for block, places in self._with_bar(people):
                n_places += self._save("candidate", block.tolist(), places)
                n_done += len(block)
        except BaseException as error:
            error.add_note(
                f"lists of {n_done:,} candidates are stored; run it again with --resume to go on"
            )
            raise
        return n_places

    def _save(self, list_of: str, owners: list[int], places: list[Place]) -> int:
        store = self.loaded.store
        return store.put_lists(self.loaded.number, list_of, owners, places) if store else 0

    def _with_bar(self, people: IntArray) -> Iterator[tuple[IntArray, list[Place]]]:
        found = iter_jobs_for(self.loaded.model, self.data, people, self.wanted)
        with tqdm(total=len(people), desc="candidates", disable=None) as bar:
            for block, places in _small_blocks(found):
                yield block, places
                bar.update(len(block))


def young_enough(data: MatchData, days: float | None) -> BoolArray | None:
    """Jobs posted in the last so many days, and those without a date; None: all. Shape (J,)."""
    posted = data.jobs.known_from
    if days is None:
        return None
    if posted is None or np.isnan(posted).all():
        raise DataError("no job has a date (posted_at), so none can be told to be too old")
    return np.asarray(~(posted < time() - days * DAY))


def _small_blocks(
    found: Iterable[tuple[IntArray, list[Place]]],
) -> Iterator[tuple[IntArray, list[Place]]]:
    """Blocks of at most `AT_ONCE` candidates."""
    for block, places in found:
        of: dict[int, list[Place]] = {int(one): [] for one in block}
        for place in places:
            of[place.candidate].append(place)
        for first in range(0, len(block), AT_ONCE):
            part = block[first : first + AT_ONCE]
            yield part, [place for one in part for place in of[int(one)]]
