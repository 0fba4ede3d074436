"""Made-up jobs, tags, models and labels, for tests about people."""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import labels, registry
from db.columns import Answer, RunState, Source
from db.engine import now, reading, writing
from db.schema import (
    CodeVersion,
    Job,
    JobCode,
    Label,
    Model,
    Prediction,
    PredictionSet,
    Run,
    Verdict,
)

YES, NO, UNSURE = Answer.YES, Answer.NO, Answer.UNSURE


def add_jobs(session: Session, *names: str, canonical: Job | None = None) -> list[Job]:
    jobs = [
        Job(
            external_id=name,
            title=f"Title {name}",
            text=f"Text of {name}",
            imported_at=now(session),
            text_hash=bytes(16),
            canonical_id=canonical.id if canonical else None,
        )
        for name in names
    ]
    session.add_all(jobs)
    session.flush()
    return jobs


def add_tags(session: Session, *names: str) -> list[int]:
    found = labels.find_tags(session, names, create=True)
    return [found[name].id for name in names]


def add_champion(
    session: Session,
    thresholds: Mapping[str, float | None],
    *,
    job_ids: Sequence[int] = (),
    seen_ids: Sequence[int] = (),
    folder: str | None = None,
) -> Model:
    """A live model that has learned from some jobs, and has seen others."""
    version = CodeVersion(n_numbers=2, created_at=now(session))
    session.add(version)
    session.flush()
    trained = registry.TrainedModel(
        folder=folder or f"m{version.id}",
        sha256="0" * 64,
        thresholds=thresholds,
        snapshot="0" * 64,
        seed=0,
        versions={},
        metrics={},
        labelled_ids=job_ids,
        unlabelled_ids=seen_ids,
    )
    model = registry.register(session, trained, parent=None, code_version=version)
    registry.promote(session, model, reason="a test")
    return model


def retrained(
    session: Session,
    model: Model,
    *,
    champion_id: int | None = None,
    gain: tuple[float, float, float] | None = None,
) -> None:
    """A run that made a model of all labels so far; its `gain` is value, low and high."""
    run = Run(
        worker="w",
        state=RunState.DONE,
        lease_until=now(session),
        reason="a test",
        folder="x",
        started_at=now(session),
        label_id=session.query(Label).count(),
        job_id=0,
        model_id=model.id,
    )
    session.add(run)
    session.flush()
    found = dict(zip(("value", "low", "high"), gain, strict=True)) if gain else None
    verdict = Verdict(
        run_id=run.id,
        challenger_id=model.id,
        champion_id=champion_id,
        promoted=False,
        reason="a test",
        details={"n_jobs": 200, "mean_average_precision": found} if found else {},
        judged_at=now(session),
    )
    session.add(verdict)
    session.flush()


def predict(
    session: Session,
    model: Model,
    job: Job,
    proba: Mapping[int, float],
    *,
    code: Sequence[float] | None = None,
) -> None:
    """`proba`: tag id -> probability; 0.5 and more is a yes."""
    key = {"model_id": model.id, "job_id": job.id}
    session.add(PredictionSet(**key, needs_review=False, predicted_at=now(session)))
    session.flush()
    for tag_id, p in proba.items():
        given = {"tag_id": tag_id, "score": 0.0, "probability": p, "decision": p >= 0.5}
        session.add(Prediction(**key, **given, review=False))
    if code is not None:
        packed = np.array(code, "<f4").tobytes()
        session.add(JobCode(code_version_id=model.code_version_id, job_id=job.id, code=packed))
    session.flush()


def say(
    session: Session,
    job: Job | int,
    tag_id: int,
    answer: Answer,
    labeller: str = "anna",
    source: Source = Source.PERSON,
    batches: labels.Batches | None = None,
) -> None:
    """One answer, in a batch of its own unless told."""
    job_id = job if isinstance(job, int) else job.id
    said = [labels.Said(job_id, tag_id, answer, labeller, source)]
    labels.record(session, said, batches or labels.Batches("a test"))


def held(engine: Engine) -> dict[tuple[int, int], Answer | None]:
    with reading(engine) as session:
        return {(one.job_id, one.tag_id): one.answer for one in labels.iter_held(session)}


def n_lines(engine: Engine) -> int:
    with reading(engine) as session:
        return session.query(Label).count()


def three_jobs(engine: Engine) -> tuple[list[int], list[int]]:
    """Ids of three jobs and of two tags, remote and night."""
    with writing(engine) as session:
        tags = add_tags(session, "remote", "night")
        return [job.id for job in add_jobs(session, "a", "b", "c")], tags
