"""Tagging with a saved model: one posting, a stream of them, or a file into a file.

Nothing here loads TensorFlow, Keras or scikit-learn, so that one posting is tagged at once.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tagger.display import signed
from tagger.errors import DataError
from tagger.features import BATCH
from tagger.files import MAX_CHARS, TEXT_KINDS
from tagger.jobs import Job, Rejects, iter_jobs
from tagger.metrics import plain
from tagger.model import Reason, TagModel
from tagger.writing import PartWriter, joined, writing

BATCH_CHARS = 4 * 2**20
"""A batch ends at so many characters, so that a file of huge postings takes no more memory."""

_TABLES = (*TEXT_KINDS, *(f"{kind}.gz" for kind in TEXT_KINDS), ".parquet")
_NO_TEXT = {
    b"%PDF": "is a PDF; make text of it first, for example: pdftotext FILE.pdf -",
    b"PK\x03\x04": "is a Word, Excel or zip file; save its text as UTF-8 first",
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"\xff\xfe": "is UTF-16; pass --encoding utf-16",
    b"\xfe\xff": "is UTF-16; pass --encoding utf-16",
}


@dataclass(frozen=True, slots=True)
class TaggedJob:
    """What a model says of one job."""

    id: str
    tags: tuple[str, ...]
    """Given: probability at or above the tag's threshold."""
    review: tuple[str, ...]
    """Probability so near to the threshold that a person should look."""
    scores: dict[str, float]
    """Tag -> calibrated probability, in [0, 1], rounded to 6 digits."""
    reasons: dict[str, list[Reason]] | None = None
    """Tag -> the terms that raised or lowered it, strongest first; None if not asked for."""

    def to_json(self) -> dict[str, Any]:
        """As one object of plain values; `reasons` only if there are any."""
        row: dict[str, Any] = {
            "id": self.id,
            "tags": list(self.tags),
            "review": list(self.review),
            "scores": self.scores,
        }
        if self.reasons is not None:
            row["reasons"] = {tag: [list(r) for r in found] for tag, found in self.reasons.items()}
        return row

    def to_line(self) -> str:
        """As a line of JSON."""
        return json.dumps(self.to_json(), ensure_ascii=False) + "\n"


# ---- jobs to tags


def tag_jobs(model: TagModel, jobs: Iterable[Job], *, explain: bool = False) -> Iterator[TaggedJob]:
    """Tag jobs in batches, order kept; memory stays flat however many there are."""
    for batch, proba in model.iter_proba(_batches(jobs)):
        given, review = model.decide(proba), model.review(proba)
        for job, row, yes, unsure in zip(batch, proba, given, review, strict=True):
            yield TaggedJob(
                id=job.id,
                tags=_chosen(model.tags, yes),
                review=_chosen(model.tags, unsure),
                scores=dict(zip(model.tags, (round(float(p), 6) for p in row), strict=True)),
                reasons=model.explain(job) if explain else None,
            )


def _batches(jobs: Iterable[Job]) -> Iterator[list[Job]]:
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


def iter_tagged(
    model: TagModel,
    source: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    explain: bool = False,
    show_progress: bool = False,
) -> Iterator[TaggedJob]:
    """Tag the jobs of a file one after the other; see `tagger.jobs.iter_jobs`."""
    from tqdm import tqdm

    jobs = iter_jobs(source, rejects=rejects, columns=columns, encoding=encoding, labels=False)
    tagged = tag_jobs(model, jobs, explain=explain)
    yield from tqdm(tagged, desc="tagging", unit="job", disable=None if show_progress else True)


def tag_file(
    model: TagModel,
    source: Path,
    output: Path,
    *,
    rejects: Rejects,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    explain: bool = False,
    show_progress: bool = False,
) -> int:
    """Tag the jobs of `source` into `output`; returns how many.

    `output` appears when it is whole; until then, and after an interruption, the rows are in a
    file of that name with ``.part`` after it.

    Raises
    ------
    DataError
        If `source` as a whole can't be used, or `output` can't be written.
    """
    check_apart(output, source)
    with TagWriter(output, model.tags, explain=explain) as writer:
        for tagged in iter_tagged(
            model,
            source,
            rejects=rejects,
            columns=columns,
            encoding=encoding,
            explain=explain,
            show_progress=show_progress,
        ):
            writer.write(tagged)
    return writer.n_rows


def check_apart(written: Path, *others: Path) -> None:
    """Raise DataError if a file to be written is one of the others."""
    for other in others:
        if written.resolve() == other.resolve():
            raise DataError(f"{written} would be overwritten while it is in use: name another file")


class TagWriter(PartWriter):
    """Writes tagged jobs as JSON lines or CSV, whole or not at all; a context manager.

    JSON lines hold what `TaggedJob.to_json` gives. CSV has the columns id, tags, review (names
    separated by semicolons), ``score:TAG`` for each tag, and with `explain` the column reasons.

    Parameters
    ----------
    output
        Ends in .jsonl, .ndjson or .csv, each also .gz. An older file is replaced at the end.
    """

    done = "jobs tagged"

    def __init__(self, output: Path, tags: Sequence[str], *, explain: bool = False) -> None:
        super().__init__(output)
        self._tags, self._explain = tags, explain

    def begin(self) -> None:
        super().begin()
        if self.kind == ".csv":
            self._csv = csv.writer(self.stream, lineterminator="\n")
            scores = [f"score:{tag}" for tag in self._tags]
            reasons = ["reasons"] if self._explain else []
            self._csv.writerow(["id", "tags", "review", *scores, *reasons])

    def write(self, tagged: TaggedJob) -> None:
        """Write one row."""
        with writing(self.output):
            if self.kind == ".csv":
                self._csv.writerow(_csv_cells(tagged))
            else:
                self.stream.write(tagged.to_line())
        self.n_rows += 1


def _csv_cells(tagged: TaggedJob) -> list[object]:
    cells = [tagged.id, joined(tagged.tags), joined(tagged.review), *tagged.scores.values()]
    if tagged.reasons is not None:
        shown = [tag for tag in tagged.reasons if tag in (*tagged.tags, *tagged.review)]
        cells.append(" | ".join(f"{tag}: {signed(tagged.reasons[tag])}" for tag in shown))
    return cells
