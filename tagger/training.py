"""From files of jobs to a saved tagger."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagger.classifier import TagConfig
from tagger.evaluate import cross_validate, evaluate_model
from tagger.evaluation import Evaluation
from tagger.files import PLAIN, Layout
from tagger.jobs import Job, Rejects, iter_jobs
from tagger.labelled_files import read_labelled
from tagger.model import TagModel
from tagger.storage import check_replaceable
from tagger.tag_info import TagInfo
from tagger.tagger import JobTagger, TaggerConfig
from tagger.tagging import tag_table


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What a training run did."""

    model: str
    """The model folder."""
    logs: str
    """Folder of the learning curves, one CSV per network."""
    n_labelled: int
    n_unlabelled: int
    metrics: dict[str, Any]
    """Of jobs that each was left out of training once (cross-fitting), in [0, 1], None without
    labels; how many tags they cover; what each path counts."""
    tags: list[dict[str, Any]]
    """As `tagger.tagging.tag_table` gives them."""
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def train_tagger(
    labelled: Sequence[Path],
    model: Path,
    *,
    unlabelled: Sequence[Path] = (),
    tags: Sequence[TagInfo] = (),
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    config: TaggerConfig | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> TrainingReport:
    """Train on files and save the model.

    Parameters
    ----------
    labelled, unlabelled
        Files as `tagger.jobs` reads them; what the unlabelled ones say of tags is not read. With
        `tags` there may be no labelled ones.
    tags
        What the team says of its tags; see `tagger.tag_files`.
    model
        Folder to write; an older model in it is replaced when the new one is whole. Learning
        curves go into a folder beside it, named like it with ``.logs`` after it.
    rejects, columns, encoding, layout
        As in `tagger.jobs.iter_jobs`.

    Raises
    ------
    DataError
        If a file can't be used, or there is neither a label nor a tag.
    ModelError
        If something that is not a model stands in the place of `model`: before any work is done.
    """
    started = time.monotonic()
    check_replaceable(model)
    logs = Path(f"{os.path.normpath(model)}.logs")
    jobs = read_labelled(
        labelled, rejects=rejects, columns=columns, encoding=encoding, layout=layout
    )
    others = iter_files(
        unlabelled, rejects=rejects, columns=columns, encoding=encoding, layout=layout
    )
    tagger = JobTagger(config, seed=seed).fit(
        jobs, others, tags=tags, show_progress=show_progress, log_dir=logs
    )
    tagger.save(model)
    meta = tagger.model_.meta
    return TrainingReport(
        model=str(model),
        logs=str(logs),
        n_labelled=meta["data"]["labelled"],
        n_unlabelled=meta["data"]["unlabelled"],
        metrics=meta["metrics"],
        tags=tag_table(tagger.model_),
        seconds=round(time.monotonic() - started, 1),
    )


def iter_files(
    paths: Sequence[Path],
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
) -> Iterator[Job]:
    """Jobs of several files one after the other, without what is said of their tags."""
    for path in paths:
        yield from iter_jobs(
            path, rejects=rejects, columns=columns, encoding=encoding, layout=layout, labels=False
        )


def tagger_config(*, wide: bool = True) -> TaggerConfig:
    """The usual configuration; without `wide` the plain chain: tags from the code alone."""
    return TaggerConfig(tags=TagConfig(wide=wide))


def evaluate_files(
    labelled: Sequence[Path],
    model: Path,
    *,
    unlabelled: Sequence[Path] = (),
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
) -> Evaluation:
    """Evaluate a saved model on files of jobs it was not trained on.

    Tags may have the other names that the model was trained with; those that it does not know are
    rejected.
    """
    loaded = TagModel.load(model)
    jobs = read_labelled(
        labelled,
        rejects=rejects,
        columns=columns,
        encoding=encoding,
        layout=layout,
        tags=loaded.infos,
    )
    others = iter_files(
        unlabelled, rejects=rejects, columns=columns, encoding=encoding, layout=layout
    )
    return evaluate_model(loaded, jobs, others)


def cross_validate_files(
    labelled: Sequence[Path],
    *,
    unlabelled: Sequence[Path] = (),
    tags: Sequence[TagInfo] = (),
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    n_folds: int = 5,
    config: TaggerConfig | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> Evaluation:
    """Cross-validate training on files; see `tagger.evaluate.cross_validate`."""
    return cross_validate(
        read_labelled(labelled, rejects=rejects, columns=columns, encoding=encoding, layout=layout),
        iter_files(unlabelled, rejects=rejects, columns=columns, encoding=encoding, layout=layout),
        tags=tags,
        config=config,
        n_folds=n_folds,
        seed=seed,
        show_progress=show_progress,
    )
