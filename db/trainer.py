"""What retraining needs of the tagger, which `db` does not know: who trains, who compares."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from db.gate import Comparison
from db.snapshot import Snapshot


class Trained(Protocol):
    """What a trainer says of the model that it saved."""

    @property
    def sha256(self) -> str:
        """Of its `meta.json`."""

    @property
    def thresholds(self) -> Mapping[str, float | None]:
        """Tag -> probability from which it is given; None where not learned."""

    @property
    def seed(self) -> int: ...
    @property
    def versions(self) -> Mapping[str, Any]:
        """Of jobtool and the libraries."""

    @property
    def metrics(self) -> Mapping[str, Any]: ...
    @property
    def n_code(self) -> int:
        """Numbers of a code."""

    @property
    def pseudo_labels(self) -> Sequence[tuple[str, str, str]]:
        """Job, tag, and yes or no, of each guess that it learned from."""

    @property
    def drift(self) -> float | None:
        """1 - mean cosine of old jobs' codes before and after; 0 where the codes were not
        touched, None where there was no model before."""


class Trainer(Protocol):
    """What retraining needs of the tagger."""

    def train(
        self,
        snapshot: Snapshot,
        unlabelled: Iterator[tuple[int, str, str]],
        folder: Path,
        *,
        parent: Path | None,
        refresh: bool,
        guess: bool,
    ) -> Trained:
        """Train on `snapshot.training`, warm from `parent` if there is one, and save.

        With `refresh` the codes go on learning from `unlabelled`, else they stay as they are;
        with `guess` the parent's pseudo-labels of the newest of these jobs are learned, too.
        """

    def compare(
        self, snapshot: Snapshot, champion: Path, challenger: Path, renamed: Mapping[str, str]
    ) -> Comparison:
        """Ask both models about `snapshot.evaluation`; `renamed` has old names of tags -> new."""
