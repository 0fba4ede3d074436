"""What is known of a pair before it is asked about: a small declared set of numbers and columns.

Each number has a name, `family: detail`; nan stands for unknown.

====================  ============================================================================
family                what it says
====================  ============================================================================
number                a number that a field of the job or the candidate holds
age                   days since the job was posted, log(1 + x)
shown, yes            how many were shown the job, or said yes (of the candidate: how many jobs;
                      of a field: its value, whoever has it), log(1 + x), in windows of days and
                      in all: also the confidence that the rate beside it deserves
rate                  yes of shown, smoothed towards the mean of all
affinity              share of the candidate's jobs that has the value this job has, smoothed
                      towards the share among everyone's
cosine                of the job's code with the candidate's, and with the mean code of the jobs
                      that the candidate said yes to
same, overlap         whether a field that both have is equal; of lists the Jaccard index
difference            the job's number less the candidate's, in standard deviations
distance              between two places, log(1 + km)
====================  ============================================================================

Columns are the values of fields of the job and of the candidate as `matcher.fields` finds them
(tags that the tagger gave come in as a field of lists) and their ids. Letters for axes: C
candidates, J jobs, P pairs, F numbers.

References
----------
58's talk on ranking in recruiting: basic features, statistics with windows, confidence and
smoothing, crossed features (position, salary, distance), tags of texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from matcher.base import Arrays, Pairs
from matcher.crossed import crossed, distance, plain
from matcher.data import FloatArray, IntArray, MatchData, Profiles
from matcher.examples import Examples, Stage, levels
from matcher.fields import FieldConfig, FieldEncoder
from matcher.known import SIDES, Known, Learned, Numbers, first_events, yes_or_no
from matcher.statistics import Statistics
from tagger.errors import DataError

FIELDS = FieldConfig(max_values=1000, min_count=1)
"""What is rare on one side may be frequent on the other, which it is compared with."""
N_FOLDS = 10
"""Without times: parts of the pairs whose events are hidden together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig:
    """Which numbers and columns there are."""

    windows_days: tuple[float, ...] = (1, 7, 28)
    """Of the statistics, beside all that came before; where events have times."""
    smoothing: float = 10.0
    """A rate counts so many pairs with the mean of all beside its own."""
    max_fields: int = 12
    """Statistics of values are made of the first so many fields of jobs with categories."""
    history: int = 32
    """The mean code is that of the latest so many jobs."""
    crossed: tuple[tuple[str, str], ...] = ()
    """Fields of candidates and of jobs to compare, beside those with the same name on both sides,
    as in ("salary_wanted", "salary")."""
    place: tuple[str, str] | None = None
    """Fields with latitude and longitude in degrees, on both sides."""
    ids: bool = True
    """Whether jobs and candidates are known by name (in the columns)."""
    min_id_count: int = 5
    """Pairs that an id needs for a column of its own."""

    def __post_init__(self) -> None:
        if min(self.windows_days, default=1) <= 0 or not self.smoothing > 0:
            raise DataError("windows_days and smoothing must be above 0")
        if min(self.history, self.min_id_count) < 1 or self.max_fields < 0:
            raise DataError("history and min_id_count must be at least 1, max_fields at least 0")


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Features of P pairs. The columns of a side stand once for each of its rows, not per pair."""

    numbers: FloatArray
    """Shape (P, F), float32; nan for unknown."""
    jobs: IntArray
    """Shape (P,)."""
    candidates: IntArray
    """Shape (P,)."""
    job_columns: sparse.csr_array
    """Shape (J, columns of a job), float32, 0 or 1."""
    candidate_columns: sparse.csr_array
    """Shape (C, columns of a candidate), float32, 0 or 1."""

    def __len__(self) -> int:
        return len(self.jobs)

    def take(self, which: Any) -> "Rows":
        """Some pairs, in the order given."""
        numbers, jobs, candidates = (
            part[which] for part in (self.numbers, self.jobs, self.candidates)
        )
        return Rows(numbers, jobs, candidates, self.job_columns, self.candidate_columns)


class PairFeatures:
    """The declared features, with what is learned of them from training data.

    Attributes
    ----------
    names_ : tuple of str, length F
        Of the numbers.
    learned_ : Learned
    """

    def __init__(self, config: FeatureConfig | None = None, stage: Stage = Stage.TARGET) -> None:
        self.config = config or FeatureConfig()
        self.stage = stage
        self._tables: tuple[MatchData, Known, Statistics] | None = None

    def fit(self, data: MatchData, pairs: Pairs) -> Self:
        """Learn fields and rates, and the ids that come often enough in the pairs."""
        shown, yes = levels(data, self.stage)
        n_shown, n_yes = (len(first_events(data, level)[0]) for level in (shown, yes))
        codes = data.jobs.codes
        self.learned_ = Learned(
            shown=shown,
            yes=yes,
            fields={
                "job": FieldEncoder(FIELDS).fit(data.jobs),
                "candidate": FieldEncoder(FIELDS).fit(data.candidates),
            },
            ids={
                "job": self._frequent(data.jobs, pairs.jobs),
                "candidate": self._frequent(data.candidates, pairs.candidates),
            },
            code_dim=0 if codes is None else codes.shape[1],
            has_times=bool(np.isfinite(data.events.times).any()),
            has_no=n_yes < n_shown,
            prior=n_yes / n_shown,
        )
        self._tables = None
        self.names_ = tuple(self._numbers(*self._tables_of(data), pairs.take(slice(1))))
        return self

    def rows(self, data: MatchData, pairs: Pairs) -> Rows:
        """Features of pairs; what the data lack is unknown."""
        known, statistics = self._tables_of(data)
        found = self._numbers(known, statistics, pairs)
        numbers = np.full((len(pairs), len(self.names_)), np.nan, np.float32)
        for place, name in enumerate(self.names_):
            if name in found:
                numbers[:, place] = found[name]
        columns = known.columns
        return Rows(numbers, pairs.jobs, pairs.candidates, columns["job"], columns["candidate"])

    def training_rows(self, data: MatchData, examples: Examples) -> Rows:
        """Features of pairs whose answer is among the events.

        With times, the answer lies after the moment asked about. Without, it is hidden with those
        of a tenth of all pairs: hiding each alone would tell a yes by a count that lacks just one.
        """
        rows = self.rows(data, examples.pairs)
        fold_of = np.random.default_rng(0).integers(N_FOLDS, size=len(data.events))
        events, pairs = data.events, examples.pairs
        own, first, pair = np.unique(
            data.pair_keys(events.candidates, events.jobs), return_index=True, return_inverse=True
        )
        fold = fold_of[first]  # of each pair
        beside = fold[np.searchsorted(own, data.pair_keys(pairs.candidates, examples.beside))]
        beside[~np.isnan(pairs.times)] = -1
        like = self._tables_of(data)[0]
        for number in np.unique(beside[beside >= 0]):
            part = data.with_events(events.take(fold[pair] != number))
            asked = np.flatnonzero(beside == number)
            known = Known(self.learned_, part, like)
            found = self._numbers(known, self._statistics(known), pairs.take(asked))
            for place, name in enumerate(self.names_):
                rows.numbers[asked, place] = found[name]
        return rows

    @property
    def columns_(self) -> tuple[str, ...]:
        """Names of the columns: of a job, then of a candidate."""
        return tuple(name for side in SIDES for name in self._columns(side))

    def _columns(self, side: str) -> list[str]:
        fields = self.learned_.fields[side]
        names = [f"{side} {fields.names_[place]}" for place in yes_or_no(fields)]
        return names + [f"{side} id={id}" for id in self.learned_.ids[side]]

    def fields_of_columns(self, side: str) -> IntArray:
        """Number of the field that each column of a side stands for, from 0 on; ids are one."""
        encoder = self.learned_.fields[side]
        names = [encoder.columns_[place].field for place in yes_or_no(encoder)]
        number = {name: at for at, name in enumerate(dict.fromkeys(names))}
        ids = np.full(len(self.learned_.ids[side]), len(number))
        found: IntArray = np.r_[np.array([number[name] for name in names], np.intp), ids]
        return found

    def _frequent(self, profiles: Profiles, rows: IntArray) -> tuple[str, ...]:
        if not self.config.ids:
            return ()
        counts = np.bincount(rows, minlength=len(profiles))
        return tuple(
            profiles.ids[row] for row in np.flatnonzero(counts >= self.config.min_id_count)
        )

    def _tables_of(self, data: MatchData) -> tuple[Known, Statistics]:
        """The latest are kept, since the same data are asked about again and again."""
        if self._tables is None or self._tables[0] is not data:
            known = Known(self.learned_, data)
            self._tables = data, known, self._statistics(known)
        return self._tables[1:]

    def _statistics(self, known: Known) -> Statistics:
        config = self.config
        return Statistics(
            known,
            windows=(*config.windows_days, None) if self.learned_.has_times else (None,),
            smoothing=config.smoothing,
            max_fields=config.max_fields,
            history=config.history,
        )

    def _numbers(self, known: Known, statistics: Statistics, pairs: Pairs) -> Numbers:
        asked = known.question(pairs)
        found = {**plain(known, asked), **statistics.numbers(asked)}
        found |= crossed(known, asked, self.config.crossed)
        if self.config.place:
            found["distance: place"] = distance(known, asked, *self.config.place)
        return found

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        """Arrays by file name, and plain values."""
        learned = self.learned_
        ids: dict[str, npt.NDArray[Any]] = {
            side: np.array(learned.ids[side], np.str_) for side in SIDES
        }
        files = {f"{side}_fields": learned.fields[side].to_arrays() for side in SIDES}
        kept = ("shown", "yes", "code_dim", "has_times", "has_no", "prior")
        meta = {name: getattr(learned, name) for name in kept}
        return {**files, "ids": ids}, {"names": list(self.names_), "learned": meta}

    @classmethod
    def from_arrays(
        cls, files: Mapping[str, Arrays], meta: Mapping[str, Any], config: FeatureConfig
    ) -> Self:
        features = cls(config)
        features.names_ = tuple(meta["names"])
        features.learned_ = Learned(
            fields={side: FieldEncoder.from_arrays(files[f"{side}_fields"]) for side in SIDES},
            ids={side: tuple(files["ids"][side].tolist()) for side in SIDES},
            **meta["learned"],
        )
        return features
