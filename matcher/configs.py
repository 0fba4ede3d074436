"""Models by name and configuration: from JSON values to the frozen dataclass that a model takes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from enum import StrEnum
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from matcher.base import Matcher
from matcher.registry import find
from tagger.errors import DataError
from tagger.writing import writing


def make(name: str, config: Mapping[str, Any] | None = None, *, seed: int = 0) -> Matcher:
    """A model of the registry that is still to be fitted.

    Raises
    ------
    DataError
        If there is no such model, or the configuration names something that it doesn't have.

    Examples
    --------
    >>> make("popularity").name
    'popularity'
    >>> make("popularity", {"depth": 3})
    Traceback (most recent call last):
    tagger.errors.DataError: popularity has no configuration, got depth
    """
    model = find(name)
    options = {"seed": seed} if "seed" in getattr(model.__init__, "__annotations__", {}) else {}
    if model.config_class is None:
        if config:
            raise DataError(f"{name} has no configuration, got {', '.join(config)}")
        return model(**options)
    built = build(model.config_class, config or {}, name)
    return model(config=built, **options)  # type: ignore[call-arg]


def build(kind: type[Any], values: Mapping[str, Any], name: str) -> Any:
    """A configuration from plain values: lists become tuples, objects the dataclasses within."""
    hints = get_type_hints(kind)
    known = [one.name for one in fields(kind) if one.init]
    for key in values:
        if key not in known:
            raise DataError(f"{name} has no option {key!r:.40}; known: {', '.join(known)}")
    typed = {key: _typed(hints[key], value, f"{name}.{key}") for key, value in values.items()}
    try:
        return kind(**typed)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} can't be configured with {dict(values)}: {error}") from error


def _typed(hint: Any, value: Any, name: str) -> Any:
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for option in options:
        if is_dataclass(option) and isinstance(value, Mapping):
            return build(option, value, name)  # type: ignore[arg-type]
        if get_origin(option) is tuple and isinstance(value, list):
            inner = get_args(option)[0]
            return tuple(_typed(inner, one, name) for one in value)
        if _is_choice(option) and value in list(option):
            return option(value)
    wanted = {get_origin(option) or option for option in options}
    fits = isinstance(value, tuple(wanted)) and (not isinstance(value, bool) or bool in wanted)
    if type(value) is int and float in wanted and not fits:
        value, fits = float(value), True
    if not fits or (isinstance(value, float) and not isfinite(value)):
        raise DataError(f"{name} must be {hint_name(hint)}, got {value!r:.60}")
    return value


def _is_choice(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def hint_name(hint: Any) -> str:
    """A type as people write it in JSON.

    Examples
    --------
    >>> hint_name(float | None), hint_name(tuple[int, ...]), hint_name(Mapping[str, float])
    ('float or null', 'a list', 'an object')
    """
    if isinstance(hint, UnionType):
        return " or ".join(hint_name(one) for one in get_args(hint))
    if _is_choice(hint):
        return f"one of {', '.join(hint)}"
    kind = get_origin(hint) or hint
    if kind is tuple:
        return "a list"
    if kind is type(None):
        return "null"
    return "an object" if is_dataclass(kind) or kind is Mapping else str(kind.__name__)


def plain(model: Matcher) -> dict[str, Any]:
    """The configuration of a model as JSON values; {} if it has none."""
    if model.settings is None:
        return {}
    found: dict[str, Any] = json.loads(json.dumps(asdict(model.settings)))
    return found


def read_config(path: Path | None, name: str) -> dict[str, Any]:
    """A configuration from a JSON file, as `jobtool match tune` writes it.

    The file holds the configuration itself, or beside `model` in `config`.

    Raises
    ------
    DataError
        If the file can't be read, or is of another model.
    """
    if path is None:
        return {}
    found = _read(path)
    if "config" not in found:
        return found
    if not isinstance(found["config"], dict):
        raise DataError(f"{path} must hold an object in config, as jobtool match tune writes it")
    if found.get("model", name) != name:
        raise DataError(f"{path} is a configuration of {found['model']}, not of {name}")
    return dict(found["config"])


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold an object, as jobtool match tune writes it")
    return found


def named_configs(paths: Iterable[Path], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Configurations of several models, each from a file that says of which.

    Raises
    ------
    DataError
        If a file doesn't say, or says another one.
    """
    found = {}
    for path in paths:
        name = _read(path).get("model")
        if name not in names:
            raise DataError(
                f"{path} is a configuration of {name or 'no model'}: its key `model` must be one "
                f"of {', '.join(names)}"
            )
        found[str(name)] = read_config(path, str(name))
    return found


def write_config(path: Path, found: Mapping[str, Any]) -> None:
    """Write what a search has found, as `read_config` takes it."""
    part = path.with_name(f"{path.name}.part")
    with writing(path):
        part.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
