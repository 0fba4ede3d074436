"""What reads and writes files for the database's commands, which do not know the formats.

`cli` hands it over as `files` of the context's object.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from db.exporting import Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One source of rows, and how it is read."""

    name: str
    """A file, or what to call a table where a row of it is rejected."""
    rows: Callable[[], Iterator[Mapping[str, Any]]] | None = None
    """Reads a table from its start; None: `name` is a file."""
    columns: Mapping[str, str] | None
    """What our columns are called there."""
    encoding: str
    layout: Any
    """How else a file is to be read."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """What events call an action -> ours; under "" the action of all."""
    splits_tags: bool = False
    """Whether a tag of a label may stand for several, with a separator between them."""
    control: str | None = None
    """In Label Studio the control whose answers are tags."""
    rejects: Any
    """Takes what can't be used (`add`, `unknown`), and counts it (`count`, `n_unknown`)."""

    def reject(self, line: int, id: str | None, reason: str) -> None:
        """Leave a row out."""
        self.rejects.add(self.name, line, id, reason)

    def unknown(self, line: int, id: str | None, reason: str) -> None:
        """Tell of a value of a row that counts as unknown."""
        self.rejects.unknown(self.name, line, id, reason)


class Files(Protocol):
    """What reads and writes files."""

    def columns(self, pairs: Sequence[str] | None) -> Mapping[str, str] | None:
        """Our column names to theirs, from ``--column`` options."""

    def layout(self, delimiter: str | None, tag_separator: str, feed: str | None) -> Any:
        """How files are to be read, from options."""

    def actions(self, said: Sequence[str] | None) -> Mapping[str, str]:
        """What events call an action -> ours, from ``--action`` options."""

    def rejects(self, path: Path, *inputs: Path) -> AbstractContextManager[Any]:
        """What takes rejected rows, into `path` if any come; tells of them in the end."""

    def tag_names(self, reading: Reading) -> list[str]:
        """Every tag that rows of jobs name."""

    def label_tags(self, form: str | None, reading: Reading) -> list[str]:
        """Every tag that a file of labels, or of a labelling tool, names."""

    def tags_in(self, said: str, reading: Reading) -> list[str]:
        """The tags that one cell of a label names."""

    def doubts(self, names: Sequence[str], known: Sequence[str]) -> list[str]:
        """What looks wrong with names of tags that a file brings, in sentences."""

    def jobs(self, reading: Reading, *, labels: bool) -> Iterator[Any]:
        """Records (line, job, implicit, posted_at, others, n_rows); with `labels` what they say of
        tags."""

    def values(self, kind: str, reading: Reading) -> Iterator[Any]:
        """Rows (line, cells, others) of labels, candidates or events."""

    def answers(self, form: str, reading: Reading) -> Iterator[tuple[Any, dict[str, str]]]:
        """In a labelling tool's file: who said it of which job, and tag -> yes, no or unsure."""

    def writer(
        self, output: Path, columns: Mapping[str, str], *, objects_only: bool
    ) -> AbstractContextManager[Any]:
        """What writes rows (`write`) and counts them (`n_rows`); the file appears when whole."""

    def task_writer(
        self, form: str, suggested_by: str | None = None
    ) -> "Callable[[Answers], dict[str, Any]]":
        """What makes a task of a labelling tool of one person's answers on one job, or of what a
        model suggests."""
