"""The tagger as `db.trainer` has it: what retraining asks of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from db.errors import StoreError
from tagger import commands
from tagger.errors import JobtoolError

if TYPE_CHECKING:
    from db.snapshot import LabelledJob, Snapshot
    from tagger.batch_checks import BatchCheck
    from tagger.comparison import ModelComparison
    from tagger.jobs import Job
    from tagger.retraining import TrainedModel
    from tagger.tagger import TaggerConfig


class Trainer:
    """Trains, compares and checks models for `db.retrain`."""

    def __init__(self, seed: int, config: "TaggerConfig | None" = None) -> None:
        self.seed, self.config = seed, config

    def train(
        self,
        snapshot: "Snapshot",
        unlabelled: "Iterator[tuple[int, str, str]]",
        folder: Path,
        *,
        parent: Path | None,
        refresh: bool,
    ) -> "TrainedModel":
        commands.load_keras()
        from tagger.jobs import Job
        from tagger.retraining import train_challenger

        others = (Job(str(id), title, text) for id, title, text in unlabelled)
        with _as_store_error():
            return train_challenger(
                folder,
                labelled_jobs(snapshot.training),
                snapshot.tag_infos,
                others,
                parent=parent,
                refresh=refresh,
                config=self.config,
                seed=self.seed,
                show_progress=True,
            )

    def compare(
        self,
        snapshot: "Snapshot",
        champion: Path | None,
        challenger: Path,
        champion_rows: Sequence[int | None],
        renamed: Mapping[str, str],
        *,
        has_learned: bool,
    ) -> "ModelComparison":
        from tagger.comparison import compare_models
        from tagger.model import TagModel

        with _as_store_error():
            return compare_models(
                TagModel.load(champion) if champion else None,
                TagModel.load(challenger),
                labelled_jobs(snapshot.training),
                champion_rows=champion_rows,
                has_learned=has_learned,
                groups=[job.group for job in snapshot.training],
                renamed=renamed,
                seed=self.seed,
            )

    def describe(self, folder: Path) -> "TrainedModel":
        from tagger.retraining import describe_model

        with _as_store_error():
            return describe_model(folder)

    def check(
        self,
        champion: Path,
        batches: "Sequence[Sequence[LabelledJob]]",
        renamed: Mapping[str, str],
    ) -> "list[BatchCheck]":
        from tagger.batch_checks import check_jobs
        from tagger.model import TagModel

        with _as_store_error():
            model = TagModel.load(champion)
            return [
                check_jobs(model, labelled_jobs(jobs), renamed=renamed, seed=self.seed)
                for jobs in batches
            ]


@contextmanager
def _as_store_error() -> Iterator[None]:
    """What the tagger complains of ends a retrain, not the watch over many."""
    try:
        yield
    except JobtoolError as error:
        raise StoreError(str(error)) from error


def labelled_jobs(stored: "Iterable[LabelledJob]") -> "list[Job]":
    """Stored jobs as the tagger knows them."""
    from tagger.jobs import Job

    return [Job(str(job.id), job.title, job.text, job.yes, job.no) for job in stored]
