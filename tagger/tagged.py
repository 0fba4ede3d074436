"""Tagged jobs, and the rows that files have of them: JSON lines and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagger.feed_facts import Suggestion
from tagger.harmless import csv_cell, harmless
from tagger.interrupts import held
from tagger.model import Reason
from tagger.writing import PartWriter, joined, writing


@dataclass(frozen=True, slots=True)
class TaggedJob:
    """What a model says of one job."""

    id: str
    tags: tuple[str, ...]
    """Given: probability at or above the tag's threshold; the promised one, if promises were asked
    for."""
    review: tuple[str, ...]
    """Probability so near to the threshold that a person should look; or given, but not promised
    where promises were asked for."""
    scores: dict[str, float]
    """Tag -> calibrated probability, in [0, 1], rounded to 6 digits."""
    reasons: dict[str, list[Reason]] | None = None
    """Tag -> the terms that raised or lowered it, strongest first; None if not asked for."""
    feed: dict[str, Suggestion] = field(default_factory=dict)
    """Tag -> what other columns of the file say of it. Where it is not what a sure model says, the
    tag is also under `review`."""

    def to_json(self) -> dict[str, Any]:
        """As one object of plain values; `feed` and `reasons` only if there are any."""
        row: dict[str, Any] = {
            "id": self.id,
            "tags": list(self.tags),
            "review": list(self.review),
            "scores": self.scores,
        }
        if self.feed:
            row["feed"] = {tag: one.told for tag, one in self.feed.items()}
        if self.reasons is not None:
            row["reasons"] = {tag: [list(r) for r in found] for tag, found in self.reasons.items()}
        return row

    def to_line(self) -> str:
        """As a line of JSON."""
        return harmless(json.dumps(self.to_json(), ensure_ascii=False)) + "\n"


def as_rows(tagged: Iterable[TaggedJob], kind: str) -> str:
    """Lines of a file of this kind: ".csv", or else JSON lines."""
    if kind != ".csv":
        return "".join(one.to_line() for one in tagged)
    return _csv_lines(map(_csv_cells, tagged))


def _csv_lines(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(csv_cell, row) for row in rows)
    return text.getvalue()


def _csv_cells(tagged: TaggedJob) -> list[object]:
    cells = [tagged.id, joined(tagged.tags), joined(tagged.review), *tagged.scores.values()]
    cells.append(" | ".join(f"{tag}: {one.told}" for tag, one in tagged.feed.items()))
    if tagged.reasons is not None:
        shown = [tag for tag in tagged.reasons if tag in (*tagged.tags, *tagged.review)]
        cells.append(" | ".join(f"{tag}: {signed(tagged.reasons[tag])}" for tag in shown))
    return cells


def signed(reasons: Iterable[Reason]) -> str:
    """Reasons in one line.

    Examples
    --------
    >>> signed([Reason("work from home", 1.234), Reason("office", -0.5)])
    'work from home +1.2, office -0.5'
    """
    return ", ".join(f"{reason.term} {reason.effect:+.1f}" for reason in reasons)


class TagWriter(PartWriter):
    """Writes tagged jobs as JSON lines or CSV, whole or not at all; a context manager.

    JSON lines hold what `TaggedJob.to_json` gives. CSV has the columns id, tags, review (names
    separated by semicolons), ``score:TAG`` for each tag, feed, and with `explain` reasons.

    Parameters
    ----------
    output
        Ends in .jsonl, .ndjson or .csv, each also .gz. An older file is replaced at the end.
    """

    done = "jobs tagged"

    def __init__(self, output: Path, tags: Sequence[str], *, explain: bool = False) -> None:
        super().__init__(output)
        self._tags, self._explain = tags, explain

    def begin(self) -> None:
        super().begin()
        if self.kind == ".csv":
            scores = [f"score:{tag}" for tag in self._tags]
            reasons = ["reasons"] if self._explain else []
            self.stream.write(_csv_lines([["id", "tags", "review", *scores, "feed", *reasons]]))

    def write(self, tagged: TaggedJob) -> None:
        """Write one row."""
        self.write_rows(as_rows([tagged], self.kind), 1)

    def write_rows(self, rows: str, n_rows: int) -> None:
        """Write rows as `as_rows` makes them."""
        with writing(self.output), held():  # or the rows and their number would come apart
            self.stream.write(rows)
            self.n_rows += n_rows
