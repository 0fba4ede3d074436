"""Vectors of candidates from a model that makes them, block by block: to a database or a file."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from tqdm import tqdm

from matcher.base import Matcher, blocks
from matcher.data import FloatArray, IntArray, MatchData
from matcher.fitting import Loaded
from matcher.registry import MODELS
from matcher.sources import Store
from tagger.errors import DataError, ModelError
from tagger.writing import RowWriter

AT_ONCE = 1024
"""Candidates of one block, and of one transaction."""
EMBEDDERS = tuple(name for name in MODELS if name.startswith("activity-"))
"""Kinds of models that make vectors; to find out by looking would load them all."""
COLUMNS = {
    "candidate": "text",
    "numbers": "numbers",
    "version": "text",
    "model": "text",
    "computed_at": "time",
}
"""Of a file of vectors, and what they hold."""


@runtime_checkable
class Embedder(Protocol):
    """A model that says what a candidate did of late in one vector."""

    def embed(self, data: MatchData, candidates: IntArray) -> FloatArray:
        """Shape (B, D)."""


def embedder_of(model: Matcher) -> Embedder:
    """The model, if it makes vectors; ModelError if it doesn't."""
    if not isinstance(model, Embedder):
        raise ModelError(
            f"{model.name} makes no vectors of candidates; what does: {', '.join(EMBEDDERS)}"
        )
    return model


def publish(
    loaded: Loaded, name: str, output: Path | None, *, resume: bool = False
) -> tuple[IntArray, int]:
    """Vectors of everyone into the model's database, or a file; the candidates, and how many.

    Parameters
    ----------
    resume
        Go on with the latest run of this name and model in the database, which was stopped.
    """
    embedder = embedder_of(loaded.model)
    people = np.arange(len(loaded.data.candidates))
    if output:
        return people, _write(loaded, embedder, name, output, people)
    if loaded.store is None:
        raise DataError("name a file to write the vectors to")
    done = loaded.store.begin_vectors(loaded.number, name, resume=resume)
    people = people[~np.isin(people, done)]
    return people, _store(loaded, loaded.store, embedder, name, people)


def _store(loaded: Loaded, store: Store, embedder: Embedder, name: str, people: IntArray) -> int:
    n_done = 0
    try:
        for block, vectors in _with_bar(embedder, loaded.data, people):
            n_done += store.put_vectors(loaded.number, name, block, vectors)
    except BaseException as error:
        error.add_note(f"{n_done:,} vectors are stored; run it again with --resume to go on")
        raise
    return n_done


def _write(loaded: Loaded, embedder: Embedder, name: str, output: Path, people: IntArray) -> int:
    about = {"version": name, "model": loaded.name, "computed_at": datetime.now(UTC)}
    with RowWriter(output, COLUMNS) as writer:
        for block, vectors in _with_bar(embedder, loaded.data, people):
            for candidate, vector in zip(block.tolist(), vectors.tolist(), strict=True):
                id = loaded.data.candidates.ids[candidate]
                writer.write({"candidate": id, "numbers": vector, **about})
    return writer.n_rows


def _with_bar(
    model: Embedder, data: MatchData, candidates: IntArray
) -> Iterator[tuple[IntArray, FloatArray]]:
    with tqdm(total=len(candidates), desc="candidates", disable=None) as bar:
        for block in blocks(candidates, AT_ONCE):
            yield block, model.embed(data, block)
            bar.update(len(block))
