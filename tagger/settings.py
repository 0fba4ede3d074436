"""Options that a team gives every time, kept in a file of the folder where it works.

The file is ``jobtool.toml``, or the table ``tool.jobtool`` of ``pyproject.toml``. What the command
line says, or an environment variable, counts more.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagger.columns import some
from tagger.errors import DataError

NAME = "jobtool.toml"
KINDS = ("candidates", "events", "labels", "tags")
"""Kinds of rows with columns of their own; all other columns are those of jobs."""
_TEXTS = ("database", "delimiter", "encoding", "tag-separator", "tags")

Commands = Mapping[str, Any]
"""Name -> the names of a command's options, or the commands below it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What such a file says."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """database, delimiter, encoding, tag-separator, tags (a file) -> value."""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Kind of rows -> our column name -> theirs."""

    def defaults(self, commands: Commands, path: tuple[str, ...] = ()) -> dict[str, Any]:
        """Command -> option -> value, as the command line takes it; below groups nested."""
        found: dict[str, Any] = {}
        for name, inner in commands.items():
            below = (*path, name)
            if isinstance(inner, Mapping):
                found[name] = self.defaults(inner, below)
            else:
                options = self._options(below)
                found[name] = {option: options[option] for option in inner if option in options}
        return found

    def _options(self, path: tuple[str, ...]) -> dict[str, Any]:
        options: dict[str, Any] = {
            name.replace("-", "_"): value
            for name, value in self.texts.items()
            if name in ("delimiter", "encoding", "tag-separator")
        }
        if "database" in self.texts and path != ("tag",):  # without --db it tags files
            options["db"] = self.texts["database"]
        if path == ("train",) and "tags" in self.texts:
            options["tags"] = self.texts["tags"]
        if path[0] in ("import", "train", "evaluate", "tag"):
            kind = path[1] if path[0] == "import" else "jobs"
            pairs = dict(self.columns.get(kind, {}))
            if "tags" in options:
                pairs |= {f"tags.{ours}": one for ours, one in self.columns.get("tags", {}).items()}
            if pairs:
                options["column"] = [f"{ours}={theirs}" for ours, theirs in pairs.items()]
        return options


def read_settings(folder: Path) -> Settings:
    """What the file in a folder says; nothing if there is none.

    Raises
    ------
    DataError
        If it can't be read, or says what we don't know.
    """
    path = folder / NAME
    content = _content(path)
    if content is None:
        path = folder / "pyproject.toml"
        content = (_content(path) or {}).get("tool", {}).get("jobtool", {})
    unknown = sorted(content.keys() - {*_TEXTS, "columns"})
    if unknown:
        known = ", ".join((*_TEXTS, "columns"))
        raise DataError(f"{path} has unknown keys: {some(unknown)}; known: {known}")
    texts = {name: value for name, value in content.items() if name != "columns"}
    columns = content.get("columns", {})
    if not isinstance(columns, dict):
        raise DataError(f"{path}: columns must be a table, as [columns] and text = 'description'")
    by_kind = {
        kind: columns[kind] for kind in KINDS if isinstance(columns.get(kind), dict)
    }  # under the same name jobs may have a column: tags = "labels"
    by_kind["jobs"] = {name: value for name, value in columns.items() if name not in by_kind}
    for where, values in {"the file": texts, **by_kind}.items():
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise DataError(f"{path}: the values of {where} must be strings in quotes")
    return Settings(texts, by_kind)


def _content(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is one, UnicodeError another
        raise DataError(f"{path} is no TOML: {error}") from error
