"""How good a tagger is on jobs it has not seen, beside simpler methods.

Letters for axes: N jobs, H columns of a row, T tags.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.alike import find_alike
from tagger.baselines import (
    LEARNED,
    NAMES_ALONE,
    Sample,
    names_alone,
    plain_texts,
    simple_baselines,
)
from tagger.classifier import tag_remarks
from tagger.errors import DataError
from tagger.evaluation import Evaluation
from tagger.features import Counted, RowStatistics, count_all
from tagger.jobs import Job
from tagger.labels import encode_labels, known_counts, named_tags
from tagger.model import TagModel
from tagger.splits import duplicate_groups, group_folds
from tagger.storage import jobtool_version
from tagger.tag_info import TagInfo
from tagger.tagger import JobTagger, TaggerConfig
from tagger.thresholds import cross_fitted_decisions

FloatArray = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.intp]


def cross_validate(
    labelled: Sequence[Job],
    unlabelled: Iterable[Job] = (),
    *,
    tags: Sequence[TagInfo] = (),
    config: TaggerConfig | None = None,
    n_folds: int = 5,
    seed: int = 0,
    show_progress: bool = False,
) -> Evaluation:
    """Train `n_folds` times without a fold and ask about that fold.

    Nothing of a held-out fold is seen in training: row weights, codes, classifier, calibration and
    thresholds all come from the other folds and the unlabelled jobs. (Where these hold the same
    postings, the codes know their text, as they would in use, but not what was said of them.)
    Our decisions are those of each fold's model as it would run; the baselines get thresholds
    cross-fitted on their scores.

    Parameters
    ----------
    labelled
        Jobs with tags; those without any label count as unlabelled ones.
    unlabelled
        More jobs, as in `JobTagger.fit`.
    tags
        What the team says of its tags.

    Raises
    ------
    DataError
        If there are fewer jobs than folds, repeats counted once.
    """
    labelled = list(labelled)
    infos, own = named_tags([job for job in labelled if job.tags is not None], tags)
    names = tuple(info.name for info in infos)
    if not own:
        raise DataError(f"none of the {len(labelled)} jobs has a tag: nothing to evaluate")
    Y = encode_labels(own, names)
    sample = Sample(plain_texts(own), count_all(own, show_progress=show_progress))
    more = count_all(
        (job for jobs in (labelled, unlabelled) for job in jobs if _is_other(job, jobs, labelled)),
        show_progress=show_progress,
    )
    groups = groups_of(sample.counted, seed=seed)
    folds = checked_folds(groups, n_folds, seed=seed)
    alike = find_alike(sample.counted, groups, more, seed=seed)
    others = group_folds(alike.groups, n_folds, seed=seed)  # each is asked about without it, too
    asked_others = np.zeros((len(others), len(names))), np.zeros((len(others), len(names)), bool)

    proba, decisions, review = np.zeros(Y.shape), np.zeros(Y.shape, bool), np.zeros(Y.shape, bool)
    theirs = {name: np.zeros(Y.shape) for name in (NAMES_ALONE, *(peer.name for peer in LEARNED))}
    models: list[TagModel] = []
    by_name = (config or TaggerConfig()).tags.wide
    for fold in range(n_folds):
        train, test = folds != fold, folds == fold
        kept = np.ones(len(more.measures), bool)
        kept[alike.chosen[others == fold]] = False
        taught = more.take(kept) if not kept.all() else more
        tagger = JobTagger(config, seed=seed).fit_counted(
            sample.counted.take(train), Y[train], infos, taught, show_progress=show_progress
        )
        model, asked = tagger.model_, sample.counted.take(test)
        said = model.predict_counted(asked)
        proba[test], decisions[test] = said.probabilities, said.decisions
        review[test] = said.reviews
        if not kept.all():
            said = model.predict_counted(more.take(~kept), codes=False)
            # `more` is in its own order, and so are the jobs of a fold
            for part, found in zip(asked_others, (said.probabilities, said.decisions), strict=True):
                part[others == fold] = found
        theirs[NAMES_ALONE][test] = names_alone(model.names, asked)
        for baseline in LEARNED:
            fitted = baseline(seed=seed).fit(sample.take(train), Y[train], taught)
            theirs[baseline.name][test] = fitted.predict_proba(sample.take(test))
        if not models:
            codes = model.encoder(model.row_weights.weigh(sample.counted))
            histories = tagger.histories_
        models.append(model)
    return Evaluation(
        tags=names,
        Y=Y,
        proba=proba,
        decisions=decisions,
        thresholds=_mean_known([model.thresholds for model in models]),
        review=review,
        bands=_mean_known([model.bands for model in models]),
        groups=groups,
        unlabelled=asked_others if len(others) else None,
        unlabelled_groups=alike.groups if len(others) else None,
        baselines={
            **simple_baselines(*known_counts(Y), len(Y)),
            **{name: (P, cross_fitted_decisions(Y, P, folds)[0]) for name, P in theirs.items()},
        },
        codes=codes,
        histories=histories,
        remarks=_fold_remarks(tag_remarks(Y, names, by_name=by_name), names, models),
        info={
            "how": f"{n_folds}-fold cross-validation; repeated postings stay in one fold",
            "labelled jobs": f"{len(own):,}, {_n_repeats(groups):,} of them repeats of another",
            "unlabelled jobs": f"{len(more.measures):,}",
            "intervals narrowed by": alike.note,
            "thresholds": "of each fold's model; the table shows their means",
            "codes and learning curves": "of the first fold's model",
            "seed": str(seed),
            "version": jobtool_version(),
        },
        seed=seed,
    )


def evaluate_model(
    model: TagModel, labelled: Sequence[Job], unlabelled: Iterable[Job] = ()
) -> Evaluation:
    """Evaluate a saved model on jobs it was not trained on.

    Unlabelled jobs, which it was not trained on either, narrow the intervals.

    The baselines know what the model's folder says of its training data: how frequent each tag was.

    Raises
    ------
    DataError
        If no job has a label, or one has a tag that the model does not know.
    """
    own = [job for job in labelled if job.tags is not None]
    if not own:
        raise DataError(f"none of the {len(labelled)} jobs has labels: nothing to compare with")
    Y = encode_labels(own, model.tags)
    counted = count_all(own)
    said = model.predict_counted(counted)
    groups = groups_of(counted)
    data = model.meta["data"]
    counts = [np.array([data[kind][tag] for tag in model.tags]) for kind in ("yes", "no")]
    more = count_all(unlabelled)
    alike = find_alike(counted, groups, more)
    asked = model.predict_counted(more.take(alike.chosen), codes=False)
    theirs = names_alone(model.names, counted)
    folds = group_folds(groups, min(5, int(groups.max()) + 1))
    return Evaluation(
        tags=model.tags,
        Y=Y,
        proba=said.probabilities,
        decisions=said.decisions,
        thresholds=model.thresholds,
        review=said.reviews,
        bands=model.bands,
        groups=groups,
        unlabelled=(asked.probabilities, asked.decisions) if len(alike.chosen) else None,
        unlabelled_groups=alike.groups if len(alike.chosen) else None,
        baselines={
            **simple_baselines(counts[0], counts[1], len(own)),
            NAMES_ALONE: (theirs, cross_fitted_decisions(Y, theirs, folds)[0]),
        },
        codes=said.codes,
        remarks=model.remarks,
        info={
            "how": "a saved model on jobs held out by whoever chose the file",
            "labelled jobs": f"{len(own):,}, {_n_repeats(groups):,} of them repeats of another",
            "intervals narrowed by": alike.note,
            "model trained on": f"{data['labelled']:,} labelled and {data['unlabelled']:,} other "
            f"jobs, {model.meta['created']}, version {model.meta['version']}",
            "version": jobtool_version(),
        },
    )


def groups_of(counted: Counted, *, seed: int = 0) -> Ints:
    """Group of each job, shape (N,); near-duplicates share one."""
    statistics = RowStatistics()
    statistics.add(counted)
    return duplicate_groups(statistics.weights().weigh(counted), seed=seed)


def checked_folds(groups: Ints, n_folds: int, *, seed: int = 0) -> Ints:
    """Fold of each job, shape (N,); DataError if a fold would be empty."""
    n_groups = len(np.unique(groups))
    if not 2 <= n_folds <= n_groups:
        raise DataError(
            f"n_folds must be from 2 to the number of different jobs, {n_groups}, got {n_folds}"
        )
    return group_folds(groups, n_folds, seed=seed)


def _is_other(job: Job, jobs: object, labelled: object) -> bool:
    return jobs is not labelled or job.tags is None


def _n_repeats(groups: Ints) -> int:
    return len(groups) - len(np.unique(groups))


def _mean_known(values: Sequence[FloatArray]) -> FloatArray:
    """Mean over folds, leaving out nan; nan where every fold has nan."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    total, n = np.where(known, stacked, 0).sum(axis=0), known.sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _fold_remarks(
    remarks: dict[str, str], tags: Sequence[str], models: Sequence[TagModel]
) -> dict[str, str]:
    """Add how often a tag was never given because nothing told the jobs apart."""
    n_missing = np.isnan([model.thresholds for model in models]).sum(axis=0)
    found = dict(remarks)
    for tag, n in zip(tags, n_missing.tolist(), strict=True):
        if n:
            never = f"never given in {n} of {len(models)} folds: nothing told jobs apart"
            found[tag] = "; ".join(filter(None, (found.get(tag), never)))
    return found
