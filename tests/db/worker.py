"""What tests of tagging share: a predictor that only looks at lengths, and worker processes."""

import hashlib
import multiprocessing
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine, func, insert, select

from db import labelling
from db.audit import audit
from db.columns import BatchState
from db.engine import open_engine, reading, writing
from db.labelling import Settings, label
from db.queue import Posting
from db.registry import TrainedModel, promote, register
from db.schema import Batch, CodeVersion, Job, JobCode, Model, Prediction, PredictionSet, QueuedJob

TAGS = ("long", "short", "even")
N_CODE = 4


class Lengths(NamedTuple):
    """What `ByLength` says."""

    scores: np.ndarray
    probabilities: np.ndarray
    decisions: np.ndarray
    reviews: np.ndarray
    codes: np.ndarray


class Promised(NamedTuple):
    """What `ByLength` promises of a tag."""

    tag: str
    threshold: float | None
    n_given: int
    n_wrong: int
    missing: int


class ByLength:
    """Tags postings by the length of their text, slowly if told to. Promises "long" alone."""

    tags = TAGS

    def __init__(self, folder: Path, seconds: float = 0.0) -> None:
        self.folder, self.seconds = folder, seconds

    def promises(self, *, wrong_at_most: float, confidence: float) -> list[Promised]:
        long = Promised("long", 1 - wrong_at_most, 60, 0, 0)
        return [long, *(Promised(tag, None, 10, 1, 67) for tag in TAGS[1:])]

    def predict(self, postings: Sequence[Posting], /) -> Lengths:
        time.sleep(self.seconds)
        n_chars = np.array([len(posting.text) for posting in postings], float)
        scores = np.stack([n_chars - 20, 20 - n_chars, n_chars % 2 - 0.5], axis=1)
        proba = 1 / (1 + np.exp(-scores))
        codes = np.repeat(n_chars[:, None], N_CODE, axis=1).astype(np.float32)
        return Lengths(scores, proba, proba >= 0.5, np.abs(proba - 0.5) < 0.2, codes)


def add_jobs(engine: Engine, n_jobs: int, *, first: int = 0) -> None:
    with writing(engine) as session:
        session.execute(insert(Job), [job_row(n) for n in range(first, first + n_jobs)])


def job_row(n: int) -> dict[str, object]:
    return {
        "external_id": f"j{n}",
        "title": "Cook",
        "text": "x" * (n % 40),
        "imported_at": datetime.now(UTC),
        "text_hash": bytes(16),
    }


def add_model(
    engine: Engine, store: Path, name: str, *, live: bool = True, unlearned: Sequence[str] = ()
) -> int:
    """Register a model whose folder holds a `meta.json`; returns its id."""
    (store / name).mkdir(parents=True)
    (store / name / "meta.json").write_text(name)
    trained = TrainedModel(
        folder=name,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        thresholds={tag: None if tag in unlearned else 0.5 for tag in TAGS},
        snapshot="",
        seed=0,
        versions={},
        metrics={},
        labelled_ids=(),
        unlabelled_ids=(),
    )
    with writing(engine) as session:
        version = session.scalar(select(CodeVersion))
        if version is None:
            version = CodeVersion(n_numbers=N_CODE, created_at=datetime.now(UTC))
            session.add(version)
            session.flush()
        model = register(session, trained, parent=None, code_version=version)
        if live:
            promote(session, model, reason="a test")
        return model.id


def promote_model(engine: Engine, model_id: int) -> None:
    with writing(engine) as session:
        promote(session, session.get_one(Model, model_id), reason="a test")


def count(engine: Engine, rows: type, *where: object) -> int:
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(rows).where(*where))


def check_complete(engine: Engine, model_id: int) -> None:
    """Every job has one set of this model, with every tag and one code; nothing is left over.

    And all of it is in the log.
    """
    n_jobs = count(engine, Job)
    assert count(engine, PredictionSet, PredictionSet.model_id == model_id) == n_jobs
    assert count(engine, Prediction, Prediction.model_id == model_id) == n_jobs * len(TAGS)
    assert count(engine, JobCode) == n_jobs
    assert count(engine, QueuedJob) == 0
    assert count(engine, Batch, Batch.state == BatchState.LEASED) == 0
    report = audit(engine)
    assert report.ok, report


# ---- worker processes that can be killed

_context = multiprocessing.get_context("forkserver")  # quick to start, and nothing inherited
_context.set_forkserver_preload(["tests.db.worker"])


def start_worker(
    url: str, store: Path, *, lease_s: float, seconds: float, n_jobs: int = 4
) -> BaseProcess:
    """Start a worker of small batches that takes so many seconds for each."""
    process = _context.Process(target=_work, args=(url, store, lease_s, seconds, n_jobs))
    process.start()
    return process


def _work(url: str, store: Path, lease_s: float, seconds: float, n_jobs: int) -> None:
    labelling.N_JOBS = n_jobs
    engine = open_engine(url)
    label(engine, lambda folder: ByLength(folder, seconds), Settings(store=store, lease_s=lease_s))
