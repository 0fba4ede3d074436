"""Configurations of saved models, from the mappings and lists that JSON makes of them."""

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, get_type_hints

from tagger.errors import ModelError


def from_plain(kind: Any, value: Any) -> Any:
    """A dataclass, with those within, enumerations and tuples, from plain values.

    Raises
    ------
    ModelError
        If the values name a setting that the dataclass doesn't have.
    """
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        unknown = set(value) - {field.name for field in fields(kind)}
        if unknown:
            raise ModelError(
                f"the model has settings of another version ({', '.join(sorted(unknown))}): "
                "train it again"
            )
        return kind(**{name: from_plain(hints[name], one) for name, one in value.items()})  # type: ignore[operator]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
