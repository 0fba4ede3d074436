"""Probabilities of labelled jobs from models that have not seen their labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError
from tagger.features import count_all
from tagger.jobs import Job
from tagger.labels import encode_labels, known_counts
from tagger.tagger import JobTagger

FloatArray = npt.NDArray[np.floating[Any]]

MIN_EXAMPLES = 5
"""Yes and no that a tag needs before one job of it can be held against the others."""


def cross_fitted_proba(
    jobs: Sequence[Job],
    tags: Sequence[str],
    *,
    model: Path | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> FloatArray:
    """Each job's probabilities by a classifier trained on the other folds' labels.

    Repeated postings stay in one fold, so that a label doesn't vouch for its own repost.

    Parameters
    ----------
    jobs
        Labelled ones.
    model
        Folder of a model whose codes are used, which takes a fraction of the time: codes are
        learned from texts, not from labels. None: codes are learned here.

    Returns
    -------
    shape (len(jobs), len(tags)), in [0, 1]; nan for a tag with too few examples.

    Raises
    ------
    DataError
        If there are fewer than two different jobs.
    """
    counted = count_all(jobs, show_progress=show_progress)
    Y = encode_labels(jobs, tags)
    if model is None:
        tagger = JobTagger(seed=seed).fit_counted(
            counted, Y, tuple(tags), count_all([]), show_progress=show_progress
        )
    else:
        tagger = JobTagger.load(model).partial_fit(
            counted, Y, tuple(tags), show_progress=show_progress
        )
    if not tagger.classifier_.is_cross_fitted_:
        raise DataError(f"only {len(jobs)} jobs, all alike: nothing can be held out")
    enough = np.minimum(*known_counts(Y)) >= MIN_EXAMPLES
    return np.where(enough, tagger.classifier_.oof_proba_, np.nan)
