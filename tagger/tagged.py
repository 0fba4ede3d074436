"""Tagged jobs, and the rows that files have of them: JSON lines and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagger.errors import DataError
from tagger.feed_facts import Suggestion
from tagger.harmless import csv_cell, harmless
from tagger.interrupts import held
from tagger.model import Reason
from tagger.writing import PartWriter, as_cell, joined, writing

DIGITS = 4
"""Digits of a score that are written."""
LONG = ["tag", "score", "given", "review"]
OURS = ("id", "tags", "scores", *LONG, "feed", "reasons")
"""Columns of the output that no kept one may be called."""


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
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the file that stand beside the tags."""

    def to_json(self) -> dict[str, Any]:
        """As one object of plain values; `feed` and `reasons` only if there are any."""
        row: dict[str, Any] = {
            "id": self.id,
            **self.kept,
            "tags": list(self.tags),
            "review": list(self.review),
            "scores": {tag: round(score, DIGITS) for tag, score in self.scores.items()},
        }
        if self.feed:
            row["feed"] = {tag: one.told for tag, one in self.feed.items()}
        if self.reasons is not None:
            row["reasons"] = {tag: [list(r) for r in found] for tag, found in self.reasons.items()}
        return row

    def to_long(self) -> Iterator[dict[str, Any]]:
        """As one object for each tag."""
        for tag, score in self.scores.items():
            row: dict[str, Any] = {
                "id": self.id,
                **self.kept,
                "tag": tag,
                "score": round(score, DIGITS),
                "given": tag in self.tags,
                "review": tag in self.review,
                "feed": self.feed[tag].told if tag in self.feed else None,
            }
            if self.reasons is not None:
                row["reasons"] = signed(self.reasons[tag])
            yield row


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How tagged jobs are written."""

    kind: str = ".jsonl"
    """The ending of the file: ".csv", or else JSON lines."""
    keep: tuple[str, ...] = ()
    """Columns of the file of jobs that stand beside the tags."""
    is_long: bool = False
    """One row per job and tag, not one per job."""
    explain: bool = False
    """Whether the jobs come with reasons."""

    def __post_init__(self) -> None:
        for name in self.keep:
            if name in OURS or name.startswith("score:"):
                raise DataError(f"the output has a column {name} of its own: it can't be kept")

    def header(self, tags: Sequence[str]) -> list[str]:
        """Columns of CSV."""
        middle = LONG if self.is_long else ["tags", "review", *(f"score:{tag}" for tag in tags)]
        reasons = ["reasons"] if self.explain else []
        return ["id", *self.keep, *middle, "feed", *reasons]

    def rows(self, tagged: Iterable[TaggedJob]) -> str:
        """Lines of the file."""
        if self.kind != ".csv":
            return "".join(map(_json_line, self._objects(tagged)))
        if self.is_long:
            return csv_lines(map(as_cell, row.values()) for row in self._objects(tagged))
        return csv_lines(map(_csv_cells, tagged))

    def _objects(self, tagged: Iterable[TaggedJob]) -> Iterator[dict[str, Any]]:
        for one in tagged:
            yield from one.to_long() if self.is_long else [one.to_json()]


def _json_line(row: Mapping[str, Any]) -> str:
    return harmless(json.dumps(row, ensure_ascii=False, default=str)) + "\n"


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """Rows of harmless cells, as text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(csv_cell, row) for row in rows)
    return text.getvalue()


def _csv_cells(tagged: TaggedJob) -> list[object]:
    cells = [tagged.id, *map(as_cell, tagged.kept.values())]
    cells += [joined(tagged.tags), joined(tagged.review)]
    cells += [round(score, DIGITS) for score in tagged.scores.values()]
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

    JSON lines hold what `TaggedJob.to_json` gives. CSV has the columns id, those that are kept,
    tags, review (names separated by semicolons), ``score:TAG`` for each tag, feed, and with
    `explain` reasons; a long one has tag, score, given and review instead.

    Parameters
    ----------
    output
        Ends in .jsonl, .ndjson or .csv, each also .gz. An older file is replaced at the end.
    """

    done = "jobs tagged"

    def __init__(
        self,
        output: Path,
        tags: Sequence[str],
        *,
        keep: Sequence[str] = (),
        is_long: bool = False,
        explain: bool = False,
    ) -> None:
        super().__init__(output)
        self._tags = tags
        self.form = Form(kind=self.kind, keep=tuple(keep), is_long=is_long, explain=explain)

    def begin(self) -> None:
        super().begin()
        if self.kind == ".csv":
            self.stream.write(csv_lines([self.form.header(self._tags)]))

    def write(self, tagged: TaggedJob) -> None:
        """Write one row."""
        self.write_rows(self.form.rows([tagged]), 1)

    def write_rows(self, rows: str, n_rows: int) -> None:
        """Write rows as `Form.rows` makes them."""
        with writing(self.output), held():  # or the rows and their number would come apart
            self.stream.write(rows)
            self.n_rows += n_rows
