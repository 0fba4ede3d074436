"""The HTML page that shows an evaluation: one file, see `tagger.pages`."""

from itertools import count
from pathlib import Path

from tagger import figures
from tagger.evaluation import Evaluation, Row
from tagger.pages import render_page, write_page

MAX_CONFUSION_COLUMNS = 30  # a wider table can't be read; the list of pairs still shows


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the report as one HTML file, replacing what was there.

    Raises
    ------
    DataError
        If the file can't be written.
    """
    write_page(path, render_report(evaluation))


def render_report(evaluation: Evaluation) -> str:
    """Return the report as one HTML page that loads nothing."""
    return render_page("tagger/report.html.j2", _context(evaluation))


def _context(e: Evaluation) -> Row:
    """All that the template shows; None or empty for the sections to leave out."""
    prefixes = (f"f{i}-" for i in count())
    wide = len(e.tags) > MAX_CONFUSION_COLUMNS or not e.confusion_counts.any()
    return {
        "info": e.info,
        "summary": e.summary,
        "scores": e.score_rows,
        "narrow": e.narrow_rows,
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
