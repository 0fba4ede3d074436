"""Resume-job NCF: who applies, from the codes of resume and job, a few small networks per cluster.

Letters for axes: P pairs, C candidates, D numbers of a code, K clusters, M networks of an ensemble.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from matcher.base import Arrays, Matcher, Pairs, blocks
from matcher.data import BoolArray, FloatArray, IntArray, MatchData, Profiles
from matcher.examples import ExampleConfig, make_examples
from matcher.ncf_networks import Inputs, Layers, Steps, fresh, probabilities, train
from tagger.errors import DataError, ModelError

SCORED_AT_ONCE = 32_768
EVERYBODY = -1
"""Cluster of those whose resume says nothing, or whose cluster has too little to learn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NcfConfig:
    """Clusters, networks and how they are trained."""

    n_clusters: int = 4
    """Groups of resumes; fewer where there are fewer different resumes."""
    n_networks: int = 5
    """Networks of each cluster, whose probabilities are averaged."""
    hidden: tuple[int, ...] = (40, 20, 10)
    """Units between the two codes and the two outputs."""
    min_examples: int = 100
    """A cluster with fewer pairs of either answer is left to the networks of everybody."""
    epochs: int = 6
    """Passes over the pairs of a cluster."""
    batch: int = 128
    """Pairs per step."""
    learning_rate: float = 2e-3
    """Of Adam."""
    weight_decay: float = 0.1
    """Share of a weight that a step of learning rate 1 takes away."""
    examples: ExampleConfig = field(default_factory=ExampleConfig)
    """What is asked of which pairs, and how many are drawn as no."""

    def __post_init__(self) -> None:
        names = ("n_clusters", "n_networks", "min_examples", "epochs", "batch")
        for name in names:
            if getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 1, got {getattr(self, name)}")
        if min(self.hidden, default=1) < 1:
            raise DataError(f"every layer of hidden must be at least 1, got {self.hidden}")
        if not (self.learning_rate > 0 and self.weight_decay >= 0):
            raise DataError("learning_rate must be above 0 and weight_decay at least 0")


class ResumeJobNcf(Matcher):
    """Probability of the target action from the resume's code beside the job's.

    Resumes are grouped by K-means++; each group has an ensemble of networks
    (100-40-20-10-2 for codes of 50), and one ensemble has learned from everybody. Ids and histories
    are not looked at, so new jobs and candidates count as any other. A text without a code counts
    as an average one.

    Attributes
    ----------
    notes_ : tuple of str
        Which clusters had too little to learn from.

    References
    ----------
    Talroo's job recommender (Analytics Zoo on Databricks), 2019; He et al., Neural Collaborative
    Filtering, 2017; Arthur and Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007.
    """

    name = "ncf"
    config_class = NcfConfig
    gives_probability = True

    def __init__(self, config: NcfConfig | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def fit(self, data: MatchData, *, show_progress: bool = False) -> Self:
        """Learn from all pairs that were shown, and from drawn ones where no pair says no.

        Raises
        ------
        DataError
            If candidates or jobs have no codes, or all pairs have the same answer.
        """
        config = self.settings
        resumes, jobs = _codes("candidates", data.candidates), _codes("jobs", data.jobs)
        found = make_examples(data, config.examples, seed=self.seed)
        self._scale(resumes, jobs, found.pairs)
        who, what = self._scaled(resumes, jobs)
        self.centres_ = self._clustered(resumes[np.unique(found.pairs.candidates)], config)
        clusters = self._cluster_of(resumes)[found.pairs.candidates]
        taught, self.notes_ = _taught(clusters, found.is_yes, config)
        self.layers_: dict[int, Layers] = {}
        rng = np.random.default_rng(self.seed)
        bar = tqdm(
            total=config.epochs * (1 + len(taught)),
            desc="train ncf",
            disable=None if show_progress else True,
        )
        with bar:
            for cluster in [EVERYBODY, *taught]:
                rows = np.flatnonzero((clusters == cluster) | (cluster == EVERYBODY))
                pairs = found.pairs.take(rows)
                inputs = _inputs(who, what, pairs)
                sizes = (who.shape[1] + what.shape[1], *config.hidden, 2)
                layers = fresh(sizes, config.n_networks, rng)
                steps = _steps(config)
                for _ in train(layers, inputs, found.is_yes[rows], steps, rng):
                    bar.update()
                self.layers_[cluster] = layers
        return self

    def score_pairs(self, data: MatchData, pairs: Pairs) -> FloatArray:
        """Probabilities, shape (P,)."""
        resumes, jobs = _codes("candidates", data.candidates), _codes("jobs", data.jobs)
        for side, codes, wanted in (
            ("candidates", resumes, self.resume_mean_),
            ("jobs", jobs, self.job_mean_),
        ):
            if codes.shape[1] != len(wanted):
                raise ModelError(
                    f"the model was trained on codes of {len(wanted)} numbers, the {side} have "
                    f"{codes.shape[1]}: make them with the same tagger, or train again"
                )
        people, place = np.unique(pairs.candidates, return_inverse=True)
        cluster = self._cluster_of(resumes[people])[place]
        cluster[~np.isin(cluster, list(self.layers_))] = EVERYBODY
        who, what = self._scaled(resumes, jobs)
        scores = np.empty(len(pairs))
        for key, layers in self.layers_.items():
            for rows in blocks(np.flatnonzero(cluster == key), SCORED_AT_ONCE):
                X = _inputs(who, what, pairs)(rows)
                scores[rows] = probabilities(layers, X).mean(axis=0)
        return scores

    def _scale(self, resumes: FloatArray, jobs: FloatArray, pairs: Pairs) -> None:
        """Means and spreads of the codes of the pairs, those of texts that there are."""
        self.resume_mean_, self.resume_scale_ = _moments(resumes[pairs.candidates])
        self.job_mean_, self.job_scale_ = _moments(jobs[pairs.jobs])

    def _scaled(self, resumes: FloatArray, jobs: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (
            _standard(resumes, self.resume_mean_, self.resume_scale_),
            _standard(jobs, self.job_mean_, self.job_scale_),
        )

    def _clustered(self, resumes: FloatArray, config: NcfConfig) -> npt.NDArray[np.float32]:
        """Centres of clusters of resumes' directions, shape (K, D)."""
        from sklearn.cluster import KMeans

        unit = _unit(resumes[resumes.any(axis=1)])
        n_different = len(np.unique(unit, axis=0))
        if not n_different:
            return np.empty((0, resumes.shape[1]), np.float32)
        means = KMeans(min(config.n_clusters, n_different), n_init=4, random_state=self.seed)
        return np.asarray(means.fit(unit).cluster_centers_, np.float32)

    def _cluster_of(self, resumes: FloatArray) -> IntArray:
        """Nearest centre of each resume, `EVERYBODY` for one without a code; shape (C,)."""
        if not len(self.centres_):
            return np.full(len(resumes), EVERYBODY)
        # |a - b|² without |a|², which is the same for every centre
        far = (self.centres_**2).sum(axis=1) - 2 * _unit(resumes) @ self.centres_.T
        return np.where(resumes.any(axis=1), far.argmin(axis=1), EVERYBODY)

    def to_arrays(self) -> tuple[dict[str, Arrays], dict[str, Any]]:
        scales = {
            "centres": self.centres_,
            "resume_mean": self.resume_mean_,
            "resume_scale": self.resume_scale_,
            "job_mean": self.job_mean_,
            "job_scale": self.job_scale_,
        }
        layers = {
            f"cluster{cluster}_layer{place}": layer
            for cluster, parts in self.layers_.items()
            for place, layer in enumerate(parts)
        }
        meta = {
            "config": asdict(self.settings),
            "seed": self.seed,
            "notes": list(self.notes_),
            "clusters": list(self.layers_),
        }
        return {"scales": scales, "networks": layers}, meta

    @classmethod
    def from_arrays(cls, files: Mapping[str, Arrays], meta: Mapping[str, Any]) -> Self:
        values = dict(meta["config"])
        values["hidden"] = tuple(values["hidden"])
        values["examples"] = ExampleConfig(**values["examples"])
        model = cls(NcfConfig(**values), seed=meta["seed"])
        for name, array in files["scales"].items():
            setattr(model, f"{name}_", array)
        n_layers = len(values["hidden"]) + 1
        model.layers_ = {
            cluster: [files["networks"][f"cluster{cluster}_layer{n}"] for n in range(n_layers)]
            for cluster in meta["clusters"]
        }
        model.notes_ = tuple(meta["notes"])
        return model


def _codes(side: str, profiles: Profiles) -> npt.NDArray[np.float32]:
    if profiles.codes is None:
        raise DataError(
            f"ncf compares the texts of resumes and jobs, but {side} have no codes: make them with "
            "a tagger or word vectors, or leave ncf out"
        )
    return profiles.codes


def _taught(
    clusters: IntArray, is_yes: BoolArray, config: NcfConfig
) -> tuple[list[int], tuple[str, ...]]:
    """Clusters with enough pairs of either answer, and a sentence on each of the others."""
    taught, notes = [], []
    for cluster in range(int(clusters.max(initial=EVERYBODY)) + 1):
        n_yes = int(is_yes[clusters == cluster].sum())
        n_no = int((clusters == cluster).sum()) - n_yes
        if min(n_yes, n_no) >= config.min_examples:
            taught.append(cluster)
        else:
            notes.append(
                f"cluster {cluster} of resumes has {n_yes:,} yes and {n_no:,} no, fewer than "
                f"{config.min_examples} of one: the networks of everybody answer for it"
            )
    return (taught, tuple(notes)) if len(taught) > 1 else ([], tuple(notes))


def _inputs(who: FloatArray, what: FloatArray, pairs: Pairs) -> Inputs:
    """The codes of both, side by side."""

    def take(rows: IntArray) -> FloatArray:
        return np.concatenate([who[pairs.candidates[rows]], what[pairs.jobs[rows]]], axis=-1)

    return take


def _steps(config: NcfConfig) -> Steps:
    return Steps(
        epochs=config.epochs,
        batch=config.batch,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
    )


def _moments(codes: FloatArray) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    codes = codes[codes.any(axis=1)]
    if not len(codes):
        raise DataError("ncf compares the texts of resumes and jobs, but no code says anything")
    spread = np.maximum(codes.std(axis=0, dtype=np.float64), 1e-6)
    return codes.mean(axis=0, dtype=np.float64).astype(np.float32), spread.astype(np.float32)


def _standard(codes: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    return np.where(codes.any(axis=1, keepdims=True), (codes - mean) / scale, np.float32(0))


def _unit(codes: FloatArray) -> FloatArray:
    return np.asarray(codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12))
