"""Workers: what they store, and what they refuse."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, select, text, update

from db import labelling, queue
from db.columns import Answer, BatchState, Source
from db.engine import now, reading, writing
from db.errors import StoreError
from db.labelling import Settings, label
from db.labels import Batches, Said, find_tags, record
from db.registry import rollback
from db.schema import Batch, Job, JobCode, Label, Model, Prediction, PredictionSet, QueuedJob, Tag
from tests.db.conftest import wait_for
from tests.db.worker import (
    TAGS,
    ByLength,
    add_jobs,
    add_model,
    check_complete,
    count,
    promote_model,
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "N_JOBS", 4)


def sets_of(model_id: int) -> object:
    return PredictionSet.model_id == model_id


# ---- what is stored


def test_every_job_gets_what_the_model_says(engine: Engine, store: Path) -> None:
    add_jobs(engine, 30)
    model_id = add_model(engine, store, "first")
    assert label(engine, ByLength, Settings(store=store)) == 30
    check_complete(engine, model_id)
    said = ByLength(store).predict([queue.Posting(21, "Cook", "x" * 20)])
    with reading(engine) as session:
        tags = find_tags(session, TAGS)
        stored = [session.get_one(Prediction, (model_id, 21, tags[name].id)) for name in TAGS]
        code = session.get_one(JobCode, (1, 21)).code
        is_unsure = session.get_one(PredictionSet, (model_id, 21)).needs_review
    assert [one.score for one in stored] == said.scores[0].tolist()
    assert [one.probability for one in stored] == said.probabilities[0].tolist()
    assert [one.decision for one in stored] == said.decisions[0].tolist() == [True, True, False]
    assert [one.review for one in stored] == said.reviews[0].tolist() == [True, True, True]
    assert is_unsure
    assert np.frombuffer(code, "<f4").tolist() == said.codes[0].tolist()


def test_of_a_tag_that_was_never_learned_nothing_is_said(engine: Engine, store: Path) -> None:
    add_jobs(engine, 30)  # the model is in doubt of "even" on each of them
    model_id = add_model(engine, store, "first", unlearned=["even"])
    assert label(engine, ByLength, Settings(store=store)) == 30
    with reading(engine) as session:
        named = select(Tag.name).join(Prediction, Prediction.tag_id == Tag.id).distinct()
        assert set(session.scalars(named)) == {"long", "short"}
    in_doubt = count(engine, PredictionSet, PredictionSet.needs_review)
    assert (in_doubt, count(engine, Prediction, Prediction.model_id == model_id)) == (1, 60)


def test_tagging_again_does_nothing(engine: Engine, store: Path) -> None:
    add_jobs(engine, 3)
    add_model(engine, store, "first")
    assert [label(engine, ByLength, Settings(store=store)) for _ in range(2)] == [3, 0]


def test_only_new_jobs_are_tagged(engine: Engine, store: Path) -> None:
    add_jobs(engine, 3)
    model_id = add_model(engine, store, "first")
    label(engine, ByLength, Settings(store=store))
    add_jobs(engine, 2, first=3)
    assert label(engine, ByLength, Settings(store=store)) == 2
    check_complete(engine, model_id)


def test_a_limit_ends_it_and_the_rest_stays_queued(engine: Engine, store: Path) -> None:
    add_jobs(engine, 10)
    add_model(engine, store, "first")
    assert label(engine, ByLength, Settings(store=store, limit=7)) == 7
    assert count(engine, QueuedJob) == 3


def test_what_a_person_said_is_not_touched(engine: Engine, store: Path) -> None:
    add_jobs(engine, 30)
    add_model(engine, store, "first")
    with writing(engine) as session:
        tag_id = find_tags(session, ["long"])["long"].id
        record(session, [Said(30, tag_id, Answer.NO, "ann", Source.PERSON)], Batches("a test"))
    before = lines(engine)
    label(engine, ByLength, Settings(store=store))
    assert lines(engine) == before
    with reading(engine) as session:  # and the model may well say the opposite, beside it
        assert session.get_one(Prediction, (1, 30, tag_id)).decision


def lines(engine: Engine) -> list[tuple[object, ...]]:
    with reading(engine) as session:
        return [tuple(row) for row in session.execute(select(*Label.__table__.columns))]


def test_a_huge_posting_is_a_batch_of_its_own(
    engine: Engine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "N_CHARS", 50)
    add_jobs(engine, 3)
    with writing(engine) as session:
        session.execute(update(Job).where(Job.id == 2).values(text="y" * 100))
    model_id = add_model(engine, store, "first")
    label(engine, ByLength, Settings(store=store))
    check_complete(engine, model_id)
    with reading(engine) as session:
        assert session.scalars(select(Batch.n_jobs).order_by(Batch.id)).all() == [1, 1, 1]


# ---- which model


def test_a_promotion_is_taken_up_between_batches(
    engine: Engine, store: Path, small_batches: None
) -> None:
    add_jobs(engine, 20)
    first, second = add_model(engine, store, "first"), add_model(engine, store, "2nd", live=False)
    loaded: list[str] = []

    def load(folder: Path) -> ByLength:
        loaded.append(folder.name)
        return ByLength(folder)

    def progress(n_jobs: int) -> None:
        if count(engine, PredictionSet) == 8:
            promote_model(engine, second)

    label(engine, load, Settings(store=store), progress=progress)
    assert loaded == ["first", "2nd"]
    n_first = count(engine, PredictionSet, sets_of(first))
    assert 8 <= n_first < 20
    assert count(engine, PredictionSet, sets_of(second)) == 20
    assert count(engine, Prediction) == (n_first + 20) * len(TAGS)
    assert count(engine, QueuedJob) == 0


def test_after_a_rollback_only_the_rest_is_tagged(engine: Engine, store: Path) -> None:
    add_jobs(engine, 4)
    first = add_model(engine, store, "first")
    label(engine, ByLength, Settings(store=store))
    add_model(engine, store, "second")
    add_jobs(engine, 2, first=4)
    label(engine, ByLength, Settings(store=store))
    with writing(engine) as session:
        rollback(session)
    assert label(engine, ByLength, Settings(store=store)) == 2
    check_complete(engine, first)


def test_without_a_live_model_it_says_what_to_do(engine: Engine, store: Path) -> None:
    with pytest.raises(StoreError, match="no live model: run jobtool retrain"):
        label(engine, ByLength, Settings(store=store))


def test_a_model_that_is_not_what_was_registered_tags_nothing(engine: Engine, store: Path) -> None:
    add_jobs(engine, 3)
    add_model(engine, store, "first")
    (store / "first/meta.json").write_text("First")
    with pytest.raises(StoreError, match="not what was registered as model 1"):
        label(engine, ByLength, Settings(store=store))
    assert count(engine, PredictionSet) == count(engine, Batch) == 0


def test_a_missing_folder_says_where_to_look(engine: Engine, store: Path) -> None:
    add_model(engine, store, "first")
    with pytest.raises(StoreError, match="with --store"):
        label(engine, ByLength, Settings(store=store / "elsewhere"))


def test_a_pruned_model_is_refused(engine: Engine, store: Path) -> None:
    add_model(engine, store, "first")
    with writing(engine) as session:
        session.get_one(Model, 1).pruned_at = now(session)
    with pytest.raises(StoreError, match="pruned"):
        label(engine, ByLength, Settings(store=store))


def test_a_model_of_other_tags_is_refused(engine: Engine, store: Path) -> None:
    class Other(ByLength):
        tags = ("long", "short")

    add_model(engine, store, "first")
    with pytest.raises(StoreError, match="2 tags, but is registered with 3"):
        label(engine, Other, Settings(store=store))


def test_a_model_of_other_codes_is_refused(engine: Engine, store: Path) -> None:
    add_model(engine, store, "first")
    with writing(engine) as session:
        session.execute(text("UPDATE code_versions SET n_numbers = 100"))
    with pytest.raises(StoreError, match="codes of 4 numbers, its code version has 100"):
        label(engine, ByLength, Settings(store=store))


# ---- waiting and stopping


def test_a_batch_of_a_dead_worker_is_waited_for_and_taken_over(engine: Engine, store: Path) -> None:
    add_jobs(engine, 5)
    model_id = add_model(engine, store, "first")
    with writing(engine) as session:
        queue.enqueue_missing(session, model_id)
        queue.claim(session, model_id, "dead", n_jobs=5, n_chars=1000, lease_s=1.5)
    assert label(engine, ByLength, Settings(store=store)) == 5
    check_complete(engine, model_id)


def test_a_worker_that_comes_back_too_late_stores_nothing(engine: Engine, store: Path) -> None:
    """It sleeps for longer than its lease, and gives no sign of life meanwhile."""
    add_jobs(engine, 5)
    model_id = add_model(engine, store, "first")

    class Sleeper(ByLength):
        def predict(self, postings: object, /) -> object:
            with writing(engine) as session:  # as when this machine was suspended
                session.execute(update(Batch).values(lease_until=Batch.claimed_at))
            if len(postings) > 1:
                assert label(engine, ByLength, Settings(store=store)) == 5
            return super().predict(postings)

    # The limit keeps it from claiming ahead what it has lost.
    assert label(engine, Sleeper, Settings(store=store, limit=5)) == 0
    check_complete(engine, model_id)


def test_a_slow_batch_keeps_its_lease(engine: Engine, store: Path) -> None:
    add_jobs(engine, 3)
    model_id = add_model(engine, store, "first")
    Slow = lambda folder: ByLength(folder, seconds=2.5)  # noqa: E731
    assert label(engine, Slow, Settings(store=store, lease_s=1)) == 3
    check_complete(engine, model_id)
    assert count(engine, Batch, Batch.state == BatchState.EXPIRED) == 0


def test_what_fails_is_given_back(engine: Engine, store: Path) -> None:
    class Failing(ByLength):
        def predict(self, postings: object, /) -> object:
            if len(postings) > 1:
                raise MemoryError
            return super().predict(postings)

    add_jobs(engine, 5)
    model_id = add_model(engine, store, "first")
    with pytest.raises(MemoryError):
        label(engine, Failing, Settings(store=store))
    assert count(engine, QueuedJob, QueuedJob.batch_id.is_(None)) == 5
    label(engine, ByLength, Settings(store=store))
    check_complete(engine, model_id)


def test_a_stop_ends_it_between_batches(engine: Engine, store: Path, small_batches: None) -> None:
    add_jobs(engine, 20)
    add_model(engine, store, "first")
    asked: list[int] = []
    n_done = label(
        engine, ByLength, Settings(store=store), stop=lambda: any(asked), progress=asked.append
    )
    assert 4 <= n_done == sum(asked) == count(engine, PredictionSet) < 20
    assert count(engine, Batch, Batch.state == BatchState.LEASED) == 0
    assert count(engine, QueuedJob, QueuedJob.batch_id.is_(None)) == 20 - n_done


@pytest.fixture
def watcher(engine: Engine, store: Path) -> Iterator[Callable[[], None]]:
    """Starts a worker that watches, in a thread; stops it at the end."""
    is_over = threading.Event()
    thread = threading.Thread(
        target=label,
        args=(engine, ByLength, Settings(store=store, watch=True)),
        kwargs={"stop": is_over.is_set},
    )
    yield thread.start
    is_over.set()
    thread.join()


def test_a_watching_worker_tags_jobs_as_they_are_queued(
    engine: Engine, store: Path, watcher: Callable[[], None]
) -> None:
    model_id = add_model(engine, store, "first")
    watcher()
    for first in (0, 5):
        add_jobs(engine, 5, first=first)
        with writing(engine) as session:
            queue.enqueue_missing(session, model_id)
        wait_for(lambda n=first + 5: count(engine, PredictionSet) == n)
    assert count(engine, PredictionSet) == 10


def test_a_watching_worker_finds_jobs_that_nobody_queued(
    engine: Engine, store: Path, watcher: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "MISSING_S", 0.1)
    add_jobs(engine, 1)
    add_model(engine, store, "first")
    watcher()
    wait_for(lambda: count(engine, PredictionSet) == 1)
    add_jobs(engine, 5, first=1)
    wait_for(lambda: count(engine, PredictionSet) == 6)
    assert count(engine, PredictionSet) == 6
