"""What retraining needs of the tagger, which `db` does not know: who trains, who compares."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from db.batches import Checked
from db.gate import Comparison
from db.snapshot import LabelledJob, Snapshot


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
    def n_yes(self) -> Mapping[str, int]:
        """Tag -> jobs with it that it learned from; 0 where it knows the tag by its name alone."""

    @property
    def remarks(self) -> Mapping[str, str]:
        """Tag -> what people must know of it; not every tag has one."""

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
    ) -> Trained:
        """Train on `snapshot.training`, warm from `parent` if there is one, and save.

        Without a labelled job, tags are learned by what `snapshot.tag_infos` says of them and
        from `unlabelled`. With `refresh` the codes go on learning from these, else they stay as
        they are.
        """

    def compare(
        self,
        snapshot: Snapshot,
        champion: Path | None,
        challenger: Path,
        champion_rows: Sequence[int | None],
        renamed: Mapping[str, str],
        *,
        has_learned: bool,
    ) -> Comparison:
        """Judge two models on `snapshot.training`, which the challenger has learned from or not.

        `champion` None: what tags are called, and nothing else. `champion_rows`: the place of each
        job among those that the champion learned from, None if it did not. `renamed` has old names
        of tags -> new.
        """

    def describe(self, folder: Path) -> Trained:
        """What a saved model says of itself; an error if it is not whole."""

    def check(
        self,
        champion: Path,
        batches: Sequence[Sequence[LabelledJob]],
        renamed: Mapping[str, str],
    ) -> Sequence[Checked]:
        """Compare new batches of labels with those that the champion learned from."""
