"""Tagging with a saved model: one posting, a stream of them, or a file into a file.

Nothing here loads TensorFlow, Keras or scikit-learn, so that one posting is tagged at once.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tagger.errors import DataError, JobtoolError
from tagger.features import BATCH, count
from tagger.feed_facts import Suggester
from tagger.files import OTHER_KINDS, PLAIN, TEXT_KINDS, Layout
from tagger.jobs import Job, Rejects, iter_jobs
from tagger.lines import MAX_CHARS
from tagger.metrics import plain
from tagger.model import FloatArray, TagModel
from tagger.tag_info import TagInfo
from tagger.tagged import Form, TaggedJob, TagWriter

Batches = Iterator[list[Job]]

BATCH_CHARS = 4 * 2**20
"""A batch ends at so many characters, so that a file of huge postings takes no more memory."""

N_ALONE = 4
"""Batches that are tagged sooner by one process than by several that must be started first."""
N_ALONE_EXPLAINED = 1
"""The same where each job is explained, which takes many times as long."""

_TABLES = (*TEXT_KINDS, *(f"{kind}.gz" for kind in TEXT_KINDS), *OTHER_KINDS)
_NO_TEXT = {
    b"%PDF": "is a PDF; make text of it first, for example: pdftotext FILE.pdf -",
    b"PK\x03\x04": "is a Word, Excel or zip file; save its text as UTF-8 first",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"\xff\xfe": "is UTF-16; pass --encoding utf-16",
    b"\xfe\xff": "is UTF-16; pass --encoding utf-16",
}


# ---- jobs to tags


def tag_jobs(
    model: TagModel,
    jobs: Iterable[Job],
    *,
    explain: bool = False,
    feed: Suggester | None = None,
    keep: Sequence[str] = (),
    promised: FloatArray | None = None,
) -> Iterator[TaggedJob]:
    """Tag jobs in batches, order kept; memory stays flat however many there are.

    A tag of which a job's other fields say something else than the model, if the model is sure, is
    left to a person.

    Parameters
    ----------
    feed
        What such fields suggest; it can be used again and again.
    keep
        Columns of the file of jobs that stand beside the tags.
    promised : shape (T,)
        Thresholds by `tagger.promises`: below them (or where one is nan) a tag that the model
        gives is left to a person. None: all that it gives is given.
    """
    feed = feed or feed_of(model)
    learned = _learned(model)
    for batch in _batches(jobs):
        said = model.predict_counted(count(batch), codes=False)
        decided, reviews = said.decisions, said.reviews
        if promised is not None:
            by_itself = decided & (said.probabilities >= promised)
            decided, reviews = by_itself, (decided | reviews) & ~by_itself
        cells = (said.probabilities, decided, reviews)
        for job, row, yes, unsure in zip(batch, *cells, strict=True):
            suggested = feed.suggest(job.fields)
            given = _chosen(model.tags, yes)
            contradicted = {
                tag
                for tag, one in suggested.items()
                if tag in learned and one.answer != (tag in given)
            }
            review = {*_chosen(model.tags, unsure), *contradicted}
            yield TaggedJob(
                id=job.id,
                tags=given,
                review=tuple(tag for tag in model.tags if tag in review),
                feed=suggested,
                scores=dict(zip(model.tags, (round(float(p), 6) for p in row), strict=True)),
                reasons=model.explain(job) if explain else None,
                kept={name: _column(job, name) for name in keep},
            )


def _column(job: Job, name: str) -> Any:
    return {"title": job.title, "text": job.text}.get(name) or (job.fields or {}).get(name)


def feed_of(model: TagModel) -> Suggester:
    """What fields of feeds suggest of a model's tags."""
    told = model.meta.get("tag_info") or [{"tag": tag} for tag in model.tags]
    return Suggester(TagInfo.from_json(one) for one in told)


def _learned(model: TagModel) -> set[str]:
    """Tags that a model has learned from labels, so that it can be sure of them."""
    n_yes = model.meta["data"]["yes"]
    return {
        tag
        for tag, threshold in zip(model.tags, model.thresholds, strict=True)
        if n_yes.get(tag) and not np.isnan(threshold)
    }


def _batches(jobs: Iterable[Job]) -> Batches:
    batch: list[Job] = []
    n_chars = 0
    for job in jobs:
        batch.append(job)
        n_chars += len(job.title) + len(job.text)
        if len(batch) == BATCH or n_chars >= BATCH_CHARS:
            yield batch
            batch, n_chars = [], 0
    if batch:
        yield batch


def _chosen(tags: Sequence[str], flags: Iterable[Any]) -> tuple[str, ...]:
    return tuple(tag for tag, flag in zip(tags, flags, strict=True) if flag)


# ---- one posting, one model


def is_table(path: Path) -> bool:
    """Whether the name says that a file holds many jobs, not the text of one.

    Examples
    --------
    >>> is_table(Path("jobs.csv.gz")), is_table(Path("posting.html"))
    (True, False)
    """
    return path.name.lower().endswith(_TABLES)


def read_posting(stream: BinaryIO, *, name: str, title: str = "", encoding: str = "utf-8") -> Job:
    """Read one posting, plain text or HTML.

    Parameters
    ----------
    name
        What the errors call it, and the id of the job.

    Raises
    ------
    DataError
        If it is empty, longer than `MAX_CHARS`, no text, or not in this encoding.
    """
    data = stream.read(MAX_CHARS + 1)
    if len(data) > MAX_CHARS:
        raise DataError(f"{name} is longer than {MAX_CHARS} bytes: no posting is")
    job = Job(name, title, _decoded(data, name, encoding))
    if not job.title.strip() and not job.text.strip():
        raise DataError(f"{name}: empty posting")
    return job


def _decoded(data: bytes, name: str, encoding: str) -> str:
    codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    if codec == "utf-8-sig":
        for magic, problem in _NO_TEXT.items():
            if data.startswith(magic):
                raise DataError(f"{name} {problem}")
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not {encoding}: byte {error.start + 1} does not fit; "
            "pass another --encoding, such as cp1252"
        ) from error
    except (LookupError, ValueError) as error:
        raise DataError(f"unknown encoding {encoding!r}; try utf-8, utf-16 or cp1252") from error


def tag_table(model: TagModel) -> list[dict[str, Any]]:
    """One row per tag: examples, threshold, review band and remark; None where not learned."""
    data, remarks = model.meta["data"], model.remarks
    return [
        {
            "tag": tag,
            "yes": data["yes"][tag],
            "no": data["no"][tag],
            "threshold": plain(round(float(threshold), 6)),
            "review_from": plain(round(float(band[0]), 6)),
            "review_to": plain(round(float(band[1]), 6)),
            "remark": remarks.get(tag, ""),
        }
        for tag, threshold, band in zip(model.tags, model.thresholds, model.bands, strict=True)
    ]


def describe(model: TagModel, folder: Path) -> dict[str, Any]:
    """What is known of a saved model besides its tags, as plain values."""
    meta = model.meta
    return {
        "model": str(folder),
        "version": meta["version"],
        "created": meta["created"],
        "seed": meta["seed"],
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "n_labelled": meta["data"]["labelled"],
        "n_unlabelled": meta["data"]["unlabelled"],
        "metrics": meta["metrics"],
    }


# ---- a file into a file


class Rows(NamedTuple):
    """What is written of some jobs."""

    n_jobs: int
    text: str
    """As `tagger.tagged.Form` makes it."""


def tag_file(
    model: TagModel,
    source: Path,
    output: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    explain: bool = False,
    keep: Sequence[str] = (),
    is_long: bool = False,
    limit: int | None = None,
    promised: FloatArray | None = None,
    n_workers: int = 1,
    show_progress: bool = False,
) -> int:
    """Tag the jobs of `source` into `output`; returns how many.

    `output` appears when it is whole; until then, and after an interruption, the rows are in a
    file of that name with ``.part`` after it.

    Parameters
    ----------
    keep, promised
        As in `tag_jobs`.
    is_long
        Write one row per job and tag.
    limit
        Stop after so many jobs.
    n_workers
        Number of processes that tag; the output is the same with any number. A short file is
        tagged in this process.

    Raises
    ------
    DataError
        If `source` as a whole can't be used, or `output` can't be written.
    WorkerError
        If a worker process was killed or failed.
    """
    check_apart(output, source)
    writer = TagWriter(output, model.tags, keep=keep, is_long=is_long, explain=explain)
    with writer:
        tagged = iter_rows(
            model,
            source,
            form=writer.form,
            rejects=rejects,
            columns=columns,
            encoding=encoding,
            layout=layout,
            limit=limit,
            promised=promised,
            n_workers=n_workers,
            show_progress=show_progress,
        )
        with closing(tagged):
            for n_jobs, text in tagged:
                writer.write_rows(text, n_jobs)
    return writer.n_rows


def iter_rows(
    model: TagModel,
    source: Path,
    *,
    form: Form | None = None,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    layout: Layout = PLAIN,
    limit: int | None = None,
    promised: FloatArray | None = None,
    n_workers: int = 1,
    show_progress: bool = False,
) -> Generator[Rows, None, None]:
    """Tag the jobs of a file, in order, as rows of another file; see `tag_file`.

    Close it, with `contextlib.closing`, to end the worker processes at once.
    """
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread that redraws it: workers are forked where there is none

    form = form or Form()
    jobs = iter_jobs(
        source,
        rejects=rejects,
        columns=columns,
        encoding=encoding,
        layout=layout,
        labels=False,
        fields=True,
        keep=form.keep,
    )
    work = _Work(model, form, feed_of(model), promised)
    tagged = _tag_batches(
        work, _batches(islice(jobs, limit)), n_workers, is_stream=not source.is_file()
    )
    bar = Bar(desc="tagging", unit="job", disable=None if show_progress else True)
    with bar, closing(tagged):
        for rows in tagged:
            yield rows
            bar.update(rows.n_jobs)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What is done to each batch, here or in a worker process."""

    model: TagModel
    form: Form
    feed: Suggester
    promised: FloatArray | None

    def __call__(self, batch: Sequence[Job]) -> Rows:
        tagged = self._tag(batch)
        return Rows(len(batch), self.form.rows(tagged))

    def one_by_one(self, batches: Iterable[Sequence[Job]]) -> Iterator[Rows]:
        """The same in parts of one job, so that little is lost when this is stopped."""
        for tagged in self._tag(chain.from_iterable(batches)):
            yield Rows(1, self.form.rows([tagged]))

    def _tag(self, jobs: Iterable[Job]) -> Iterator[TaggedJob]:
        return tag_jobs(
            self.model,
            jobs,
            explain=self.form.explain,
            feed=self.feed,
            keep=self.form.keep,
            promised=self.promised,
        )


def _tag_batches(
    work: _Work, batches: Batches, n_workers: int, *, is_stream: bool
) -> Generator[Rows, None, None]:
    """Tag in worker processes if there are more than a few batches.

    A stream may come slowly: what it has brought is tagged before more of it is read.
    """
    if n_workers == 1:
        yield from work.one_by_one(batches)
        return
    from tagger.workers import map_ordered

    n_alone = N_ALONE_EXPLAINED if work.form.explain else N_ALONE
    if is_stream:
        yield from work.one_by_one(islice(batches, n_alone))
    else:
        head, batches = _look_ahead(batches, n_alone + 1)
        if len(head) <= n_alone:
            yield from work.one_by_one(chain(head, batches))
            return
        batches = chain(head, batches)
    with closing(map_ordered(work, batches, n_workers=n_workers)) as tagged:
        yield from tagged


def _look_ahead(batches: Batches, n: int) -> tuple[list[list[Job]], Batches]:
    """The first `n` batches, and the others; an error comes after what came before it."""
    head: list[list[Job]] = []
    try:
        for batch in islice(batches, n):
            head.append(batch)
    except JobtoolError as error:
        return head, _raising(error)
    return head, batches


def _raising(error: JobtoolError) -> Batches:
    raise error
    yield


def check_apart(written: Path, *others: Path) -> None:
    """Raise DataError if a file to be written is one of the others."""
    for other in others:
        if written.resolve() == other.resolve():
            raise DataError(f"{written} would be overwritten while it is in use: name another file")
