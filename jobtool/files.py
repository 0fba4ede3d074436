"""Files as the database's commands read and write them: see `db.file_access`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tagger import commands
from tagger.column_options import parse_columns, read_actions, read_layout

if TYPE_CHECKING:
    from db.exporting import Answers
    from db.file_access import Reading
    from tagger.files import Layout
    from tagger.jobs import Record
    from tagger.label_tools import Answered
    from tagger.rejects import Rejects
    from tagger.tables import Found
    from tagger.tag_info import TagInfo
    from tagger.writing import RowWriter


class Files:
    """Files as the database's commands read and write them."""

    def columns(self, pairs: Sequence[str] | None) -> dict[str, str] | None:
        return parse_columns(pairs)

    def actions(self, said: Sequence[str] | None) -> dict[str, str]:
        return read_actions(said)

    def rejects(self, path: Path, *inputs: Path) -> "AbstractContextManager[Rejects]":
        return commands.collected(path, *inputs)

    def layout(self, delimiter: str | None, tag_separator: str, feed: str | None) -> "Layout":
        return read_layout(delimiter, tag_separator, feed)

    def tag_names(self, reading: "Reading") -> list[str]:
        from tagger.jobs import Rejects, tag_names

        return tag_names(_records(reading, Rejects(n_kept=0), labels=True))

    def label_tags(self, form: str | None, reading: "Reading") -> list[str]:
        from tagger.jobs import Rejects

        if form:
            if form == "label-studio" and reading.control is None:
                _tell_of_controls(reading)
            return sorted({tag for tags in self._offered(form, reading).values() for tag in tags})
        reading = replace(reading, rejects=Rejects(n_kept=0))
        said = {row.cells["tag"] for row in self.values("labels", reading)}
        return sorted({tag for one in said for tag in self.tags_in(one, reading)})

    def tags_in(self, said: str, reading: "Reading") -> list[str]:
        from tagger.columns import tag_name

        parts = said.split(reading.layout.separator) if reading.splits_tags else [said]
        return [tag for part in parts if (tag := tag_name(part))]

    def doubts(self, names: Sequence[str], known: Sequence[str]) -> list[str]:
        from tagger.tag_doubts import find_doubts

        return [str(doubt) for doubt in find_doubts(names, frozenset(known))]

    def jobs(self, reading: "Reading", *, labels: bool) -> "Iterator[Record]":
        from tagger.jobs import merge_runs

        return merge_runs(_records(reading, reading.rejects, labels=labels))

    def values(self, kind: str, reading: "Reading") -> "Iterator[Found]":
        from tagger.records import iter_values, split_values

        how: dict[str, Any] = {"rejects": reading.rejects, "columns": reading.columns}
        how["actions"] = reading.actions
        if reading.rows is not None:
            return split_values(kind, reading.rows(), reading.name, **how)
        how |= {"encoding": reading.encoding, "layout": reading.layout}
        return iter_values(kind, Path(reading.name), **how)

    def answers(self, form: str, reading: "Reading") -> "Iterator[tuple[Answered, dict[str, str]]]":
        offered = self._offered(form, reading)
        found = self._answered(form, reading, reading.rejects)
        return ((said, said.answers(offered)) for said in found)

    def _offered(self, form: str, reading: "Reading") -> dict[str, list[str]]:
        from tagger.jobs import Rejects
        from tagger.label_tools import offered_tags

        return offered_tags(self._answered(form, reading, Rejects(n_kept=0)))

    def _answered(self, form: str, reading: "Reading", rejects: "Rejects") -> "Iterator[Answered]":
        from tagger.label_tools import iter_answered

        found = iter_answered(
            Path(reading.name),
            form,
            rejects=rejects,
            columns=reading.columns,
            layout=reading.layout,
            control=reading.control,
        )

        def split(tags: Sequence[str]) -> tuple[str, ...]:
            return tuple(tag for one in tags for tag in self.tags_in(one, reading))

        for said in found:
            asked = None if said.asked is None else split(said.asked)
            names: dict[str, Any] = {
                name: split(getattr(said, name)) for name in ("yes", "unsure", "open")
            }
            yield replace(said, asked=asked, **names) if reading.splits_tags else said

    def writer(
        self, output: Path, columns: Mapping[str, str], *, objects_only: bool
    ) -> "AbstractContextManager[RowWriter]":
        from tagger.writing import RowWriter

        return RowWriter(output, columns, objects_only=objects_only)

    def task_writer(
        self, form: str, suggested_by: str | None = None
    ) -> "Callable[[Answers], dict[str, Any]]":
        from tagger.label_tasks import task_writer
        from tagger.label_tools import Answered

        write = task_writer(form, suggested_by=suggested_by)
        return lambda said: write(Answered(**asdict(said)))

    def read_tags(
        self, path: Path, columns: Mapping[str, str] | None, encoding: str
    ) -> "tuple[TagInfo, ...]":
        from tagger.tag_files import read_tags

        return read_tags(path, columns=columns, encoding=encoding)

    def write_tags(self, path: Path, infos: "Iterable[TagInfo]") -> None:
        from tagger.tag_files import write_tags

        write_tags(path, infos)

    def tags_as_csv(self, infos: "Iterable[TagInfo]") -> str:
        from tagger.tag_files import format_tags

        return format_tags(infos, "csv")


def _tell_of_controls(reading: "Reading") -> None:
    """Which of several controls of Label Studio is read."""
    from tagger.jobs import Rejects
    from tagger.label_studio import find_control
    from tagger.label_tools import iter_tasks

    tasks = iter_tasks(Path(reading.name), Rejects(n_kept=0), reading.layout)
    control, names = find_control(tasks)
    if len(names) > 1:
        others = ", ".join(name for name in names if name != control)
        typer.echo(f"Tags are the answers to {control}; for {others}: --control NAME", err=True)


def _records(reading: "Reading", rejects: "Rejects", *, labels: bool) -> "Iterator[Record]":
    from tagger.jobs import iter_records, split_records

    shared: dict[str, Any] = {"rejects": rejects, "columns": reading.columns, "labels": labels}
    shared["layout"] = reading.layout
    if reading.rows is not None:
        return split_records(reading.rows(), reading.name, **shared)
    path = Path(reading.name)
    return iter_records(path, encoding=reading.encoding, all_columns=True, **shared)
