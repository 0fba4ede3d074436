"""What an evaluation found: scores, intervals and rows to show, as a page, a table or JSON.

Axes: N jobs, T tags, C code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger import metrics
from tagger.bootstrap import Intervals, Resampled, paired_bootstrap, resample
from tagger.errors import DataError
from tagger.metrics import BoolArray, FloatArray, LabelArray, plain
from tagger.ppi import PpiInterval, linear_scores, ppi_interval

Row = dict[str, Any]

SCORES = ("mean_average_precision", "macro_f1", "micro_f1")


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Labels, predictions and everything else the report shows. N jobs, T tags.

    Raises
    ------
    DataError
        If the arrays do not fit together.
    """

    tags: Sequence[str]
    """In column order."""
    Y: LabelArray
    """Shape (N, T): 1 yes, 0 no, -1 unknown."""
    proba: FloatArray
    """Shape (N, T), in [0, 1]; of jobs the model was not trained on."""
    decisions: BoolArray
    """Shape (N, T): True where the tag is given."""
    thresholds: FloatArray
    """Shape (T,): a tag is given from here on; nan where none was chosen."""
    name: str = "jobtool"
    """How the tables call the evaluated tagger."""
    review: BoolArray | None = None
    """Shape (N, T): True where the probability lies in the band left to a person."""
    bands: FloatArray | None = None
    """Shape (T, 2): lowest and highest probability left to a person; nan for no band."""
    groups: npt.NDArray[np.generic] | None = None
    """Shape (N,): equal for jobs that repeat each other; None where every job is alone."""
    unlabelled: tuple[FloatArray, BoolArray] | None = None
    """Probabilities and decisions of U unlabelled jobs that the model was not trained on and that
    are drawn like the labelled ones, shape (U, T) each: they narrow the intervals."""
    unlabelled_groups: npt.NDArray[np.generic] | None = None
    """Shape (U,): equal for jobs that repeat each other."""
    baselines: Mapping[str, tuple[FloatArray, BoolArray]] = field(default_factory=dict)
    """Name -> (proba, decisions) on the same jobs, in the order to show."""
    codes: FloatArray | None = None
    """Shape (N, C): output of the encoder."""
    histories: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    """Name of a network -> one row per epoch with `epoch`, `loss` and perhaps `val_loss`."""
    remarks: Mapping[str, str] = field(default_factory=dict)
    """Tag -> what a reader has to know about it."""
    info: Mapping[str, str] = field(default_factory=dict)
    """What was evaluated, how, when, by which version: shown as it is, in this order."""
    n_samples: int = 500
    """Bootstrap resamples."""
    seed: int = 0
    """Decides the resamples."""

    def __post_init__(self) -> None:
        metrics.check_scores(self.Y, self.proba, self.decisions)
        for proba, decisions in self.baselines.values():
            metrics.check_scores(self.Y, proba, decisions)
        n_jobs, n_tags = self.Y.shape
        _check_shape("tags", np.empty(len(self.tags)), (n_tags,))
        _check_shape("thresholds", self.thresholds, (n_tags,))
        _check_shape("review", self.review, (n_jobs, n_tags))
        _check_shape("bands", self.bands, (n_tags, 2))
        _check_shape("groups", self.groups, (n_jobs,))
        if self.codes is not None:
            _check_shape("codes", self.codes, (n_jobs, self.codes.shape[-1]))

    @cached_property
    def summary(self) -> metrics.Summary:
        """Scores over all tags."""
        return metrics.summary(self.Y, self.proba, self.decisions, review=self.review)

    @cached_property
    def tag_scores(self) -> list[metrics.TagScores]:
        """Scores of each tag, in column order."""
        return metrics.tag_scores(self.Y, self.proba, self.decisions)

    @cached_property
    def intervals(self) -> Intervals:
        """95% intervals of our own scores."""
        return self._resampled.intervals()

    @cached_property
    def narrow_intervals(self) -> dict[str, PpiInterval]:
        """Score -> its 95% interval with the help of unlabelled jobs; empty without any."""
        if self.unlabelled is None:
            return {}
        scores = linear_scores(self.Y, self.proba, self.decisions, self.unlabelled)
        return {
            name: ppi_interval(
                getattr(scores, name),
                groups=self.groups,
                unlabelled_groups=self.unlabelled_groups,
            )
            for name in SCORES
        }

    @cached_property
    def narrow_rows(self) -> list[Row]:
        """The same beside the bootstrap's, as plain values."""
        rows = []
        for name, found in self.narrow_intervals.items():
            plainly = getattr(self.intervals, name)
            width = plainly.high - plainly.low
            rows.append(
                {
                    "score": name,
                    "bootstrap_low": plain(plainly.low),
                    "bootstrap_high": plain(plainly.high),
                    "value": plain(found.value),
                    "low": plain(found.low),
                    "high": plain(found.high),
                    "trust": plain(found.trust),
                    "width_ratio": plain((found.high - found.low) / width) if width else None,
                    "unlabelled": 0 if self.unlabelled is None else len(self.unlabelled[0]),
                }
            )
        return rows

    @cached_property
    def score_rows(self) -> list[Row]:
        """Ours first, then the baselines: scores, bounds, and how far ours is ahead.

        `ahead` is the difference in mean average precision on the same resamples; None for ours.
        """
        rows = [{"method": self.name, **_bounds(self.intervals), **_ahead(None)}]
        for name, (proba, decisions) in self.baselines.items():
            other = self._resample(proba, decisions)
            ahead = paired_bootstrap(other, self._resampled)
            rows.append({"method": name, **_bounds(other.intervals()), **_ahead(ahead)})
        return rows

    @cached_property
    def tag_rows(self) -> list[Row]:
        """One row per tag: counts, threshold, scores and remark."""
        return [
            {
                "tag": tag,
                "support": s.support,
                "known": s.known,
                "predicted": s.predicted,
                "threshold": plain(self.thresholds[t]),
                "precision": plain(s.precision),
                "recall": plain(s.recall),
                "f1": plain(s.f1),
                "average_precision": plain(s.average_precision),
                "average_precision_low": plain(self.intervals.average_precision[t].low),
                "average_precision_high": plain(self.intervals.average_precision[t].high),
                "prior": s.support / s.known if s.known else None,
                "remark": self.remarks.get(tag) or _remark(s),
            }
            for t, (tag, s) in enumerate(zip(self.tags, self.tag_scores, strict=True))
        ]

    @cached_property
    def threshold_rows(self) -> list[Row]:
        """One row per tag: threshold, review band, how many jobs fall in it, calibration."""
        bands = np.full((len(self.tags), 2), np.nan) if self.bands is None else self.bands
        return [
            {
                "tag": tag,
                "threshold": plain(self.thresholds[t]),
                "low": plain(bands[t, 0]),
                "high": plain(bands[t, 1]),
                "review": None if self.review is None else int(self.review[:, t].sum()),
                "review_share": None if self.review is None else float(self.review[:, t].mean()),
                "calibration_error": plain(
                    metrics.expected_calibration_error(self.Y[:, t], self.proba[:, t])
                ),
            }
            for t, tag in enumerate(self.tags)
        ]

    @cached_property
    def calibration_curve(self) -> metrics.CalibrationCurve:
        """Of all known cells together."""
        return metrics.calibration_curve(self.Y, self.proba, _n_bins(self.Y))

    @cached_property
    def calibration_error(self) -> float | None:
        """Of all known cells together, in [0, 1]; None without a known label."""
        error = metrics.expected_calibration_error(self.Y, self.proba, _n_bins(self.Y))
        return None if np.isnan(error) else error

    @cached_property
    def confusion_counts(self) -> npt.NDArray[np.intp]:
        """Shape (T, T): jobs where the row's tag was missed and the column's wrongly given."""
        return metrics.confusions(self.Y, self.decisions)

    def confusion_rows(self, limit: int = 15) -> list[Row]:
        """The most frequent pairs of a missed and a wrongly given tag, at most `limit`."""
        counts = self.confusion_counts
        order = np.argsort(-counts, axis=None, kind="stable")[:limit]
        pairs = zip(*np.unravel_index(order, counts.shape), strict=True)
        return [
            {"missed": self.tags[a], "given": self.tags[b], "jobs": int(counts[a, b])}
            for a, b in pairs
            if counts[a, b]
        ]

    def to_json(self) -> Row:
        """Everything counted, as plain values; a score that is not defined is None."""
        return {
            "info": dict(self.info),
            "seed": self.seed,
            "n_samples": self.n_samples,
            "summary": {
                name: plain(getattr(self.summary, name)) for name in self.summary.__slots__
            },
            "scores": self.score_rows,
            "narrow_intervals": self.narrow_rows,
            "tags": self.tag_rows,
            "thresholds": self.threshold_rows,
            "calibration_error": self.calibration_error,
            "confusions": self.confusion_rows(),
            "histories": {
                name: [{key: plain(value) for key, value in row.items()} for row in rows]
                for name, rows in self.histories.items()
            },
        }

    @cached_property
    def _resampled(self) -> Resampled:
        return self._resample(self.proba, self.decisions)

    def _resample(self, P: FloatArray, D: BoolArray) -> Resampled:
        """On resamples that are the same for every method."""
        return resample(self.Y, P, D, groups=self.groups, n_samples=self.n_samples, seed=self.seed)


def _n_bins(Y: LabelArray) -> int:
    """Calibration bins: fine ones only where each still holds about a hundred cells."""
    return 20 if (Y >= 0).sum() >= 2000 else 10


def _remark(s: metrics.TagScores) -> str:
    if not s.known:
        return "no known labels"
    if not s.support:
        return "no job is known to carry it"
    return "every known job carries it" if s.support == s.known else ""


def _bounds(i: Intervals) -> Row:
    row: Row = {}
    for name in SCORES:
        interval = getattr(i, name)
        row[name] = plain(interval.value)
        row[f"{name}_low"], row[f"{name}_high"] = plain(interval.low), plain(interval.high)
    return row


def _ahead(i: Intervals | None) -> Row:
    if i is None:
        return {"ahead": None, "ahead_low": None, "ahead_high": None}
    gain = i.mean_average_precision
    return {
        "ahead": plain(gain.value),
        "ahead_low": plain(gain.low),
        "ahead_high": plain(gain.high),
    }


def _check_shape(name: str, values: npt.NDArray[Any] | None, shape: tuple[int, ...]) -> None:
    if values is not None and values.shape != shape:
        raise DataError(f"{name} must have shape {shape}, got {values.shape}")
