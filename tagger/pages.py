"""HTML pages of one file: style and plots are inside, nothing is loaded and nothing runs.

Text that users can choose (tags, names, remarks) is written by the templates, which escape it.
"""

from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from tagger.errors import DataError

NOTHING = "\N{EN DASH}"  # stands where a score is not defined


def render_page(template: str, context: Mapping[str, Any]) -> str:
    """A page from a template of ours, named as package/file; it can include others."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_source),
    )
    environment.filters |= {
        "score": _score,
        "signed": _signed,
        "percent": _percent,
        "counted": _counted,
        "width": _width,
        "amount": _amount,
    }
    return environment.get_template(template).render(context)


def write_page(path: Path, page: str) -> None:
    """Write a page as one file, replacing what was there.

    Raises
    ------
    DataError
        If the file can't be written.
    """
    beside = path.parent / f".{path.name}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(page, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise DataError(f"can't write the report to {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _source(name: str) -> str:
    package, file = name.split("/")
    return resources.files(package).joinpath(f"data/{file}").read_text(encoding="utf-8")


def _score(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1%}"


def _counted(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _amount(value: float | None) -> str:
    """Seconds or megabytes."""
    return NOTHING if value is None else f"{value:,.{0 if value >= 100 else 2}f}"


def _width(value: float | None) -> str:
    """A share as a CSS length."""
    return f"{value or 0:.1%}"
