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
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from tagger.autoencoder import AutoencoderConfig, JobAutoencoder, write_history
from tagger.classifier import STACKED, TagClassifier, TagConfig, tag_remarks
from tagger.deep import DeepConfig
from tagger.errors import DataError, ModelError
from tagger.features import Counted, RowStatistics, count_all, join_counted
from tagger.held_out import HeldOut, posting_keys
from tagger.job_features import Featurizer
from tagger.jobs import Job
from tagger.labels import UNKNOWN, encode_labels, known_counts, named_tags
from tagger.metrics import summary
from tagger.model import Reason, TagModel, used_rows
from tagger.names import NameEvidence, cautious_share, learn_names
from tagger.storage import jobtool_version
from tagger.tag_info import TagInfo
from tagger.training_jobs import TrainingJobs
from tagger.vocabulary import TermCounts, Vocabulary, learn_vocabulary
from tagger.wide import WideConfig

__all__ = ["JobTagger", "TaggerConfig", "count_all", "join_counted"]

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
        tags: Sequence[TagInfo] | None = None,
        show_progress: bool = False,
        log_dir: Path | None = None,
    ) -> Self:
        """Learn row weights, codes and tags afresh.

        Parameters
        ----------
        labelled
            Jobs with tags, or none where `tags` says what to look for; those without any label
            are used as unlabelled ones.
        unlabelled
            More jobs; read once, counted, their text is not kept. Those that look like the
            labelled ones teach tags, too, the others only words.
        tags
            What the team says of its tags; those that only labels name come behind. None: the
            tags of the labels, known by their names.
        log_dir
            Where learning curves go as CSV (and TensorBoard's files, where it is installed).

        Raises
        ------
        DataError
            If there is neither a label nor a tag, or no job.
        """
        labelled = list(labelled)
        own = [job for job in labelled if job.tags is not None]
        others = (
            job
            for jobs in (labelled, unlabelled)
            for job in jobs
            if job.tags is None or jobs is unlabelled
        )
        infos, own = named_tags(own, tags or ())
        if not infos:
            raise DataError(
                f"none of the {len(labelled)} jobs has a tag, and no tags were named: "
                "nothing to learn from"
            )
        return self.fit_counted(
            count_all(own, show_progress=show_progress),
            encode_labels(own, [info.name for info in infos]),
            infos,
            count_all(others, show_progress=show_progress),
            show_progress=show_progress,
            log_dir=log_dir,
        )

    def fit_counted(
        self,
        labelled: Counted,
        Y: LabelArray,
        tags: Sequence[str] | Sequence[TagInfo],
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
        tags
            The columns of Y: what is said of them, or their names alone.
        """
        config = self.config or TaggerConfig()
        statistics = RowStatistics()
        statistics.add(labelled)
        statistics.add(unlabelled)
        if not statistics.n_jobs:
            raise DataError("there is no job to learn from, neither labelled nor unlabelled")
        data = TrainingJobs.of(statistics.weights(), labelled, unlabelled, self.seed)
        self.autoencoder_ = JobAutoencoder(config.autoencoder, seed=self.seed).fit(
            data.all_rows(),
            sample_weight=data.importance(config.own_share),
            show_progress=show_progress,
            log_dir=log_dir,
        )
        return self._fit_tags(data, Y, tags, show_progress=show_progress, log_dir=log_dir)

    def partial_fit(
        self,
        labelled: Counted,
        Y: LabelArray,
        tags: Sequence[str] | Sequence[TagInfo],
        unlabelled: Counted | None = None,
        *,
        refresh: bool = False,
        show_progress: bool = False,
        log_dir: Path | None = None,
    ) -> Self:
        """Go on from what was fitted or loaded: row weights and bucket order stay as they are.

        Everything behind the codes is fitted anew on `labelled`: a fraction of the time that the
        codes take, and unlike a few more steps on new jobs alone it forgets nothing (see
        bench/retrain.py). The vocabulary keeps its terms and gains those of new jobs. A network
        that did not help is tried again when the codes or twice as many labels may have changed
        that.

        Parameters
        ----------
        labelled, Y
            All labelled jobs to learn from, old ones too; Y as in `fit_counted`.
        tags
            Columns of Y; may have new ones, and lack old ones.
        unlabelled
            More jobs, as in `fit`.
        refresh
            Let the autoencoder go on learning from all jobs; else codes stay exactly as they are.
        """
        config = self.config or TaggerConfig()
        model = self._fitted()
        more = count_all([]) if unlabelled is None else unlabelled
        data = TrainingJobs.of(model.row_weights, labelled, more, self.seed)
        if refresh:
            self.autoencoder_.partial_fit(
                data.all_rows(),
                sample_weight=data.importance(config.own_share),
                show_progress=show_progress,
                log_dir=log_dir,
            )
        tried = model.meta["network"]
        with_network = refresh or tried["kept"] or len(Y) >= 2 * tried["labelled"]
        return self._fit_tags(
            data,
            Y,
            tags,
            before=model,
            with_network=with_network,
            show_progress=show_progress,
            log_dir=log_dir,
        )

    def _fit_tags(
        self,
        data: TrainingJobs,
        Y: LabelArray,
        tags: Sequence[str] | Sequence[TagInfo],
        *,
        before: TagModel | None = None,
        with_network: bool = True,
        show_progress: bool,
        log_dir: Path | None,
    ) -> Self:
        config = self.config or TaggerConfig()
        infos = tuple(tag if isinstance(tag, TagInfo) else TagInfo(name=tag) for tag in tags)
        counts = TermCounts.of(data.labelled, data.unlabelled)
        own = join_counted([data.labelled, data.own])
        names = learn_names(infos, counts, own)
        of_names = (names.hashes, names.title_hashes)
        kept = before.vocabulary if before else None
        vocabulary = learn_vocabulary(data.labelled, counts, own, of_names=of_names, kept=kept)
        featurize = Featurizer(data.weights, vocabulary, names, self.autoencoder_.encode)
        tag_config = config.tags if with_network else _without_network(config.tags)
        self.classifier_ = TagClassifier(tag_config, seed=self.seed).fit(
            featurize(data.labelled),
            Y,
            featurize(data.own),
            stated_share=np.array([np.nan if tag.share is None else tag.share for tag in infos]),
            cautious_share=cautious_share(infos, own),
            show_progress=show_progress,
        )
        self.tags_ = tuple(info.name for info in infos)
        self.histories_ = {"autoencoder": self.autoencoder_.history_}
        if self.classifier_.history_:
            self.histories_["classifier"] = self.classifier_.history_
            if log_dir:
                write_history(log_dir / "classifier.csv", self.classifier_.history_)
        arrays = self._arrays(data, vocabulary, names, Y)
        meta = self._meta(Y, infos, data)
        if before and not with_network:
            meta["network"] = before.meta["network"]
        self.model_ = TagModel.of(arrays, meta)
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

    def save(self, folder: Path | str, *, parent: Path | None = None) -> None:
        """Write the model folder beside and rename it into place; see `TagModel.save`."""
        self._fitted().save(folder, parent=parent)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model folder; ModelError unless every file is what was saved.

        The autoencoder comes back ready for `partial_fit`.
        """
        model = TagModel.load(folder)
        try:
            saved, seed, tried = (model.meta[key] for key in ("config", "seed", "network"))
            config = TaggerConfig(
                autoencoder=AutoencoderConfig(**_tuples(saved["autoencoder"])),
                tags=_tag_config(saved["tags"]),
                own_share=saved["own_share"],
            )
            if not (isinstance(tried["labelled"], int) and isinstance(tried["kept"], bool)):
                raise TypeError(f"network is {tried!r}")
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

    def _arrays(
        self, data: TrainingJobs, vocabulary: Vocabulary, names: NameEvidence, Y: LabelArray
    ) -> dict[str, dict[str, npt.NDArray[Any]]]:
        classifier, n_tags = self.classifier_, len(self.tags_)
        share = classifier.weights()  # (T, paths)
        rows, row_places = used_rows(np.zeros((len(self.autoencoder_.order_), n_tags), np.float32))
        terms = np.zeros((vocabulary.n_columns, n_tags), np.float32)
        intercept = classifier.stack_.intercept.copy()
        if classifier.has_wide_:
            wide, of_path = classifier.wide_, share.astype(np.float32)
            rows, row_places = used_rows(wide.row_coef_)
            rows *= of_path[:, 0]
            for path, coef in enumerate(wide.term_coef_, start=1):
                terms += coef * of_path[:, path]
            intercept += (wide.intercept_.T * share[:, : len(wide.intercept_)]).sum(axis=1)
        terms, term_places = used_rows(terms)
        decisions = classifier.decisions_
        held_out = HeldOut(
            probability=classifier.oof_proba_.astype(np.float32),
            decided=classifier.oof_decided_,
            label=Y if classifier.is_cross_fitted_ else np.full_like(Y, UNKNOWN),
            group=classifier.groups_.astype(np.int32),
            posting=posting_keys(data.labelled),
        )
        return {
            "rows": data.weights.to_arrays(),
            "vocabulary": vocabulary.to_arrays(),
            "names": names.to_arrays(),
            "encoder": self.autoencoder_.encoder_arrays(),
            "decoder": self.autoencoder_.decoder_arrays(),
            "deep": classifier.deep_.arrays(),
            "mixture": {
                "rows": rows,
                "terms": terms,
                "names": share[:, STACKED.index("names")],
                "code": share[:, STACKED.index("code")],
                "intercept": intercept,
            },
            "places": {"rows": row_places, "terms": term_places},
            "decisions": {"threshold": decisions.threshold, "band": decisions.band},
            "held_out": held_out.to_arrays(),
        }

    def _meta(self, Y: LabelArray, infos: Sequence[TagInfo], data: TrainingJobs) -> dict[str, Any]:
        """What `meta.json` says; the metrics are those of cross-fitting, thresholds included."""
        classifier, config = self.classifier_, self.config or TaggerConfig()
        n_yes, n_no = known_counts(Y)
        return {
            "version": jobtool_version(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": self.seed,
            "tags": list(self.tags_),
            "tag_info": [info.to_json() for info in infos],
            "config": asdict(config),
            "data": {
                "labelled": len(Y),
                "unlabelled": len(data.unlabelled.measures),
                "unlabelled_own": int(data.is_own.sum()),
                "yes": dict(zip(self.tags_, n_yes.tolist(), strict=True)),
                "no": dict(zip(self.tags_, n_no.tolist(), strict=True)),
            },
            "metrics": _metrics(Y, classifier),
            "network": {"labelled": len(Y), "kept": classifier.deep_.has_network_},
            "remarks": tag_remarks(Y, self.tags_, by_name=config.tags.wide),
        }


def _metrics(Y: LabelArray, classifier: TagClassifier) -> dict[str, Any]:
    """Cross-fitted scores, None without labels; and what each path counts on the mean."""
    names = ("mean_average_precision", "macro_f1", "micro_f1")
    metrics: dict[str, Any] = dict.fromkeys(names)
    metrics["n_scored_tags"] = 0
    if classifier.is_cross_fitted_:
        scores = summary(Y, classifier.oof_proba_, classifier.oof_decided_)
        metrics |= {name: _rounded(getattr(scores, name)) for name in names}
        metrics["n_scored_tags"] = scores.n_scored_tags
    weights = dict(zip(STACKED, classifier.weights().mean(axis=0).round(4).tolist(), strict=True))
    return metrics | {"path_weights": weights}


def _without_network(config: TagConfig) -> TagConfig:
    return replace(config, deep_config=replace(config.deep_config, epochs=0))


def _rounded(score: float) -> float | None:
    return None if np.isnan(score) else round(float(score), 4)


def _tuples(saved: dict[str, Any]) -> dict[str, Any]:
    """JSON has lists where the configuration has tuples."""
    return {key: tuple(x) if isinstance(x, list) else x for key, x in saved.items()}


def _tag_config(saved: dict[str, Any]) -> TagConfig:
    return TagConfig(
        **{
            **saved,
            "wide_config": WideConfig(**saved["wide_config"]),
            "deep_config": DeepConfig(**_tuples(saved["deep_config"])),
        }
    )
