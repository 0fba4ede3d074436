"""The kinds of models and their settings, as people look them up; texts come from the docstrings.

What each kind is, is read from the source: importing them all takes seconds.
"""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

from matcher.registry import MODELS


def summaries() -> dict[str, str]:
    """What each kind of model is, in one line."""
    return {name: _summary(*place.split(":")) for name, place in MODELS.items()}


def _summary(module: str, class_name: str) -> str:
    spec = find_spec(module)
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def settings(config: Any, outer: str = "") -> Iterator[tuple[str, Any, str]]:
    """Name, value and meaning of each setting; of one within another `outer.inner`."""
    told = _meanings(type(config))
    for one in fields(config):
        value = getattr(config, one.name)
        if is_dataclass(value):
            yield from settings(value, f"{outer}{one.name}.")
        else:
            yield f"{outer}{one.name}", value, told.get(one.name, "")


def _meanings(kind: type[Any]) -> dict[str, str]:
    """The strings below the fields of a dataclass and of those it inherits from."""
    found: dict[str, str] = {}
    for base in filter(is_dataclass, reversed(kind.__mro__)):
        (tree,) = ast.parse(dedent(inspect.getsource(base))).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for field, text in pairwise(body):
            is_told = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if is_told and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found[field.target.id] = " ".join(str(text.value.value).split())  # type: ignore[attr-defined]
    return found
