"""Probabilities of labelled jobs from models that have not seen their labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.jobs import Job
from tagger.labels import encode_labels
from tagger.tagger import JobTagger, count_all
from tagger.thresholds import learnable

FloatArray = npt.NDArray[np.floating[Any]]


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
        If no tag has enough examples, or there are fewer different jobs than folds.
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
    return np.where(learnable(Y), tagger.classifier_.oof_proba_, np.nan)
