"""What a retrain learns from: every label that holds, what is said of tags, and unlabelled jobs.

All labels teach and all of them judge: a model answers for each labelled job as it stood before it
had seen the labels of that job and its reposts (`tagger.held_out`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db.columns import Answer
from db.labels import Held, all_tags, chunks, held_batches, iter_held
from db.schema import Job, Label, LabelBatch
from db.tag_info import hash_of, infos_of
from tagger.tag_info import TagInfo

MAX_REPLAY = 20_000
"""Old labelled jobs that a retrain learns again beside the new ones."""
MAX_UNLABELLED = 40_000
"""Newest unlabelled jobs that are read where the codes are learned, too."""
RARE = 100
"""Jobs with a tag that has fewer yes are always replayed."""

GROUP: ColumnElement[int] = func.coalesce(Job.canonical_id, Job.id)
"""A job's duplicate group: the id of its canonical job."""


@dataclass(frozen=True, slots=True)
class LabelledJob:
    """A job and what holds of its tags; a tag in neither list is unknown."""

    id: int
    title: str
    text: str
    yes: tuple[str, ...]
    no: tuple[str, ...]
    group: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one retrain knows."""

    tags: tuple[str, ...]
    """The tags in use, by position: the columns of the model."""
    tag_infos: tuple[TagInfo, ...]
    """What the team says of each of them, in the same order."""
    training: tuple[LabelledJob, ...]
    unlabelled: tuple[int, ...]
    """Ids of jobs that teach softly, and the codes; see `iter_jobs`."""
    n_replayed: int
    """How many of `training` the last model knew already."""
    held_batches: tuple[int, ...]
    """Batches of labels that don't hold."""
    sha256: str
    """Of ids, texts and labels of all that is learned from, and of what is said of tags."""

    @property
    def job_ids(self) -> list[int]:
        """All jobs that are learned from."""
        return [*(job.id for job in self.training), *self.unlabelled]


def take_snapshot(
    session: Session,
    *,
    known_label: int = 0,
    label_id: int | None = None,
    n_unlabelled: int = MAX_UNLABELLED,
    max_replay: int = MAX_REPLAY,
    seed: int = 0,
) -> Snapshot:
    """Read what a retrain needs.

    Parameters
    ----------
    known_label
        Labels up to this one were known to the last retrain: jobs with none newer are old.
    label_id
        Labels after this one are left to the next retrain. None: all count.
    n_unlabelled
        At most so many of the newest unlabelled jobs, one per duplicate group.
    max_replay
        At most so many old labelled jobs: those with rare tags, then some drawn at random.
    """
    in_use = all_tags(session)
    tags = {tag.id: tag.name for tag in in_use}
    infos = infos_of(session, in_use)
    held_back = list(session.scalars(held_batches().order_by(LabelBatch.id)))
    held = known_labels(session, tags, until=label_id, without=held_back)
    new = set(session.scalars(select(Label.job_id).where(Label.id > known_label).distinct()))
    old = [job_id for job_id in held if job_id not in new]
    replayed = set(_replayed(old, held, max_replay, seed))
    chosen = [job_id for job_id in held if job_id in new or job_id in replayed]
    unlabelled = _unlabelled(session, set(held), n_unlabelled)
    return Snapshot(
        tags=tuple(tags.values()),
        tag_infos=tuple(infos.values()),
        training=tuple(read_labelled(session, chosen, held, tags)),
        unlabelled=tuple(unlabelled),
        n_replayed=len(replayed),
        held_batches=tuple(held_back),
        sha256=digest_of(session, chosen, held, unlabelled, infos),
    )


def iter_jobs(session: Session, ids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
    """Id, title and text of jobs, a few hundred in memory at a time."""
    for part in chunks(ids):
        query = select(Job.id, Job.title, Job.text).where(Job.id.in_(part)).order_by(Job.id)
        yield from session.execute(query)


Answers = dict[int, dict[int, Answer]]
"""Job -> tag -> yes or no."""


def known_labels(
    session: Session,
    tags: Iterable[int],
    *,
    job_ids: Sequence[int] | None = None,
    until: int | None = None,
    without: Sequence[int] | None = None,
) -> Answers:
    """All that is known, yes or no, of some tags; the rest as in `iter_held`."""
    wanted = set(tags)
    held: Answers = {}

    def job_of(line: Held) -> int:
        return line.job_id

    found = iter_held(session, job_ids=job_ids, until=until, without=without)
    for job_id, lines in groupby(found, key=job_of):
        known = {
            line.tag_id: line.answer
            for line in lines
            if line.answer is not None and line.tag_id in wanted
        }
        if known:
            held[job_id] = known
    return held


def _replayed(old: list[int], held: Answers, limit: int, seed: int) -> list[int]:
    if len(old) <= limit:
        return old
    n_yes: dict[int, int] = {}
    for answers in held.values():
        for tag, answer in answers.items():
            n_yes[tag] = n_yes.get(tag, 0) + (answer == Answer.YES)

    def is_rare(job_id: int) -> bool:
        return any(
            answer == Answer.YES and n_yes[tag] < RARE for tag, answer in held[job_id].items()
        )

    drawn = Random(seed).sample(old, len(old))
    return sorted(drawn, key=is_rare, reverse=True)[:limit]


def _unlabelled(session: Session, labelled: set[int], limit: int) -> list[int]:
    query = (
        select(Job.id)
        .where(Job.canonical_id.is_(None))
        .order_by(Job.id.desc())
        .limit(limit + len(labelled))
    )
    return sorted([job_id for job_id in session.scalars(query) if job_id not in labelled][:limit])


def read_labelled(
    session: Session, ids: Sequence[int], held: Answers, tags: dict[int, str]
) -> Iterator[LabelledJob]:
    """Jobs with their texts and what `held` says of them, ordered by id."""
    groups: dict[int, int] = {}
    for part in chunks(ids):
        groups |= dict(session.execute(select(Job.id, GROUP).where(Job.id.in_(part))).all())
    for job_id, title, text in iter_jobs(session, ids):
        yes, no = (
            tuple(tags[tag] for tag, answer in held[job_id].items() if answer == wanted)
            for wanted in (Answer.YES, Answer.NO)
        )
        yield LabelledJob(job_id, title, text, yes, no, groups[job_id])


def digest_of(
    session: Session,
    training: Sequence[int],
    held: Answers,
    unlabelled: Sequence[int],
    infos: Mapping[int, TagInfo],
) -> str:
    """SHA-256 of what is said of tags, and of ids, texts and labels of jobs."""
    digest = hashlib.sha256()
    digest.update(hash_of(infos).encode())
    for part in chunks(sorted([*training, *unlabelled])):
        query = select(Job.id, Job.text_hash).where(Job.id.in_(part)).order_by(Job.id)
        for job_id, text_hash in session.execute(query):
            answers = sorted(held[job_id].items()) if job_id in held else []
            said = ",".join(f"{tag}={answer.value}" for tag, answer in answers)
            digest.update(f"{job_id}:{text_hash.hex()}:{said}\n".encode())
    return digest.hexdigest()
