"""What events say of a pair: counts and rates of the job, the candidate and the values of fields.

After 58's statistical features: windows, confidence (the counts themselves) and smoothing; and
what the candidate preferred before. Letters for axes: P pairs, D numbers of a code.
"""

import numpy as np
from scipy import sparse

from matcher.counts import Counts
from matcher.data import FloatArray, IntArray
from matcher.known import (
    Known,
    Numbers,
    Question,
    category_fields,
    dots,
    expanded,
    spans_matrix,
    unit,
)

Windows = tuple[float | None, ...]


class Statistics:
    """Counts of some data.

    Parameters
    ----------
    windows
        Days; None for all that came before.
    smoothing
        A rate counts so many pairs with the mean of all beside its own.
    max_fields
        Values of the first so many fields of jobs are counted.
    history
        The mean code is that of the latest so many jobs.
    """

    def __init__(
        self, known: Known, *, windows: Windows, smoothing: float, max_fields: int, history: int
    ) -> None:
        self.known, self.windows, self.smoothing = known, windows, smoothing
        self.history = history
        fields = category_fields(known.learned.fields["job"])
        self.values = [_Values(known, name, fields[name]) for name in list(fields)[:max_fields]]

    def numbers(self, asked: Question) -> Numbers:
        """All families: shown, yes, rate, affinity, cosine."""
        return {**self._entities(asked), **self._fields(asked), **self._cosines(asked)}

    def _entities(self, asked: Question) -> Numbers:
        """Of the job and of the candidate."""
        known = self.known
        entities = (
            ("job", known.by_job, known.group[asked.jobs]),
            ("candidate", known.by_candidate, asked.candidates),
        )
        found: Numbers = {}
        for entity, counts, keys in entities:
            for days in self.windows:
                n: Numbers = {
                    name: counts[name].before(keys, asked.times, days)
                    - known.hides(asked, name, days)
                    for name in counts
                }
                label = "" if days is None else f" {days:g}d"
                found |= self._rates(n, label, entity)
        return found

    def _fields(self, asked: Question) -> Numbers:
        """How the values of each field of the job do with everyone, and with this candidate."""
        found: Numbers = {}
        hidden, everyone = asked.hides("yes"), np.zeros_like(asked.jobs)
        n_mine = self.known.by_candidate["yes"].before(asked.candidates, asked.times) - hidden
        n_all = self.known.everyone.before(everyone, asked.times) - hidden
        for values in self.values:
            n = {name: values.count(name, asked) for name in self.known.first}
            found |= self._rates(n, "", values.name)
            prior = self.smoothing * n["yes"] / np.maximum(n_all, 1)
            mine = values.count("yes", asked, mine=True)
            affinity = (mine + prior) / (np.maximum(n_mine, 0) + self.smoothing)
            found[f"affinity: {values.name}"] = affinity
        return found

    def _rates(self, n: Numbers, label: str, of: str) -> Numbers:
        shown, yes = n["shown"], n["yes"]
        if not self.known.learned.has_no:
            return {f"yes{label}: {of}": np.log1p(yes)}
        prior = self.smoothing * self.known.learned.prior
        return {
            f"shown{label}: {of}": np.log1p(shown),
            f"yes{label}: {of}": np.log1p(yes),
            f"rate{label}: {of}": (yes + prior) / (np.maximum(shown, yes) + self.smoothing),
        }

    def _cosines(self, asked: Question) -> Numbers:
        codes, people = self.known.codes, self.known.data.candidates.codes
        if codes is None:
            return {}
        found = {"cosine: history": self._history(asked, codes)}
        if people is not None:
            found["cosine: code"] = dots(unit(people), asked.candidates, codes, asked.jobs)
        return found

    def _history(self, asked: Question, codes: FloatArray) -> FloatArray:
        """With the mean code of the jobs the candidate said yes to; nan without any."""
        counts, jobs = self.known.by_candidate["yes"], self.known.first["yes"][1]
        low, high = counts.spans(asked.candidates, asked.times)
        low = np.maximum(low, high - self.history)
        spans, row = np.unique(np.column_stack([low, high]), axis=0, return_inverse=True)
        matrix = spans_matrix(spans[:, 0], spans[:, 1] - spans[:, 0], counts.order_)
        sums = np.asarray(matrix @ codes[jobs])  # (spans, D)
        place = self.known.hidden_history(asked)
        hides = (place >= low) & (place < high)
        dot, norm = dots(sums, row, codes, asked.jobs), (sums**2).sum(axis=1)[row]
        gone = jobs[counts.order_[place[hides]]]  # the asked job, or the one it repeats
        dot[hides] -= dots(codes, gone, codes, asked.jobs[hides])
        norm[hides] += dots(codes, gone, codes, gone) - 2 * dots(sums, row[hides], codes, gone)
        cosine = np.clip(dot / np.sqrt(np.maximum(norm, 1e-9)), -1, 1)
        return np.where(high - low - hides > 0, cosine, np.nan)


class _Values:
    """Counts of the values of one field of jobs; a job with several counts for each."""

    def __init__(self, known: Known, name: str, places: IntArray) -> None:
        self.name, self.n = name, len(places)
        self.matrix = sparse.csr_array(known.fields["job"][:, places])
        self.counts, self.own = {}, {}
        self.jobs = {level: jobs for level, (_, jobs, _) in known.first.items()}
        for level, (people, jobs, times) in known.first.items():
            row, value = expanded(self.matrix, jobs)
            n_keys = self.n * len(known.data.candidates)
            self.counts[level] = Counts(value, times[row], self.n)
            self.own[level] = Counts(
                people[row].astype(np.int64) * self.n + value, times[row], n_keys
            )

    def count(self, level: str, asked: Question, *, mine: bool = False) -> FloatArray:
        """Mean over the values of the job: by everyone or by the candidate; shape (P,)."""
        row, value = expanded(self.matrix, asked.jobs)
        keys = asked.candidates[row].astype(np.int64) * self.n + value if mine else value
        counts = (self.own if mine else self.counts)[level].before(keys, asked.times[row])
        hidden = asked.hidden[level][row]
        at = np.flatnonzero(hidden >= 0)
        if len(at):
            met = self.jobs[level][hidden[at]]  # the asked job, or one that it repeats
            counts[at] -= np.asarray(self.matrix[met, value[at]]).ravel() > 0
        n_values = np.bincount(row, minlength=len(asked.jobs))
        total = np.bincount(row, counts, minlength=len(asked.jobs))
        return np.asarray(total / np.maximum(n_values, 1))
