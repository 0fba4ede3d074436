"""The database as the matcher sees it: all that is known at one moment, models, results.

Between reading and writing others may change the database, so rows are kept by primary key.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db import match_models, match_results, matching
from db.columns import ListOf
from db.engine import now, reading, reading_snapshot, shown, writing
from db.live import META, check_folder
from db.match_results import Place
from db.registry import CHAMPION, aliased, remove_folders
from db.schema import Job

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

LoadEncoder = Callable[[Path], matching.Encode]
"""From the folder of a tagger to what makes its codes."""
STORED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Known:
    """All that the database knew at one moment."""

    jobs: matching.Rows
    candidates: matching.Rows
    events: matching.EventRows
    codes: str | None
    """What tells these codes from others; None where there are none."""
    now: float
    """Seconds since 1970, by the database's clock."""
    notes: tuple[str, ...]
    version_id: int | None
    last: Mapping[str, int]


class MatchStore:
    """A database, and the folder of its models.

    Parameters
    ----------
    load_encoder
        Makes codes of texts from the folder of the live tagger.
    """

    def __init__(self, engine: Engine, folder: Path, load_encoder: LoadEncoder) -> None:
        self.engine, self.folder, self._load_encoder = engine, folder, load_encoder

    def __str__(self) -> str:
        return shown(self.engine)

    # ---- what is known

    def read(self, *, watch: matching.Watch = matching.unwatched) -> Known:
        """Everything, in one state of the database; codes by the live tagger if there is one."""
        with reading_snapshot(self.engine) as session:
            version_id, encode, notes = self._encoder(session)
            options: dict[str, Any] = {"version_id": version_id, "encode": encode, "watch": watch}
            jobs = matching.read_jobs(session, **options)
            candidates = matching.read_candidates(session, **options)
            events = matching.read_events(session, candidates, jobs, watch=watch)
            last, at = matching.latest(session), now(session).timestamp()
        if version_id is not None:
            self._keep_codes(version_id, candidates)
            if n_new := len(jobs.new_codes):
                notes.append(
                    f"codes of {n_new:,} jobs were made for this run; jobtool tag --db stores them"
                )
        codes = None if version_id is None else f"code version {version_id}"
        self._known = Known(jobs, candidates, events, codes, at, tuple(notes), version_id, last)
        return self._known

    def _encoder(self, session: Session) -> tuple[int | None, matching.Encode | None, list[str]]:
        champion = aliased(session, CHAMPION)
        if champion is None:
            return None, None, ["there is no live tagger to make codes: jobtool retrain"]
        check_folder(champion, self.folder / champion.folder)
        return champion.code_version_id, self._load_encoder(self.folder / champion.folder), []

    def _keep_codes(self, version_id: int, candidates: matching.Rows) -> None:
        """Store new codes of resumes; jobs get theirs when they are tagged."""
        if candidates.codes is None:
            return
        for rows in _parts(candidates.new_codes.tolist()):
            with writing(self.engine) as session:
                match_results.store_candidate_codes(
                    session, version_id, candidates.keys[rows].tolist(), candidates.codes[rows]
                )

    # ---- models

    def new_folder(self, name: str) -> Path:
        """Where a model of that name may be saved."""
        return self.folder / f"match-{name}-{secrets.token_hex(4)}"

    def register(
        self,
        folder: Path,
        *,
        name: str,
        config: Mapping[str, Any],
        metrics: Mapping[str, Any],
        seed: int,
        events_until: float | None,
    ) -> int:
        """Make a saved model the live one; its number."""
        trained = match_models.TrainedMatcher(
            name=name,
            folder=folder.name,
            sha256=match_models.sha256_of(folder / META),
            config=dict(config),
            metrics=dict(metrics),
            seed=seed,
            code_version_id=self._known.version_id,
            events_until=events_until,
            **self._known.last,
        )
        with writing(self.engine) as session:
            return match_models.register(session, trained).id

    def find(self, name: str | None) -> tuple[int, Path]:
        """Number and folder of a model: by number, folder or kind; None: the newest."""
        with reading(self.engine) as session:
            model = match_models.find_model(session, name)
            return model.id, match_models.checked_folder(model, self.folder)

    def titles(self, ids: Iterable[str]) -> dict[str, str]:
        """Titles of jobs by their ids; a job that has none is left out."""
        found: dict[str, str] = {}
        with reading(self.engine) as session:
            rest = iter(ids)
            while some := list(islice(rest, STORED_AT_ONCE)):
                query = select(Job.external_id, Job.title).where(Job.external_id.in_(some))
                found |= {id: title for id, title in session.execute(query).all() if title}
        return found

    def prune(self, keep: int) -> tuple[list[str], list[str]]:
        """Remove all but the `keep` newest models of each name; names of removed and kept ones."""
        with writing(self.engine) as session:
            gone = match_models.remove_models(session, match_models.prunable(session, keep=keep))
            kept = [model.folder for model in match_models.all_models(session)]
        remove_folders(self.folder, gone)
        return gone, kept

    # ---- results

    def begin_lists(self, model: int, *, resume: bool) -> npt.NDArray[np.intp]:
        """Begin a run for every candidate, or go on with the latest one.

        Returns
        -------
        Rows of the candidates who have a list of that run.
        """
        with writing(self.engine) as session:
            row = match_models.find_model(session, str(model))
            if row.lists_since is None or not resume:
                row.lists_since = now(session)
            keys = match_results.listed(session, model, since=row.lists_since)
        return np.flatnonzero(np.isin(self._known.candidates.keys, list(keys)))

    def put_lists(
        self,
        model: int,
        list_of: str,
        owners: Iterable[int],
        places: Iterable[tuple[int, int, float, int]],
    ) -> int:
        """Store lists in the place of older ones of the model.

        Parameters
        ----------
        owners
            Rows of those whose lists they are.
        places
            Row of the candidate, row of the job, score, rank from 1.
        """
        people, jobs = self._known.candidates.keys, self._known.jobs.keys
        side = people if list_of == ListOf.CANDIDATE else jobs
        found = [Place(int(people[c]), int(jobs[j]), s, rank) for c, j, s, rank in places]
        with writing(self.engine) as session:
            return match_results.store_places(
                session, model, ListOf(list_of), [int(side[row]) for row in owners], found
            )

    def begin_vectors(self, model: int, name: str, *, resume: bool) -> npt.NDArray[np.intp]:
        """Likewise for vectors of a version."""
        with writing(self.engine) as session:
            version = match_results.find_version(session, name, model)
            if version is not None and not resume:
                version.vectors_since = now(session)
            keys = set() if version is None else match_results.embedded(session, version)
        return np.flatnonzero(np.isin(self._known.candidates.keys, list(keys)))

    def put_vectors(
        self,
        model: int,
        name: str,
        rows: npt.NDArray[np.integer[Any]],
        vectors: npt.NDArray[np.floating[Any]],
    ) -> int:
        """Store vectors of candidates, shape (N, D), under a name and a model."""
        with writing(self.engine) as session:
            version = match_results.embedding_version(session, name, model, vectors.shape[1])
            return match_results.store_embeddings(
                session, version.id, self._known.candidates.keys[rows].tolist(), vectors
            )

    def study_storage(self) -> "AbstractContextManager[RDBStorage]":
        """Where searches for hyper-parameters are kept."""
        from db.tuning import study_storage

        return study_storage(self.engine)


def _parts(rows: Sequence[int]) -> Iterable[list[int]]:
    for first in range(0, len(rows), STORED_AT_ONCE):
        yield list(rows[first : first + STORED_AT_ONCE])
