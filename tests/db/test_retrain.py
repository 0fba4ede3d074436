"""Retraining: what it stores, what the gate does, and what is left of one that fails."""

import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from db.batches import learned_from, list_batches, set_state
from db.columns import LabelBatchState, RunState
from db.engine import now, reading, writing
from db.errors import StoreError
from db.gate import Bar
from db.registry import ANCHOR, CHALLENGER, CHAMPION, aliased, find_model, promote, set_alias
from db.retrain import Settings, retrain
from db.schedule import Schedule, retrain_when_due
from db.schema import CodeVersion, Job, LabelBatch, Model, ModelJob, Run, Verdict
from db.tag_info import say_fact
from db.tags import rename_tag
from tests.db.made_up import add_tags


@dataclass
class Found:
    value: float
    low: float
    high: float
    champion: float = 0.5
    challenger: float = 0.5


@dataclass
class Compared:
    mean_average_precision: Found
    macro_f1: Found
    shared_average_precision: Found
    n_jobs: int = 100
    tags: tuple[Any, ...] = ()
    new_tags: tuple[str, ...] = ()
    new_tags: tuple[str, ...] = ()
    dropped_tags: tuple[str, ...] = ()
    examples: tuple[Any, ...] = ()


@dataclass
class Trained:
    thresholds: dict[str, float | None]
    drift: float | None
    sha256: str = "a" * 64
    seed: int = 0
    n_code: int = 4
    versions: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=lambda: {"n_labelled": 8})
    n_yes: dict[str, int] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


@dataclass
class Check:
    problems: tuple[str, ...] = ()
    suspects: tuple[int, ...] = ()


class Trainer:
    """Saves a file as its model; the rest is as told."""

    def __init__(self, difference: float = 0.01, drift: float = 0.0) -> None:
        self.difference, self.drift = difference, drift
        self.half = 0.01
        """Half the width of the interval of a difference."""
        self.against: dict[str | None, float] = {}
        """Differences to models in certain folders."""
        self.asked: list[dict[str, Any]] = []
        self.compared: list[dict[str, Any]] = []
        self.looked_at: list[list[int]] = []
        self.check_of = Check()
        self.error: BaseException | None = None

    def train(self, snapshot, unlabelled, folder, *, parent, refresh):
        self.asked.append(
            {"parent": parent, "refresh": refresh, "unlabelled": [job[0] for job in unlabelled]}
        )
        folder.mkdir()
        (folder / "meta.json").write_text("{}")
        if self.error:
            raise self.error
        drift = self.drift if parent else None
        counted = Counter(tag for job in snapshot.training for tag in job.yes)
        return Trained(
            dict.fromkeys(snapshot.tags, 0.5),
            drift,
            n_yes={tag: counted[tag] for tag in snapshot.tags},
            remarks={tag: "few" for tag in snapshot.tags if counted[tag] < 6},
            metrics={"n_labelled": len(snapshot.training)},
        )

    def compare(self, snapshot, champion, challenger, champion_rows, renamed, *, has_learned):
        assert has_learned
        assert champion is None or (champion / "meta.json").exists()
        assert (challenger / "meta.json").exists()
        name = champion.name if champion else None
        self.compared.append({"with": name, "rows": list(champion_rows), "renamed": renamed})
        value = self.against.get(name, self.difference)
        found = Found(value, value - self.half, value + self.half)
        return Compared(found, found, found)

    def check(self, champion, batches, renamed):
        assert (champion / "meta.json").exists()
        self.looked_at += [[job.id for job in jobs] for jobs in batches]
        return [self.check_of for _ in batches]


@pytest.fixture
def labelled(add_jobs, say):
    """Ten labelled jobs and five others."""
    jobs = add_jobs(15)
    for job in jobs[:10]:
        say(job, remote="yes" if job % 2 else "no")
    return jobs


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def change(engine):
    """`change()`: say something new of a tag, so that there is something to learn."""
    number = count()

    def say_something() -> None:
        with writing(engine) as session:
            say_fact(session, "remote", f"Work from home, {next(number)}", None, "anna")

    return say_something


def champion(engine) -> int | None:
    with reading(engine) as session:
        found = aliased(session, CHAMPION)
        return found.id if found else None


def rows(engine, what):
    with reading(engine) as session:
        return list(session.scalars(select(what)))


def test_the_first_model_goes_live(engine, labelled, store):
    trainer = Trainer()
    report = retrain(engine, store, trainer)
    assert report.promoted
    assert champion(engine) == report.model_id
    assert (report.n_training, report.n_unlabelled) == (10, 5)
    assert trainer.asked == [{"parent": None, "refresh": False, "unlabelled": labelled[10:]}]
    seen = {row.job_id: row.position for row in rows(engine, ModelJob)}
    assert seen == dict(zip(labelled, [*range(10), *[None] * 5], strict=True))
    assert trainer.compared == [{"with": None, "rows": [None] * 10, "renamed": {}}]
    assert {path.name for path in store.iterdir()} == {report.folder}  # no page with postings


def test_a_first_model_that_is_worse_than_names_does_not_go_live(engine, labelled, store):
    report = retrain(engine, store, Trainer(difference=-0.1))
    assert not report.promoted
    assert champion(engine) is None
    assert "likely to be worse than the tags' names alone" in report.verdict


def test_a_challenger_that_is_not_worse_goes_live(engine, labelled, change, store):
    first = retrain(engine, store, Trainer())
    change()
    second = retrain(engine, store, Trainer())
    assert second.promoted
    assert second.parent_id == first.model_id
    assert champion(engine) == second.model_id
    assert second.code_version_id == first.code_version_id


def test_the_champion_answers_for_the_jobs_that_it_has_learned(engine, labelled, say, store):
    first = retrain(engine, store, Trainer())
    say(labelled[12], remote="yes")
    with writing(engine) as session:
        rename_tag(session, "remote", "home")
    retrain(engine, store, trainer := Trainer())
    rows = [*range(10), None]
    assert trainer.compared == [{"with": first.folder, "rows": rows, "renamed": {"remote": "home"}}]


def test_a_worse_one_stays_a_challenger_and_the_verdict_is_kept(engine, labelled, change, store):
    first = retrain(engine, store, Trainer())
    change()
    second = retrain(engine, store, Trainer(difference=-0.1))
    assert not second.promoted
    assert champion(engine) == first.model_id
    with reading(engine) as session:
        assert aliased(session, CHALLENGER).id == second.model_id
    verdict = rows(engine, Verdict)[-1]
    assert "is higher than that of the champion with probability 0%" in verdict.reason
    assert verdict.details["mean_average_precision"]["value"] == -0.1
    assert "stays a challenger" in second.page


def test_a_lower_bar_is_heeded(engine, labelled, change, store):
    retrain(engine, store, Trainer())
    change()
    rough = Trainer()
    rough.half = 0.3
    assert not retrain(engine, store, rough).promoted
    assert retrain(engine, store, rough, Settings(bar=Bar(confidence=0.4))).promoted


def test_only_new_labels_are_not_replay(engine, labelled, say, store):
    retrain(engine, store, Trainer())
    say(labelled[0], nurse="yes")
    report = retrain(engine, store, Trainer())
    assert (report.n_training, report.n_replayed) == (10, 9)


def test_the_newest_unlabelled_jobs_are_always_read(engine, labelled, store, monkeypatch):
    monkeypatch.setattr("db.retrain.N_TEACHING", 3)
    for _ in range(2):
        retrain(engine, store, trainer := Trainer())
    assert trainer.asked[0]["unlabelled"] == labelled[12:]


def test_codes_are_refreshed_when_many_jobs_have_come(engine, labelled, add_jobs, store):
    retrain(engine, store, trainer := Trainer())
    with writing(engine) as session:
        later = now(session) + timedelta(hours=1)
    add_jobs(8, first=15)
    with writing(engine) as session:
        session.execute(update(Job).where(Job.id > labelled[-1]).values(imported_at=later))
    retrain(engine, store, trainer)
    assert trainer.asked[1]["refresh"]
    assert len(trainer.asked[1]["unlabelled"]) == 13


@pytest.mark.parametrize(("drift", "is_new"), [(0.01, False), (0.2, True)])
def test_codes_that_moved_too_far_are_a_new_version(engine, labelled, store, drift, is_new):
    first = retrain(engine, store, Trainer())
    settings = Settings(refresh=True)
    second = retrain(engine, store, Trainer(drift=drift), settings)
    assert second.new_code_version is is_new
    assert (second.code_version_id != first.code_version_id) is is_new
    assert len(rows(engine, CodeVersion)) == 1 + is_new


def test_small_steps_add_up_to_a_new_code_version(engine, labelled, store):
    retrain(engine, store, Trainer())
    settings = Settings(refresh=True)
    reports = [retrain(engine, store, Trainer(drift=0.03), settings) for _ in range(2)]
    assert [report.new_code_version for report in reports] == [False, True]


def test_codes_are_refreshed_once_for_the_same_jobs(engine, labelled, add_jobs, change, store):
    retrain(engine, store, trainer := Trainer(drift=0.01))
    with writing(engine) as session:
        soon = now(session)
    add_jobs(20, first=15)
    with writing(engine) as session:
        session.execute(update(Job).where(Job.id > labelled[-1]).values(imported_at=soon))
    for _ in range(2):
        retrain(engine, store, trainer)
        change()
    assert [asked["refresh"] for asked in trainer.asked] == [False, True, False]


def test_a_job_forgotten_meanwhile_keeps_the_model_out(engine, labelled, store):
    class Slow(Trainer):
        def train(self, *asked, **options):
            with writing(engine) as session:
                session.delete(session.get_one(Job, labelled[12]))
            return super().train(*asked, **options)

    with pytest.raises(StoreError, match="1 jobs were removed while"):
        retrain(engine, store, Slow())
    assert champion(engine) is None


def test_another_databases_models_in_the_same_store_are_left_alone(engine, labelled, store):
    (store / "run-000001").mkdir(parents=True)
    (store / "run-000001" / "meta.json").write_text("{}")
    retrain(engine, store, Trainer())
    assert (store / "run-000001" / "meta.json").exists()


def test_labels_of_a_challenger_that_did_not_go_live_are_new_again(engine, labelled, say, store):
    retrain(engine, store, Trainer())
    say(labelled[0], nurse="yes")
    assert not retrain(engine, store, Trainer(difference=-0.1)).promoted
    assert retrain(engine, store, Trainer()).n_replayed == 9


def test_fresh_forgets_the_champion_but_not_the_gate(engine, labelled, store):
    retrain(engine, store, Trainer())
    trainer = Trainer(difference=-0.1)
    report = retrain(engine, store, trainer, Settings(fresh=True))
    assert trainer.asked[0]["parent"] is None
    assert report.new_code_version
    assert not report.promoted


def test_without_tags_or_jobs_there_is_nothing_to_learn(engine, add_jobs, store):
    add_jobs(3)
    with pytest.raises(StoreError, match="there are no tags yet"):
        retrain(engine, store, Trainer())
    with writing(engine) as session:
        session.execute(delete(Job))
        add_tags(session, "remote")
    with pytest.raises(StoreError, match="there are no jobs; jobtool import jobs"):
        retrain(engine, store, Trainer())


@pytest.mark.parametrize(
    "error", [StoreError("no tag has 5 jobs"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")]
)
def test_a_failed_retrain_leaves_the_champion_and_no_folder(engine, labelled, change, store, error):
    first = retrain(engine, store, Trainer())
    change()
    trainer = Trainer()
    trainer.error = error
    expected = StoreError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        retrain(engine, store, trainer)
    assert champion(engine) == first.model_id
    assert len(rows(engine, Model)) == 1
    assert [run.state for run in rows(engine, Run)] == [RunState.DONE, RunState.FAILED]
    assert {path.name for path in store.iterdir()} == {first.folder}


def test_another_champion_meanwhile_is_not_replaced(engine, labelled, change, store):
    first = retrain(engine, store, Trainer())
    change()
    second = retrain(engine, store, Trainer(difference=-0.1))

    class Slow(Trainer):
        def compare(self, *asked, **how):
            with writing(engine) as session:
                promote(session, find_model(session, str(second.model_id)), reason="by hand")
            return super().compare(*asked, **how)

    third = retrain(engine, store, Slow())
    assert "another champion went live meanwhile" in third.verdict
    assert champion(engine) == second.model_id != first.model_id


KILLED = """
import sys, time
from pathlib import Path
from db.engine import open_engine
from db.retrain import retrain

class Trainer:
    def train(self, snapshot, unlabelled, folder, *, parent, refresh):
        folder.mkdir()
        (folder / "half").write_text("x" * 1000)
        print("training", flush=True)
        time.sleep(600)

retrain(open_engine(sys.argv[1]), Path(sys.argv[2]), Trainer())
"""


def test_a_killed_retrain_leaves_the_champion_and_the_next_one_cleans_up(
    url, engine, labelled, change, store
):
    first = retrain(engine, store, Trainer())
    change()
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED, url, str(store)], stdout=subprocess.PIPE
    )
    assert killed.stdout.readline() == b"training\n"
    with pytest.raises(StoreError, match="is at work"):
        retrain(engine, store, Trainer())
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=30)
    assert champion(engine) == first.model_id
    with writing(engine) as session:  # as if a minute had gone by
        past = now(session) - timedelta(seconds=1)
        session.execute(update(Run).where(Run.state == RunState.RUNNING).values(lease_until=past))
    third = retrain(engine, store, Trainer())
    assert third.promoted
    folders = {path.name for path in store.iterdir() if path.is_dir()}
    assert folders == {first.folder, third.folder}


def test_nothing_happens_before_it_is_due(engine, labelled, store):
    schedule = Schedule(after_labels=11, after_jobs=16)
    due = retrain_when_due(engine, store, Trainer(), Settings(), schedule=schedule)
    assert list(due) == []
    due = retrain_when_due(engine, store, Trainer(), Settings(), schedule=Schedule(after_labels=10))
    assert [report.reason for report in due] == ["10 new labels"]


def test_watching_goes_on_after_a_failure_and_ends_on_sigterm(
    engine, labelled, change, store, monkeypatch
):
    monkeypatch.setattr("db.schedule.WAIT_S", 0.01)

    class Weak(Trainer):
        def train(self, *asked, **options):
            if len(self.asked) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            self.error = StoreError("not yet") if not self.asked else None
            change()
            return super().train(*asked, **options)

    trainer = Weak()
    reports = list(
        retrain_when_due(
            engine, store, trainer, Settings(), schedule=Schedule(), watch=True, look_s=0.01
        )
    )
    assert [report.promoted for report in reports] == [True, True]


def test_it_tells_what_it_learns_from_and_what_came_of_it(engine, labelled, store):
    told: list[str] = []
    report = retrain(engine, store, Trainer(), tell=told.append)
    assert told == [
        f"retrain {report.run_id} (asked for): begins anew with 10 labelled jobs and 5 others",
        f"model {report.model_id} goes live: {report.verdict}; all of it: "
        f"jobtool models show {report.model_id}",
    ]


def test_it_says_how_far_it_is_to_the_next_one(engine, labelled):
    schedule = Schedule(after_labels=100, every_hours=12)
    told = "10 new labels (it takes 100), 15 new jobs, or 12 hours since the last began"
    assert schedule.missing(engine) == told


@pytest.fixture
def unlabelled(engine, add_jobs):
    """Three jobs and two tags, and no label."""
    with writing(engine) as session:
        add_tags(session, "remote", "night")
    return add_jobs(3)


def test_without_labels_a_model_goes_live_and_says_so(engine, unlabelled, store):
    told: list[str] = []
    report = retrain(engine, store, Trainer(), tell=told.append)
    assert report.promoted
    assert report.without_labels
    assert report.tags_without_labels == ("remote", "night")
    assert "without labels yet: it knows tags by their names alone, not calibrated" in report.page
    assert "no labels yet, known by name alone, not calibrated: 2 tags (remote, night)" in (
        report.page
    )
    assert "begins anew, without labels yet: from what tags mean and 3 jobs" in told[0]
    assert told[1].startswith(f"model {report.model_id} (without labels yet) goes live")


def test_without_labels_the_last_words_about_tags_go_live(engine, unlabelled, change, store):
    first = retrain(engine, store, Trainer())
    change()
    second = retrain(engine, store, Trainer())
    assert second.parent_id == first.model_id
    assert champion(engine) == second.model_id
    assert second.verdict == "neither it nor the champion has learned labels"


@pytest.mark.parametrize(("difference", "promoted"), [(0.01, True), (-0.1, False)])
def test_a_champion_without_labels_is_asked_itself(
    engine, unlabelled, say, store, difference, promoted
):
    retrain(engine, store, Trainer())
    for job in unlabelled:
        say(job, remote="yes")
    second = retrain(engine, store, trainer := Trainer(difference))
    assert (second.n_training, second.n_replayed) == (3, 0)
    assert trainer.compared[0]["rows"] == [None] * 3
    assert trainer.looked_at == []  # it has nothing to compare their labels with
    assert not second.without_labels
    assert second.promoted is promoted


# ---- the anchor


def anchor(engine) -> int | None:
    with reading(engine) as session:
        found = aliased(session, ANCHOR)
        return found.id if found else None


def test_the_best_champion_so_far_is_asked_too(engine, labelled, change, store):
    first = retrain(engine, store, Trainer())
    assert anchor(engine) == first.model_id
    change()
    second = retrain(engine, store, Trainer())
    assert second.promoted
    assert anchor(engine) == second.model_id
    with writing(engine) as session:
        set_alias(session, ANCHOR, find_model(session, first.folder))
    change()
    trainer = Trainer(difference=0.0)
    trainer.against = {first.folder: -0.05}
    third = retrain(engine, store, trainer)
    assert {one["with"] for one in trainer.compared} == {first.folder, second.folder}
    assert not third.promoted
    assert "the best champion so far" in third.verdict
    details = rows(engine, Verdict)[-1].details
    assert details["anchor"]["model"] == first.model_id
    assert details["anchor"]["mean_average_precision"]["value"] == -0.05
    assert f"beside the best champion so far, model {first.model_id}: -0.050" in third.page
    change()
    fourth = retrain(engine, store, Trainer(difference=0.01))
    assert anchor(engine) == champion(engine) == fourth.model_id


# ---- batches of labels


def test_new_batches_are_looked_at_before_anything_learns_from_them(engine, labelled, say, store):
    retrain(engine, store, trainer := Trainer())
    assert trainer.looked_at == []
    say(labelled[11], "bob", remote="yes")
    say(labelled[1], "bob", remote="yes")
    retrain(engine, store, trainer)
    assert trainer.looked_at == [[labelled[11]]]  # the model has learned the others
    with reading(engine) as session:
        assert [batch.state for batch in list_batches(session)] == ["used", "used"]


def test_a_held_batch_is_not_learned_from_and_named(engine, labelled, say, store):
    retrain(engine, store, Trainer())
    say(labelled[11], "bob", remote="yes")
    trainer, told = Trainer(), []
    trainer.check_of = Check(("it looks shuffled",), (0,))
    report = retrain(engine, store, trainer, Settings(refresh=True), tell=told.append)
    assert report.held_batches == (2,)
    assert report.n_training == 10
    assert "HELD: batch 2 (a sitting, by bob): it looks shuffled." in told[1]
    assert "- batch 2 (a sitting, by bob): it looks shuffled" in report.page
    with reading(engine) as session:
        batch = session.get(LabelBatch, 2)
        assert (batch.state, batch.suspects) == (LabelBatchState.HELD, [labelled[11]])
        assert session.get(Run, report.run_id).inputs["held_batches"] == [2]
        assert [model.id for model in learned_from(session, 1)] == [1, 2]
        assert learned_from(session, 2) == []
    with writing(engine) as session:
        set_state(session, 2, hold=False, by="anna")
    after = retrain(engine, store, trainer)
    assert (after.held_batches, after.n_training) == ((), 11)
    assert "held" not in after.page


def test_what_is_said_while_a_batch_is_looked_at_is_looked_at_later(engine, labelled, say, store):
    class Slow(Trainer):
        def check(self, *asked):
            say(labelled[12], "bob", remote="yes")
            return super().check(*asked)

    retrain(engine, store, Trainer())
    say(labelled[11], "bob", remote="yes")
    report = retrain(engine, store, Slow())
    assert report.n_training == 11
    retrain(engine, store, trainer := Trainer())
    assert trainer.looked_at == [[labelled[12]]]
    with reading(engine) as session:
        assert [batch.state for batch in list_batches(session)] == ["used", "used"]


# ---- nothing new


def test_without_news_nothing_is_trained(engine, labelled, say, store):
    first = retrain(engine, store, Trainer())
    say(labelled[0], "bob", remote="yes")  # as ann has said
    trainer = Trainer()
    found = retrain(engine, store, trainer)
    assert found.page == f"nothing has changed since model {first.model_id}\n"
    assert found.to_json()["unchanged_since"] == first.model_id
    assert trainer.asked == []
    assert [run.model_id for run in rows(engine, Run)] == [first.model_id, None]
    assert {run.state for run in rows(engine, Run)} == {RunState.DONE}
    assert {path.name for path in store.iterdir()} == {first.folder}
    schedule = Schedule(after_labels=1, every_hours=1)
    assert list(retrain_when_due(engine, store, trainer, Settings(), schedule=schedule)) == []


@pytest.mark.parametrize("settings", [Settings(fresh=True), Settings(refresh=True)])
def test_who_asks_for_more_gets_it(engine, labelled, store, settings):
    retrain(engine, store, Trainer())
    retrain(engine, store, trainer := Trainer(), settings)
    assert len(trainer.asked) == 1


def test_tags_that_are_hardly_known_are_named(engine, labelled, say, store):
    with writing(engine) as session:
        add_tags(session, "night")
    report = retrain(engine, store, Trainer())
    assert not report.without_labels
    assert (report.tags_without_labels, report.rough_tags) == (("night",), ("remote",))
    assert "few examples, scores and thresholds are rough: 1 tag (remote)" in report.page
    assert report.to_json()["tags_without_labels"] == ("night",)


def test_what_tags_mean_is_something_new_to_learn(engine, labelled, store):
    def due() -> list[str]:
        schedule = Schedule(after_labels=100)
        done = retrain_when_due(engine, store, Trainer(), Settings(), schedule=schedule)
        return [report.reason for report in done]

    retrain(engine, store, Trainer())
    assert due() == []
    with writing(engine) as session:
        say_fact(session, "remote", "work from home", None, "anna")
    assert (due(), due()) == (["tags have changed"], [])
    with writing(engine) as session:
        add_tags(session, "night")
    assert (due(), due()) == (["tags have changed"], [])


def test_tags_without_labels_wait_for_nothing(engine, unlabelled, store):
    schedule = Schedule(after_labels=100)
    due = retrain_when_due(engine, store, Trainer(), Settings(), schedule=schedule)
    assert [report.reason for report in due] == ["tags without labels"]
