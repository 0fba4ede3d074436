"""Training a model once more from what is recorded of it, and what stands in the way."""

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select, update

from db.columns import WordVerdict
from db.engine import reading, writing
from db.forget import find_job, remove
from db.importing import import_jobs
from db.rebuild import Rebuilt, rebuild, snapshot_of_run
from db.registry import promote
from db.retrain import Settings, retrain
from db.rows import JobRow
from db.schema import Job, Label, Model, Run
from db.tag_info import say_fact, say_word
from db.tags import rename_tag, retire_tag
from jobtool.trainer import Trainer as RealTrainer
from tagger.storage import META, save_folder
from tagger.versions import versions
from tests.db.made_up import NO, YES, add_tags, say


@dataclass
class Trained:
    sha256: str
    thresholds: dict[str, float | None]
    seed: int = 0
    n_code: int = 4
    versions: dict[str, str] = field(default_factory=versions)
    metrics: dict[str, Any] = field(default_factory=lambda: {"n_labelled": 8})
    n_yes: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    drift: float | None = None


@dataclass
class Check:
    problems: tuple[str, ...] = ()
    suspects: tuple[int, ...] = ()


class Trainer:
    """Its model is an array of hashes of all that it is told."""

    def __init__(self, seed: int = 0, more: float = 0.0) -> None:
        self.seed, self.more = seed, more

    def train(self, snapshot, unlabelled, folder, *, parent, refresh):
        before = (parent / META).read_text() if parent else ""
        told = (
            *(f"{job.id} {job.title} {job.text} {job.yes} {job.no}" for job in snapshot.training),
            *map(str, unlabelled),
            *map(str, snapshot.tag_infos),
            *(before, str(refresh), str(self.seed)),
        )
        hashes = [int.from_bytes(hashlib.sha256(one.encode()).digest()[:4]) for one in told]
        values = np.array(hashes, np.float64)
        values[0] += self.more
        save_folder(folder, {"told": {"values": values}}, {"tags": list(snapshot.tags)})
        sha256 = hashlib.sha256((folder / META).read_bytes()).hexdigest()
        drift = 0.0 if parent else None
        return Trained(sha256, dict.fromkeys(snapshot.tags, 0.5), seed=self.seed, drift=drift)

    def compare(self, *asked: object, **how: object) -> None:
        return None

    def check(self, champion, batches, renamed):
        return [Check() for _ in batches]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def two_models(engine: Engine, add_jobs, store: Path) -> Engine:
    """A model, more labels, and another model that goes on from it."""
    jobs = add_jobs(15)
    with writing(engine) as session:
        remote, night = add_tags(session, "remote", "night")
        say_word(session, "remote", "home", WordVerdict.FOR, "ann")
        for job in jobs[:8]:
            say(session, job, remote, YES if job % 2 else NO)
    retrain(engine, store, Trainer())
    with writing(engine) as session:
        promote(session, session.get_one(Model, 1), reason="a test")
        for job in jobs[5:11]:
            say(session, job, night, YES)
    retrain(engine, store, Trainer(), Settings(refresh=True))
    return engine


def rebuilt(engine: Engine, store: Path, model: int, **options: float) -> Rebuilt:
    return rebuild(engine, store, str(model), lambda seed: Trainer(seed, **options))


def test_both_models_are_rebuilt_to_the_bit(two_models: Engine, store: Path):
    before = sorted(store.rglob("*"))
    for model in (1, 2):
        found = rebuilt(two_models, store, model)
        assert (found.outcome, found.n_arrays, found.reasons) == ("same", 1, ())
    assert sorted(store.rglob("*")) == before


def test_what_came_later_does_not_show(two_models: Engine, add_jobs, store: Path):
    late = add_jobs(5, first=15)
    with writing(two_models) as session:
        jobs = session.scalars(select(Job).order_by(Job.id)).all()
        say(session, jobs[0], 1, NO)
        say(session, jobs[13], 1, YES)
        say(session, late[0], 2, YES)
        say_word(session, "remote", "homework", WordVerdict.AGAINST, "ann")
        say_fact(session, "night", "After ten", 0.1, "ann")
        rename_tag(session, "remote", "from home")
        retire_tag(session, "night")
        jobs[2].canonical_id = jobs[1].id
    assert [rebuilt(two_models, store, model).outcome for model in (1, 2)] == ["same", "same"]


def test_labels_that_come_while_a_retrain_runs_wait_for_the_next(
    engine: Engine, add_jobs, store: Path
):
    class Slow(Trainer):
        def train(self, *asked, **options):
            with writing(engine) as session:
                say(session, 2, 1, YES, "late")
            return super().train(*asked, **options)

    jobs = add_jobs(6)
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        for job in jobs[:5]:
            say(session, job, remote, NO)
    retrain(engine, store, Slow())
    assert rebuilt(engine, store, 1).outcome == "same"


def test_an_array_that_differs_is_named_with_how_much(two_models: Engine, store: Path):
    found = rebuilt(two_models, store, 1, more=0.25)
    assert found.outcome == "differs"
    ((name, n, largest),) = [(one.name, one.n, one.largest) for one in found.differences]
    assert (name, n, largest) == ("told/values", 1, 0.25)


def test_a_changed_label_is_not_learned_unseen(two_models: Engine, store: Path):
    with writing(two_models) as session:
        session.execute(update(Label).where(Label.id == 1).values(after=NO))
    (reason,) = rebuilt(two_models, store, 1).reasons
    assert "jobs or labels are not what they were" in reason


def test_a_folder_in_the_place_of_the_registered_one_differs(two_models: Engine, store: Path):
    with reading(two_models) as session:
        folder = store / session.get_one(Model, 1).folder
    values = np.load(folder / "told.npz")["values"]
    save_folder(folder, {"told": {"values": values}}, {"tags": ["another"]})
    found = rebuilt(two_models, store, 1)
    assert [one.name for one in found.differences] == [META]


# ---- what stands in the way


def test_forgotten_jobs(two_models: Engine, store: Path):
    with writing(two_models) as session:
        for name in ("job 1", "job 14"):
            remove(session, find_job(session, name))
    found = rebuilt(two_models, store, 1)
    assert found.outcome == "cannot be rebuilt"
    assert found.reasons == ("2 of its jobs were forgotten since",)


def test_changed_texts(two_models: Engine, store: Path):
    row = JobRow(line=1, id="job 1", title="New", text="Other words")
    import_jobs(two_models, [row], reject=lambda *problem: pytest.fail(f"{problem}"))
    (reason,) = rebuilt(two_models, store, 1).reasons
    assert reason == "the texts of 1 of its jobs have changed since"


def test_a_pruned_parent(two_models: Engine, store: Path):
    with writing(two_models) as session:
        promote(session, session.get_one(Model, 2), reason="a test")
        promote(session, session.get_one(Model, 1), reason="a test")
        promote(session, session.get_one(Model, 2), reason="a test")
        first = session.get_one(Model, 1)
        first.pruned_at = first.created_at
    (reason,) = rebuilt(two_models, store, 2).reasons
    assert reason.startswith("the folder of the model it goes on from, ")
    assert reason.endswith(" was pruned")
    assert "its folder" in rebuilt(two_models, store, 1).reasons[0]


def test_a_folder_that_is_not_there_or_another_parent(two_models: Engine, store: Path):
    with reading(two_models) as session:
        first, second = session.get_one(Model, 1).folder, session.get_one(Model, 2).folder
    meta = json.loads((store / first / META).read_text())
    (store / first / META).write_text(json.dumps(meta))
    assert rebuilt(two_models, store, 2).reasons == (
        "model 1, from which it goes on, is not what was registered",
    )
    shutil.rmtree(store / second)
    assert f"its folder is not there: {store / second}" in rebuilt(two_models, store, 2).reasons


def test_other_versions_and_cores(two_models: Engine, store: Path):
    with writing(two_models) as session:
        model, run = session.get_one(Model, 1), session.get_one(Run, 1)
        model.versions = {**model.versions, "keras": "2.0"}
        run.inputs = {**run.inputs, "n_cores": 1000}
    keras, cores = rebuilt(two_models, store, 1).reasons
    assert keras.startswith("it was trained with keras 2.0, here is 3.")
    assert "trained on 1000 processor cores" in cores
    assert "taskset --cpu-list 0-999" in cores


def test_a_model_by_an_older_jobtool(two_models: Engine, store: Path):
    with writing(two_models) as session:
        session.get_one(Run, 1).inputs = None
    (reason,) = rebuilt(two_models, store, 1).reasons
    assert "an older jobtool trained it" in reason


# ---- with real networks


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
def test_real_models_are_rebuilt_to_the_bit(engine: Engine, store: Path, tiny_jobs, tiny_config):
    def trainer(seed: int) -> RealTrainer:
        return RealTrainer(seed, tiny_config)

    rows = [
        JobRow(line=n, id=job.id, title=job.title, text=job.text, tags=job.tags, not_tags=())
        for n, job in enumerate(tiny_jobs)
    ]
    import_jobs(engine, rows[:40], reject=lambda *problem: pytest.fail(f"{problem}"))
    retrain(engine, store, trainer(3))
    import_jobs(engine, rows[40:], reject=lambda *problem: pytest.fail(f"{problem}"))
    retrain(engine, store, trainer(3), Settings(refresh=True))
    for model in ("1", "2"):
        found = rebuild(engine, store, model, trainer)
        assert (found.outcome, found.reasons, found.differences) == ("same", (), ())
        assert found.n_arrays > 20


def test_the_snapshot_of_a_run_has_the_hash_that_was_recorded(two_models: Engine):
    with reading(two_models) as session:
        for run in session.scalars(select(Run)):
            model = session.get_one(Model, run.model_id)
            assert snapshot_of_run(session, run).sha256 == model.snapshot
