"""Activity embeddings of everyone, computed ahead and published with a version.

A new way to make them is a `matcher.activity_models.ActivityMatcher` with one line in
`matcher.registry.MODELS`. Letters for axes: D numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from tqdm import tqdm

from matcher.activity_models import ActivityMatcher
from matcher.base import Matcher
from matcher.data import MatchData
from matcher.job_vectors import Float32Array
from tagger.errors import DataError
from tagger.writing import RowWriter

COLUMNS = {
    "candidate": "text",
    "model": "text",
    "version": "text",
    "computed_at": "time",
    "n_actions": "number",
    "numbers": "numbers",
}
AT_ONCE = 2048
"""Candidates."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The activity of a candidate as numbers."""

    candidate: str
    n_actions: int
    """How many of the latest actions it is made of; 0 for who did nothing lately: all zeros."""
    numbers: Float32Array
    """Shape (D,)."""


def iter_embeddings(
    model: Matcher, data: MatchData, *, show_progress: bool = False
) -> Iterator[Embedding]:
    """Embeddings of all candidates, in their order, as of the latest event of the data.

    Raises
    ------
    DataError
        If the model makes no activity embeddings.
    """
    if not isinstance(model, ActivityMatcher):
        raise DataError(f"{model.name} makes no activity embeddings: name an activity- model")
    n = len(data.candidates)
    for first in tqdm(range(0, n, AT_ONCE), desc="embed", disable=None if show_progress else True):
        rows = np.arange(first, min(first + AT_ONCE, n))
        numbers, counts = model.embed(data, rows), model.n_actions(data, rows)
        for row, count, vector in zip(rows, counts, numbers, strict=True):
            yield Embedding(data.candidates.ids[row], int(count), vector)


def write_embeddings(
    model: Matcher,
    data: MatchData,
    output: Path,
    *,
    version: str,
    computed_at: datetime | None = None,
    show_progress: bool = False,
) -> int:
    """Write them to a file, .parquet or .jsonl (also .gz); returns how many.

    The file appears when it is whole. Columns: candidate, model, version, computed_at, n_actions,
    numbers.
    """
    when = computed_at or datetime.now(UTC)
    about = {"model": model.name, "version": version, "computed_at": when}
    with RowWriter(output, COLUMNS) as writer:
        for found in iter_embeddings(model, data, show_progress=show_progress):
            numbers = [float(number) for number in found.numbers]
            row = {"candidate": found.candidate, "n_actions": found.n_actions, "numbers": numbers}
            writer.write({**row, **about})
        return writer.n_rows


def publish(
    models: Mapping[str, Matcher],
    data: MatchData,
    folder: Path,
    *,
    kind: str = "parquet",
    show_progress: bool = False,
) -> list[Path]:
    """Several versions side by side: a file `<version>.<kind>` for each model.

    Raises
    ------
    DataError
        If a version is already there: what others have read must not change under its name.
    """
    paths = {version: folder / f"{version}.{kind}" for version in models}
    for version, path in paths.items():
        if path.exists():
            raise DataError(f"{path} is there already: give this version another name")
        if path.parent != folder:
            raise DataError(f"a version is part of a file name, got {version!r:.60}")
    folder.mkdir(parents=True, exist_ok=True)
    for version, model in models.items():
        write_embeddings(model, data, paths[version], version=version, show_progress=show_progress)
    return list(paths.values())
