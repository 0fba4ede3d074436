"""A trained tagger as it serves: numpy only, frozen, quick to load.

Letters for axes: N jobs, H columns of a row, C code, T tags.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from tagger.errors import ModelError
from tagger.features import (
    N_COLUMNS,
    N_TERMS,
    JobText,
    Rows,
    RowWeights,
    batches,
    bucket_of,
)
from tagger.forward import DeepTagger, Encoder
from tagger.jobs import Job
from tagger.storage import load_arrays, load_meta, save_folder
from tagger.text import terms
from tagger.thresholds import Decisions

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Arrays = dict[str, npt.NDArray[Any]]


MAX_EXPLAINED = 300
"""Terms of a posting that are left out in turn: the heaviest; a long text has thousands."""


class Reason(NamedTuple):
    """What one term of a posting did to a tag."""

    term: str
    """As the posting has it, not stemmed."""
    effect: float
    """How much higher (or lower) the tag's calibrated logit is than without the term."""


class Predictions(NamedTuple):
    """All that a model says of N jobs, from one pass over them."""

    scores: FloatArray
    """Shape (N, T): logits before calibration."""
    probabilities: FloatArray
    """Shape (N, T): calibrated, in [0, 1]."""
    decisions: BoolArray
    """Shape (N, T): which tags are given."""
    reviews: BoolArray
    """Shape (N, T): which tags a person should look at."""
    codes: npt.NDArray[np.float32]
    """Shape (N, C)."""


@dataclass(frozen=True, slots=True, eq=False)
class TagModel:
    """Everything a trained tagger knows, in the order a posting passes it.

    Made by `JobTagger.fit` or `load`; not changed afterwards, so the same posting gets the same
    answer for ever.
    """

    tags: tuple[str, ...]
    """In column order."""
    row_weights: RowWeights
    encoder: Encoder
    wide_kernel: npt.NDArray[np.float32]
    """Shape (H + 1, T): coefficients, and the intercepts as the last row."""
    deep: DeepTagger
    share: float
    """Of the deep path in the logit, in [0, 1]."""
    decisions: Decisions
    meta: dict[str, Any]
    """What `meta.json` says: version, seed, configuration, data, metrics."""
    arrays: dict[str, Arrays]
    """The arrays behind all this, as they are saved."""

    @classmethod
    def of(cls, arrays: dict[str, Arrays], meta: dict[str, Any]) -> Self:
        """Put together from saved arrays."""
        try:
            mixture = arrays["mixture"]
            return cls(
                tags=tuple(meta["tags"]),
                row_weights=RowWeights(**arrays["rows"]),
                encoder=Encoder(arrays["encoder"]),
                wide_kernel=arrays["wide"]["kernel"],
                deep=DeepTagger(arrays["deep"]),
                share=float(mixture["share"]),
                decisions=Decisions(
                    **{name: mixture[name] for name in ("slope", "offset", "threshold", "band")}
                ),
                meta=meta,
                arrays=arrays,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's files don't fit together: {error!r}") from error

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model folder; ModelError unless every file is what was saved."""
        meta = load_meta(Path(folder))
        return cls.of(load_arrays(Path(folder), meta), meta)

    def save(self, folder: Path | str) -> None:
        """Write a model folder beside and rename it into place, instead of an older model."""
        saved = {key: value for key, value in self.meta.items() if key not in ("sha256", "format")}
        save_folder(Path(folder), self.arrays, saved)

    @property
    def thresholds(self) -> FloatArray:
        """Shape (T,); nan for a tag that was not learned."""
        return self.decisions.threshold

    @property
    def bands(self) -> FloatArray:
        """Shape (T, 2): lowest and highest probability left to a person."""
        return self.decisions.band

    @property
    def remarks(self) -> dict[str, str]:
        """Tag -> what must be known of it."""
        return dict(self.meta.get("remarks", {}))

    def rows(self, jobs: Iterable[Job]) -> Rows:
        """Rows, shape (N, H)."""
        return self.row_weights.rows(jobs)

    def encode(self, jobs: Iterable[Job]) -> npt.NDArray[np.float32]:
        """Codes, shape (N, C)."""
        return self.encoder(self.rows(jobs))

    def predict_proba(self, jobs: Iterable[Job]) -> FloatArray:
        """Calibrated probability of each tag, shape (N, T), in [0, 1]."""
        parts = [proba for _, proba in self.iter_proba(batches(jobs))]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.tags)))

    def iter_proba(
        self, batches: Iterable[Sequence[Job]]
    ) -> Iterator[tuple[Sequence[Job], FloatArray]]:
        """Each batch with its probabilities; memory stays flat however many there are."""
        for batch in batches:
            yield batch, self.proba_of_rows(self.rows(batch))

    def proba_of_rows(self, rows: Rows) -> FloatArray:
        """The same from rows (N, H)."""
        return self.decisions.proba(self._logits(rows))

    def decide(self, proba: FloatArray) -> BoolArray:
        """Which tags are given, shape (N, T)."""
        return self.decisions.decide(proba)

    def review(self, proba: FloatArray) -> BoolArray:
        """Which tags a person should look at, shape (N, T)."""
        return self.decisions.review(proba)

    def predict(self, jobs: Iterable[Job]) -> list[tuple[str, ...]]:
        """Tags given to each job, in column order."""
        given = self.decide(self.predict_proba(jobs))
        return [tuple(tag for tag, yes in zip(self.tags, row, strict=True) if yes) for row in given]

    def predict_all(self, jobs: Sequence[Job]) -> Predictions:
        """Scores, probabilities, decisions and codes at once: for one batch, held in memory."""
        rows = self.rows(jobs)
        codes = self.encoder(rows)
        scores = self._logits(rows, codes)
        proba = self.decisions.proba(scores)
        return Predictions(scores, proba, self.decide(proba), self.review(proba), codes)

    def explain(self, job: Job, *, n_terms: int = 8) -> dict[str, list[Reason]]:
        """The terms that raised or lowered each tag most, strongest first.

        Each bucket of the posting's row is left out in turn and the whole model asked again, so
        the effects hold for the wide and the deep path together.
        """
        whole = self.rows([job])
        names = _readable(job)
        place = np.flatnonzero(whole.indices < N_TERMS)
        heaviest = np.argsort(-np.abs(whole.data[place]), kind="stable")[:MAX_EXPLAINED]
        place = np.sort(place[heaviest])
        columns = whole.indices[place].astype(np.intp)
        if not len(columns):
            return {tag: [] for tag in self.tags}
        without = sparse.csr_array(
            sparse.vstack([whole] * len(columns), format="csr"), shape=(len(columns), N_COLUMNS)
        )
        without.data[np.arange(len(columns)) * whole.nnz + place] = 0
        effects = (self._logits(whole) - self._logits(without)) * self.decisions.slope
        return {
            tag: _strongest(effects[:, t], columns, names, n_terms)
            for t, tag in enumerate(self.tags)
        }

    def _logits(self, rows: Rows, codes: npt.NDArray[np.float32] | None = None) -> FloatArray:
        mixed: FloatArray = np.zeros((rows.shape[0], len(self.tags)))
        if self.share > 0:
            mixed = mixed + self.share * self.deep(self.encoder(rows) if codes is None else codes)
        if self.share < 1:
            wide = np.asarray(rows @ self.wide_kernel[:-1]) + self.wide_kernel[-1]
            mixed = mixed + (1 - self.share) * wide
        return mixed


def _strongest(
    effects: FloatArray, columns: npt.NDArray[np.intp], names: dict[int, str], n_terms: int
) -> list[Reason]:
    order = np.argsort(-np.abs(effects), kind="stable")[:n_terms]
    return [Reason(names[int(columns[i])], round(float(effects[i]), 4)) for i in order]


def _readable(job: Job) -> dict[int, str]:
    """Bucket -> the posting's own words for the terms in it; several are joined by " / "."""
    split = JobText.of(job)
    names: dict[int, dict[str, None]] = {}
    for prefix, shown, tokens in (
        ("", "", split.title_tokens),
        ("", "", split.text_tokens),
        ("title:", " (title)", split.title_tokens),
    ):
        for term, words in terms(tokens):
            names.setdefault(bucket_of(prefix + term), {})[words + shown] = None
    return {bucket: " / ".join(list(words)[:3]) for bucket, words in names.items()}
