"""Training a model and keeping it, in a folder or a store; and having it back for other data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from matcher.base import Matcher
from matcher.checkpoint import fit, takes_checkpoint
from matcher.configs import plain
from matcher.data import MatchData
from matcher.registry import load, save
from matcher.sources import Known, Store, fitted_to
from tagger.storage import check_replaceable


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved model, before there are data to ask it with."""

    model: Matcher
    trained: Mapping[str, Any]
    """What was remembered of its training."""
    name: str
    """Of its folder."""
    number: int
    """In the database; 0 without one."""
    store: Store | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A saved model, and the data to ask it with."""

    model: Matcher
    data: MatchData
    name: str
    """As in `Saved`; likewise the others."""
    number: int
    store: Store | None


def fit_and_save(
    model: Matcher,
    known: Known,
    where: Store | Path,
    *,
    seed: int,
    work: Path | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Fit a model on all that is known and save it, whole or not at all.

    Parameters
    ----------
    where
        A folder; or a store, in which the model becomes the live one.
    work
        A folder for the state of the training, so that it can go on after a stop; only models
        whose `fit` takes a `checkpoint` do.

    Returns
    -------
    Plain values: what it was trained on, how long it took, where it is.
    """
    folder = where if isinstance(where, Path) else where.new_folder(model.name)
    check_replaceable(folder)
    began = perf_counter()
    notes = list(known.data.notes)
    if work and not takes_checkpoint(model):
        notes.append(f"{model.name} begins anew after a stop: nothing of it is kept in {work}")
    fit(model, known.data, work and work / model.name, show_progress=show_progress)
    about = {
        **_about(model, known),
        "notes": notes + list(getattr(model, "notes_", ())),
        "config": plain(model),
        "seed": seed,
        "seconds": round(perf_counter() - began, 3),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    save(model, folder, about)
    if isinstance(where, Path):
        return {"model": model.name, "saved": str(folder), **about}
    number = _register(where, folder, model, about, known.data)
    return {"model": model.name, "number": number, "saved": folder.name, **about}


def _about(model: Matcher, known: Known) -> dict[str, Any]:
    """What must be remembered of the data."""
    data, codes = known.data, known.data.jobs.codes if model.uses_codes else None
    return {
        "target": str(data.target),
        "n_events": len(data.events),
        "n_candidates": len(data.candidates),
        "n_jobs": len(data.jobs),
        "codes": known.codes if model.uses_codes else None,
        "n_numbers": None if codes is None else codes.shape[1],
    }


def _register(
    store: Store, folder: Path, model: Matcher, about: Mapping[str, Any], data: MatchData
) -> int:
    from shutil import rmtree

    times = data.events.times[np.isfinite(data.events.times)]
    told = ("target", "n_events", "n_candidates", "n_jobs", "seconds")
    try:
        return store.register(
            folder,
            name=model.name,
            config=about["config"],
            metrics={name: about[name] for name in told},
            seed=about["seed"],
            events_until=float(times.max()) if len(times) else None,
        )
    except BaseException:
        rmtree(folder, ignore_errors=True)  # nobody would know of it
        raise


def load_saved(where: Store | Path, name: str | None = None) -> Saved:
    """A saved model.

    Parameters
    ----------
    where
        Its folder, or a store.
    name
        In a store: number, folder or kind of the model; None: the newest.

    Raises
    ------
    ModelError
        If it isn't there, or not whole.
    """
    if isinstance(where, Path):
        return Saved(*load(where), where.name, 0, None)
    number, folder = where.find(name)
    return Saved(*load(folder), folder.name, number, where)


def load_for(known: Known, saved: Saved) -> Loaded:
    """The model with the data that it is to be asked with; ModelError if it knows other codes."""
    uses_codes = saved.model.uses_codes
    data = fitted_to(known, saved.trained, saved.name) if uses_codes else known.data
    return Loaded(saved.model, data, saved.name, saved.number, saved.store)
