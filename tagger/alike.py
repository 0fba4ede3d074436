"""Unlabelled jobs that may stand beside labelled ones in an interval: drawn alike, told apart.

Letters for axes: N labelled jobs, U unlabelled jobs.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tagger.domain import difference
from tagger.features import Counted, RowStatistics
from tagger.splits import duplicate_groups
from tagger.tagger import join_counted

Ints = npt.NDArray[np.intp]

MAX_ALIKE = 5000
"""Unlabelled jobs that are asked about; more would hardly make intervals narrower."""
_MOST_Z = 2.33
"""Of unlabelled jobs that are drawn like the labelled ones, one set in a hundred is refused."""


class Alike(NamedTuple):
    """Unlabelled jobs that can't be told from labelled ones."""

    chosen: Ints
    """Their places among the unlabelled jobs; empty if those are of another kind."""
    groups: npt.NDArray[Any]
    """Shape of `chosen`: equal for jobs that repeat each other."""
    note: str
    """How many there are, or why there are none."""


def find_alike(labelled: Counted, groups: Ints, unlabelled: Counted, *, seed: int = 0) -> Alike:
    """Choose the unlabelled jobs that may narrow an interval, at most `MAX_ALIKE`.

    Where a classifier can tell unlabelled jobs from labelled ones, none may: scores on them would
    be scores on something else. Reposts of labelled jobs are left out.

    Parameters
    ----------
    groups : shape (N,)
        Equal for labelled jobs that repeat each other.
    """
    n, n_others = len(labelled.measures), len(unlabelled.measures)
    nobody = np.zeros(0, np.intp)
    if not n or not n_others:
        return Alike(nobody, nobody, "none: no unlabelled jobs were given")
    drawn = np.random.default_rng(seed).permutation(n_others)[:MAX_ALIKE]
    drawn.sort()
    asked = unlabelled.take(drawn)
    statistics = RowStatistics()
    statistics.add(labelled)
    statistics.add(asked)
    rows = statistics.weights().weigh(join_counted([labelled, asked]))
    joint = duplicate_groups(rows, seed=seed)
    is_new = ~np.isin(joint[n:], joint[:n])
    chosen, of_group = drawn[is_new], joint[n:][is_new]
    if not len(chosen):
        return Alike(nobody, nobody, "none: the unlabelled jobs repeat labelled ones")
    first = np.sort(np.unique(groups, return_index=True)[1])  # one of each group
    first_new = n + np.flatnonzero(is_new)[np.sort(np.unique(of_group, return_index=True)[1])]
    auc, z = difference(rows[first], rows[first_new])
    if z > _MOST_Z:
        return Alike(
            nobody,
            nobody,
            f"none: the unlabelled jobs are of another kind (told from labelled ones with an area "
            f"under the curve of {auc:.2f})",
        )
    return Alike(chosen, of_group, f"{len(chosen):,} unlabelled jobs like the labelled ones")
