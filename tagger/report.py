"""The HTML page that shows an evaluation.

The page is one file: style, vector plots and heat maps are inside it, nothing is loaded and
nothing runs. Text that users can choose (tags, names, remarks) is written by the template,
which escapes it.
"""

from contextlib import suppress
from importlib import resources
from itertools import count
from pathlib import Path

from tagger import figures
from tagger.errors import DataError
from tagger.evaluation import Evaluation, Row

MAX_CONFUSION_COLUMNS = 30  # a wider table can't be read; the list of pairs still shows
NOTHING = "\N{EN DASH}"  # stands where a score is not defined


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the report as one HTML file, replacing what was there.

    Raises
    ------
    DataError
        If the file can't be written.
    """
    page = render_report(evaluation)
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


def render_report(evaluation: Evaluation) -> str:
    """Return the report as one HTML page that loads nothing."""
    import jinja2

    source = resources.files("tagger").joinpath("data/report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "score": _score,
        "signed": _signed,
        "percent": _percent,
        "counted": _counted,
        "width": _width,
    }
    return environment.from_string(source).render(_context(evaluation))


def _context(e: Evaluation) -> Row:
    """All that the template shows; None or empty for the sections to leave out."""
    prefixes = (f"f{i}-" for i in count())
    wide = len(e.tags) > MAX_CONFUSION_COLUMNS or not e.confusion_counts.any()
    return {
        "info": e.info,
        "summary": e.summary,
        "scores": e.score_rows,
        "tags": e.tag_rows,
        "thresholds": e.threshold_rows,
        "has_bands": e.bands is not None,
        "has_review": e.review is not None,
        "has_groups": e.groups is not None,
        "n_samples": e.n_samples,
        "confusions": e.confusion_rows(),
        "confusion_table": None if wide else e.confusion_counts.tolist(),
        "confusion_max": int(e.confusion_counts.max()),
        "curves": list(figures.tag_curves(e, prefixes)),
        "calibration": figures.calibration(e.calibration_curve, prefixes),
        "calibration_error": e.calibration_error,
        "histories": [
            (name, figures.learning_curve(name, rows, prefixes))
            for name, rows in e.histories.items()
            if rows
        ],
        "strips": [] if e.codes is None else list(figures.code_strips(e, e.codes)),
        "code_dim": 0 if e.codes is None else e.codes.shape[1],
    }


def _score(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1%}"


def _counted(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _width(value: float | None) -> str:
    """A share as a CSS length."""
    return f"{value or 0:.1%}"
