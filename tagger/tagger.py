"""`JobTagger`: text to rows, rows to codes, rows and codes to tags, trained as one.

Letters for axes: N labelled jobs, U unlabelled jobs, H columns of a row, C code, T tags.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from tqdm import tqdm

from tagger.autoencoder import AutoencoderConfig, JobAutoencoder, write_history
from tagger.classifier import TagClassifier, TagConfig, check_learnable, tag_remarks
from tagger.deep import DeepConfig, Guessed
from tagger.errors import DataError, ModelError
from tagger.features import Counted, RowStatistics, RowWeights, batches, count
from tagger.guessing import GUESS_WEIGHT, confident_guesses
from tagger.jobs import Job
from tagger.labels import UNKNOWN, encode_labels, known_counts, tag_list
from tagger.metrics import summary
from tagger.model import Reason, TagModel
from tagger.storage import jobtool_version
from tagger.wide import WideConfig

FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerConfig:
    """What the whole tagger is made of."""

    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    tags: TagConfig = field(default_factory=TagConfig)
    own_share: float = 0.5
    """Share of the labelled jobs in what the autoencoder sees, however few they are: they come
    from where the tagger will be used. In (0, 1)."""

    def __post_init__(self) -> None:
        if not 0 < self.own_share < 1:
            raise DataError(f"own_share must be between 0 and 1, got {self.own_share}")


class JobTagger(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Semi-supervised multilabel tagger of job postings. Same seed, same model.

    Examples
    --------
    Train, tag, save (see the README for real output)::

        tagger = JobTagger(seed=0).fit(labelled, unlabelled)
        tagger.predict(new_jobs)  # [("remote", "software"), ...]
        tagger.save("model")
    """

    def __init__(self, config: TaggerConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(
        self,
        labelled: Sequence[Job],
        unlabelled: Iterable[Job] = (),
        *,
        show_progress: bool = False,
        log_dir: Path | None = None,
    ) -> Self:
        """Learn row weights, codes and tags afresh.

        Parameters
        ----------
        labelled
            Jobs with tags; those without any label are used as unlabelled ones.
        unlabelled
            Jobs for the codes alone; read once, kept as rows, not as text.
        log_dir
            Where learning curves go as CSV (and TensorBoard's files, where it is installed).

        Raises
        ------
        DataError
            If no tag has enough examples.
        """
        labelled = list(labelled)
        own = [job for job in labelled if job.tags is not None]
        others = (
            job
            for jobs in (labelled, unlabelled)
            for job in jobs
            if job.tags is None or jobs is unlabelled
        )
        tags = tag_list(own)
        if not tags:
            raise DataError(f"none of the {len(labelled)} jobs has a tag: nothing to learn from")
        return self.fit_counted(
            count_all(own, show_progress=show_progress),
            encode_labels(own, tags),
            tags,
            count_all(others, show_progress=show_progress),
            show_progress=show_progress,
            log_dir=log_dir,
        )

    def fit_counted(
        self,
        labelled: Counted,
        Y: LabelArray,
        tags: tuple[str, ...],
        unlabelled: Counted,
        *,
        show_progress: bool = False,
        log_dir: Path | None = None,
    ) -> Self:
        """The same from jobs counted before, so that cross-validation counts each text once.

        Parameters
        ----------
        Y : shape (N, T)
            1 yes, 0 no, -1 unknown.
        """
        config = self.config or TaggerConfig()
        check_learnable(Y)  # now, not after minutes of training the autoencoder
        statistics = RowStatistics()
        statistics.add(labelled)
        statistics.add(unlabelled)
        weights = statistics.weights()
        rows, more = weights.weigh(labelled), weights.weigh(unlabelled)
        self.autoencoder_ = JobAutoencoder(config.autoencoder, seed=self.seed).fit(
            sparse.csr_array(sparse.vstack([rows, more], format="csr")),
            sample_weight=_own_first(rows.shape[0], more.shape[0], config.own_share),
            show_progress=show_progress,
            log_dir=log_dir,
        )
        return self._fit_tags(
            weights,
            rows,
            Y,
            tags,
            more.shape[0],
            config=config.tags,
            show_progress=show_progress,
            log_dir=log_dir,
        )

    def partial_fit(
        self,
        labelled: Counted,
        Y: LabelArray,
        tags: tuple[str, ...],
        unlabelled: Counted | None = None,
        *,
        guess_from: Counted | None = None,
        show_progress: bool = False,
        log_dir: Path | None = None,
    ) -> Self:
        """Go on from what was fitted or loaded: row weights and bucket order stay as they are.

        The classifier is fitted anew on `labelled`, its network half as long as at first: a
        fraction of the time that the codes take, and unlike a few more steps on new jobs alone it
        forgets nothing (see bench/retrain.py).

        Parameters
        ----------
        labelled, Y
            All labelled jobs to learn from, old ones too; Y as in `fit_counted`.
        tags
            Columns of Y; may have new ones, and lack old ones.
        unlabelled
            Jobs on which the autoencoder goes on learning, with the labelled ones at their usual
            share; None leaves the codes exactly as they are.
        guess_from
            Unlabelled jobs that the model so far may give pseudo-labels; see `tagger.guessing`.
            What it gave them is in `guesses_`, shape (jobs, T): 1 yes, 0 no, -1 no guess.
        """
        config = self.config or TaggerConfig()
        check_learnable(Y)
        weights, data = self._fitted().row_weights, self._fitted().meta["data"]
        rows = weights.weigh(labelled)
        n_unlabelled = data["unlabelled"]
        if unlabelled is not None:
            more = weights.weigh(unlabelled)
            n_unlabelled = more.shape[0]
            self.autoencoder_.partial_fit(
                sparse.csr_array(sparse.vstack([rows, more], format="csr")),
                sample_weight=_own_first(rows.shape[0], n_unlabelled, config.own_share),
                show_progress=show_progress,
                log_dir=log_dir,
            )
        guessed = None
        if guess_from is not None:
            guessed = self._guess(guess_from, Y, tags)
        deep = replace(config.tags.deep_config, epochs=-(-config.tags.deep_config.epochs // 2))
        return self._fit_tags(
            weights,
            rows,
            Y,
            tags,
            n_unlabelled,
            config=replace(config.tags, deep_config=deep),
            guessed=guessed,
            show_progress=show_progress,
            log_dir=log_dir,
        )

    def _guess(self, counted: Counted, Y: LabelArray, tags: tuple[str, ...]) -> Guessed | None:
        """Pseudo-labels by the model so far, for tags that it has learned."""
        model = self._fitted()
        rows = sparse.csr_array(model.row_weights.weigh(counted))
        known = dict(zip(model.tags, model.proba_of_rows(rows).T, strict=True))
        learned = dict(zip(model.tags, ~np.isnan(model.thresholds), strict=True))
        self.guesses_ = confident_guesses(
            np.stack([known.get(tag, np.zeros(rows.shape[0])) for tag in tags], axis=1),
            known_counts(Y)[0],
            np.array([bool(learned.get(tag)) for tag in tags]),
        )
        chosen = np.flatnonzero((self.guesses_ != UNKNOWN).any(axis=1))
        if not len(chosen):
            return None
        rows = rows[chosen]
        codes = self.autoencoder_.encode(rows)
        return Guessed(rows, codes, self.guesses_[chosen], GUESS_WEIGHT)

    def _fit_tags(
        self,
        weights: RowWeights,
        rows: sparse.csr_array,
        Y: LabelArray,
        tags: tuple[str, ...],
        n_unlabelled: int,
        *,
        config: TagConfig,
        guessed: Guessed | None = None,
        show_progress: bool,
        log_dir: Path | None,
    ) -> Self:
        codes = self.autoencoder_.encode(rows)
        self.classifier_ = TagClassifier(config, seed=self.seed).fit(
            rows, codes, Y, guessed=guessed, show_progress=show_progress
        )
        self.tags_ = tags
        self.histories_ = {
            "autoencoder": self.autoencoder_.history_,
            "classifier": self.classifier_.history_,
        }
        if log_dir:
            write_history(log_dir / "classifier.csv", self.classifier_.history_)
        self.model_ = TagModel.of(self._arrays(weights), self._meta(Y, n_unlabelled))
        return self

    @property
    def remarks_(self) -> dict[str, str]:
        """Tag -> what must be known of it (too few examples)."""
        return self._fitted().remarks

    def predict_proba(self, jobs: Iterable[Job]) -> FloatArray:
        """Calibrated probability of each tag, shape (n_jobs, T), in [0, 1]."""
        return self._fitted().predict_proba(jobs)

    def predict(self, jobs: Iterable[Job]) -> list[tuple[str, ...]]:
        """Tags given to each job, in column order."""
        return self._fitted().predict(jobs)

    def encode(self, jobs: Iterable[Job]) -> npt.NDArray[np.float32]:
        """Codes, shape (n_jobs, C)."""
        return self._fitted().encode(jobs)

    def explain(self, job: Job, *, n_terms: int = 8) -> dict[str, list[Reason]]:
        """The terms that raised or lowered each tag most for this job, strongest first."""
        return self._fitted().explain(job, n_terms=n_terms)

    def save(self, folder: Path | str) -> None:
        """Write the model folder beside and rename it into place; see `tagger.storage`."""
        self._fitted().save(folder)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model folder; ModelError unless every file is what was saved.

        The autoencoder comes back ready for `partial_fit`.
        """
        model = TagModel.load(folder)
        try:
            saved, seed = model.meta["config"], model.meta["seed"]
            config = TaggerConfig(
                autoencoder=AutoencoderConfig(**_tuples(saved["autoencoder"])),
                tags=_tag_config(saved["tags"]),
                own_share=saved["own_share"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{folder} has no configuration we know: {error!r}") from error
        loaded = cls(config, seed=seed)
        loaded.model_, loaded.tags_ = model, model.tags
        loaded.autoencoder_ = JobAutoencoder(config.autoencoder, seed=loaded.seed).restore(
            model.arrays["encoder"], model.arrays["decoder"]
        )
        return loaded

    def _fitted(self) -> TagModel:
        if not hasattr(self, "model_"):
            raise NotFittedError("this JobTagger is not fitted yet: call fit or load first")
        return self.model_

    def _arrays(self, weights: RowWeights) -> dict[str, dict[str, npt.NDArray[Any]]]:
        classifier, n_tags = self.classifier_, len(self.tags_)
        kernel = np.zeros((len(self.autoencoder_.order_) + 1, n_tags), np.float32)
        if classifier.wide_:
            kernel[:-1], kernel[-1] = classifier.wide_.coef_, classifier.wide_.intercept_
        decisions = classifier.decisions_
        return {
            "rows": weights.to_arrays(),
            "encoder": self.autoencoder_.encoder_arrays(),
            "decoder": self.autoencoder_.decoder_arrays(),
            "wide": {"kernel": kernel},
            "deep": classifier.deep_.arrays(),
            "mixture": {
                "share": np.array(classifier.share_),
                "slope": decisions.slope,
                "offset": decisions.offset,
                "threshold": decisions.threshold,
                "band": decisions.band,
            },
        }

    def _meta(self, Y: LabelArray, n_unlabelled: int) -> dict[str, Any]:
        """What `meta.json` says; the metrics are those of cross-fitting, thresholds included."""
        classifier, config = self.classifier_, self.config or TaggerConfig()
        scores = summary(Y, classifier.oof_proba_, classifier.oof_decided_)
        n_yes, n_no = known_counts(Y)
        return {
            "version": jobtool_version(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": self.seed,
            "tags": list(self.tags_),
            "config": asdict(config),
            "data": {
                "labelled": len(Y),
                "unlabelled": n_unlabelled,
                "yes": dict(zip(self.tags_, n_yes.tolist(), strict=True)),
                "no": dict(zip(self.tags_, n_no.tolist(), strict=True)),
            },
            "metrics": {
                "mean_average_precision": _rounded(scores.mean_average_precision),
                "macro_f1": _rounded(scores.macro_f1),
                "micro_f1": _rounded(scores.micro_f1),
                "deep_share": classifier.share_,
                "wide_evenness": classifier.wide_config_.evenness if config.tags.wide else None,
            },
            "remarks": tag_remarks(Y, self.tags_),
        }


def count_all(jobs: Iterable[Job], *, show_progress: bool = False) -> Counted:
    """Count any number of jobs in batches; their texts are not kept."""
    parts = []
    with tqdm(desc="reading", unit="job", disable=None if show_progress else True) as bar:
        for batch in batches(jobs):
            parts.append(count(batch))
            bar.update(len(batch))
    return join_counted(parts or [count([])])


def join_counted(parts: Sequence[Counted]) -> Counted:
    """Counted jobs one after the other."""
    text = sparse.csr_array(sparse.vstack([part.text for part in parts], format="csr"))
    title = sparse.csr_array(sparse.vstack([part.title for part in parts], format="csr"))
    return Counted(text, title, np.concatenate([part.measures for part in parts]))


def _own_first(n_own: int, n_others: int, share: float) -> FloatArray:
    if not n_others:
        return np.ones(n_own)
    return np.concatenate(
        [np.full(n_own, share / n_own), np.full(n_others, (1 - share) / n_others)]
    )


def _rounded(score: float) -> float | None:
    return None if np.isnan(score) else round(float(score), 4)


def _tuples(saved: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the configuration has tuples."""
    return {key: tuple(x) if isinstance(x, list) else x for key, x in saved.items()}


def _tag_config(saved: dict[str, Any]) -> TagConfig:
    return TagConfig(
        **{
            **saved,
            "wide_configs": tuple(WideConfig(**path) for path in saved["wide_configs"]),
            "deep_config": DeepConfig(**_tuples(saved["deep_config"])),
        }
    )
