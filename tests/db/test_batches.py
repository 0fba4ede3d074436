"""Batches of labels: who gave them, what is looked at, what is held back and comes back."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select, update

from db.audit import audit
from db.audit_tables import AuditEntry
from db.batches import (
    MIN_CONTRADICTED,
    decide,
    learned_from,
    list_batches,
    new_batches,
    said_in,
    set_state,
    suspects,
)
from db.columns import LabelBatchState, Source
from db.engine import reading, writing
from db.errors import StoreError
from db.exporting import iter_rows
from db.forget import find_job, remove
from db.importing import import_jobs
from db.importing_labels import import_labels
from db.labels import Batches, undo
from db.registry import CHAMPION, aliased
from db.rows import JobRow, LabelRow
from db.runs import n_new
from db.schema import BatchDecision, Job, Label, LabelBatch, Run
from db.status import status
from db.tags import retire_tag
from tests.db.made_up import (
    NO,
    YES,
    add_champion,
    add_jobs,
    add_tags,
    held,
    n_lines,
    retrained,
    say,
    three_jobs,
)


@dataclass
class Check:
    problems: tuple[str, ...] = ()
    suspects: tuple[int, ...] = ()


def states(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return [batch.state for batch in list_batches(session)]


def set_held(engine: Engine, batch_id: int, hold: bool = True) -> None:
    with writing(engine) as session:
        set_state(session, batch_id, hold=hold, by="cy", why="I asked her" if hold else "")


def look(engine: Engine, checks: dict[int, Check] | None = None) -> list[int]:
    """What a retrain does with new batches; those that are held from now on."""
    with reading(engine) as session:
        new = new_batches(session, aliased(session, CHAMPION))
    with writing(engine) as session:
        return [row.id for row in decide(session, new, checks or {})]


# ---- how they come to be


def test_an_import_of_jobs_is_a_batch_of_its_file(engine: Engine):
    rows = [JobRow(line=n, id=f"j{n}", text=f"text {n}", tags=("a",)) for n in range(3)]
    import_jobs(engine, rows, reject=print, labeller="feed", name="jobs.csv")
    import_jobs(engine, rows, reject=print, labeller="feed", name="jobs.csv")
    with reading(engine) as session:
        (batch,) = list_batches(session)
    assert (batch.name, batch.labeller, batch.state) == ("jobs.csv", "feed", "new")
    assert (batch.n_labels, batch.n_jobs, batch.decided_by, batch.reason) == (3, 3, None, None)
    assert batch.started_at.startswith("20")


def test_each_labeller_of_an_import_has_a_batch_and_names_may_repeat(engine: Engine):
    three_jobs(engine)
    for day in (1, 2):
        rows = [
            LabelRow(line=n, job=job, tag="remote", label="yes" if day == 1 else "no",
                     labeller=who, labelled_at=datetime(2026, 1, day, tzinfo=UTC))
            for n, (job, who) in enumerate([("a", "Ada"), ("b", "Bo"), ("c", "Ada")])
        ]  # fmt: skip
        import_labels(engine, rows, reject=print, name="labels.csv")
    with reading(engine) as session:
        found = [(one.id, one.name, one.labeller, one.n_labels) for one in list_batches(session)]
    assert found == [
        (1, "labels.csv", "Ada", 2),
        (2, "labels.csv", "Bo", 1),
        (3, "labels.csv", "Ada", 2),
        (4, "labels.csv", "Bo", 1),
    ]


def test_what_comes_after_somebody_has_decided_is_another_batch(engine: Engine):
    (a, b, c), (remote, night) = three_jobs(engine)
    sitting = Batches("a sitting")
    for job_id, hold in ((a, None), (b, True), (c, False)):
        with writing(engine) as session:
            say(session, job_id, remote, YES, batches=sitting)
            say(session, job_id, night, YES, batches=sitting)
        if hold is not None:
            set_held(engine, 1, hold)
    assert states(engine) == ["used", "new"]
    with reading(engine) as session:
        assert list(session.scalars(select(Label.batch_id).order_by(Label.id))) == [1] * 4 + [2] * 2


def test_a_long_name_is_cut(engine: Engine):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES, batches=Batches("x" * 300))
    with reading(engine) as session:
        assert list_batches(session)[0].name == "x" * 255


# ---- held and released


def test_labels_of_a_held_batch_do_not_hold_and_released_ones_do(engine: Engine):
    (a, b, _), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
        say(session, b, night, NO, "bob")
    set_held(engine, 2)
    assert held(engine) == {(a, remote): YES}
    with reading(engine) as session:
        (_, batch) = list_batches(session)
        assert status(session)["labelled"] == 1
        assert said_in(session, 2) == {b: {night: NO}}
        assert [row["labeller"] for row in iter_rows(session, "labels")] == ["anna"]
    assert (batch.state, batch.decided_by, batch.reason) == ("held", "cy", "I asked her")
    set_held(engine, 2, hold=False)
    assert held(engine) == {(a, remote): YES, (b, night): NO}
    with reading(engine) as session:
        (_, batch) = list_batches(session)
    assert (batch.state, batch.reason) == ("used", None)


def test_a_labellers_earlier_answer_comes_back_while_a_batch_is_held(engine: Engine):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
        say(session, a, remote, NO)
    set_held(engine, 2)
    assert held(engine) == {(a, remote): YES}
    with writing(engine) as session:
        say(session, a, remote, YES)  # it holds already
        assert session.query(Label).count() == 2
        say(session, a, remote, NO)
    assert held(engine) == {(a, remote): NO}
    with reading(engine) as session:
        assert session.get(Label, 3).before == YES
    set_held(engine, 2, hold=False)
    assert held(engine) == {(a, remote): NO}


def test_a_held_file_can_be_imported_again_once_it_is_mended(engine: Engine):
    three_jobs(engine)
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def file(answer: str) -> list[LabelRow]:
        return [LabelRow(line=1, job="a", tag="remote", label=answer, labelled_at=at)]

    import_labels(engine, file("no"), reject=print)
    set_held(engine, 1)
    assert import_labels(engine, file("yes"), reject=print).labels == 1
    assert set(held(engine).values()) == {YES}


def test_what_is_taken_back_in_a_held_batch_stays_taken_back(engine: Engine):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
        undo(session, session.get(Label, 1))
    for hold in (True, False):
        set_held(engine, 1, hold)
        assert held(engine) == {}
    assert n_lines(engine) == 2


@pytest.mark.parametrize(
    ("batch_id", "hold", "problem"),
    [(9, True, "there is no batch 9; see jobtool labels batches"), (1, False, "is not held")],
)
def test_what_makes_no_sense_is_refused(engine: Engine, batch_id, hold, problem):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
    with pytest.raises(StoreError, match=problem), writing(engine) as session:
        set_state(session, batch_id, hold=hold, by="cy")
    set_held(engine, 1)
    with pytest.raises(StoreError, match="batch 1 is held already"):
        set_held(engine, 1)


# ---- what a retrain looks at


@pytest.fixture
def older(engine: Engine) -> tuple[list[int], int]:
    """Twenty jobs that anna has tagged and a champion has learned, and their tag."""
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        jobs = [job.id for job in add_jobs(session, *(f"j{n}" for n in range(20)))]
        anna = Batches("first.csv")
        for job_id in jobs:
            say(session, job_id, remote, YES, batches=anna)
        session.flush()
        model = add_champion(session, {"remote": 0.5}, job_ids=jobs)
        retrained(session, model)
    look(engine)
    assert states(engine) == ["used"]
    return jobs, remote


def contradict(engine: Engine, jobs: list[int], remote: int, n: int, who: str = "bob") -> None:
    with writing(engine) as session:
        batches = Batches("second.csv")
        for place, job_id in enumerate(jobs):
            say(session, job_id, remote, NO if place < n else YES, who, batches=batches)


@pytest.mark.parametrize("who", ["bob", "anna"])
def test_a_batch_that_contradicts_earlier_answers_is_held(engine: Engine, older, who):
    contradict(engine, *older, MIN_CONTRADICTED, who)
    assert look(engine) == [2]
    with reading(engine) as session:
        (_, batch) = list_batches(session)
    n = 20 if who == "bob" else MIN_CONTRADICTED  # what only repeats adds no line
    assert batch.reason == (
        f"it contradicts 10 of {n} earlier answers about the same or repeated postings"
    )
    assert batch.decided_by is None
    assert set(held(engine).values()) == {YES}


def test_some_contradictions_are_usual(engine: Engine, older):
    contradict(engine, *older, MIN_CONTRADICTED - 1)
    assert look(engine) == []
    assert states(engine) == ["used", "used"]


def test_answers_about_reposts_contradict_too(engine: Engine, older):
    jobs, remote = older
    with writing(engine) as session:
        reposts = [
            add_jobs(session, f"repost {job_id}", canonical=session.get_one(Job, job_id))[0].id
            for job_id in jobs
        ]
    contradict(engine, reposts, remote, 20)
    with reading(engine) as session:
        (batch,) = new_batches(session, aliased(session, CHAMPION))
    assert batch.jobs == ()  # the model knows what they repeat
    assert "contradicts 20 of 20" in batch.problems[0]


def test_two_answers_of_no_are_no_agreement(engine: Engine, older):
    """Else a file full of no would vouch for itself: most answers are a no."""
    jobs, _ = older
    with writing(engine) as session:
        (night,) = add_tags(session, "night")
        for who in ("anna", "cy"):
            batch = Batches("night.csv")
            for job_id in jobs:
                say(session, job_id, night, NO, who, batches=batch)
    look(engine)
    contradict(engine, *older, MIN_CONTRADICTED)
    with reading(engine) as session:
        (batch,) = new_batches(session, aliased(session, CHAMPION))
    assert "contradicts 10 of 20" in batch.problems[0]


def test_only_what_the_model_has_not_learned_is_shown_to_it(engine: Engine, older):
    jobs, remote = older
    with writing(engine) as session:
        (retired,) = add_tags(session, "retired")
        fresh, gone = (job.id for job in add_jobs(session, "fresh", "gone"))
        batch = Batches("second.csv")
        for job_id in (jobs[0], fresh):
            say(session, job_id, remote, YES, "bob", batches=batch)
        say(session, gone, retired, YES, "bob", batches=batch)
        retire_tag(session, "retired")
    with reading(engine) as session:
        (found,) = new_batches(session, aliased(session, CHAMPION))
    assert [(job.id, job.yes, job.no) for job in found.jobs] == [(fresh, ("remote",), ())]
    assert found.problems == ()


def test_what_the_model_finds_decides_and_its_suspects_are_kept(engine: Engine, older):
    _, remote = older
    with writing(engine) as session:
        fresh = [job.id for job in add_jobs(session, *"xyz")]
        for who in ("bob", "cy"):
            batch = Batches(f"{who}.csv")
            for job_id in fresh:
                say(session, job_id, remote, YES, who, batches=batch)
    checks = {2: Check(("it is shuffled", "too many"), (2, 0)), 3: Check((), (1,))}
    assert look(engine, checks) == [2]
    assert states(engine) == ["used", "held", "used"]
    with reading(engine) as session:
        batches = [session.get_one(LabelBatch, number) for number in (2, 3)]
        assert list_batches(session)[1].reason == "it is shuffled; too many"
        assert suspects(session, batches[0]) == [
            ("z", "Title z", ("remote",)),
            ("x", "Title x", ("remote",)),
        ]
        assert batches[1].suspects == [fresh[1]]
    assert look(engine) == []  # each is looked at once


def test_what_a_person_has_decided_meanwhile_stands(engine: Engine, older):
    _, remote = older
    with writing(engine) as session:
        for name, who in (("x", "bob"), ("y", "cy")):
            say(session, add_jobs(session, name)[0], remote, YES, who)
    with reading(engine) as session:
        new = new_batches(session, aliased(session, CHAMPION))
    set_held(engine, 2)
    set_held(engine, 3)
    set_held(engine, 3, hold=False)
    with writing(engine) as session:
        assert decide(session, new, {3: Check(("it is shuffled",))}) == []
    assert states(engine) == ["used", "held", "used"]
    with reading(engine) as session:
        assert list_batches(session)[1].reason == "I asked her"


@pytest.mark.parametrize(("problems", "state"), [((), "new"), (("shuffled",), "held")])
def test_a_batch_that_grows_while_it_is_looked_at_stays_new_or_is_held(
    engine: Engine, older, problems, state
):
    _, remote = older
    sitting = Batches("a sitting")
    with writing(engine) as session:
        say(session, add_jobs(session, "x")[0], remote, YES, "bob", batches=sitting)
    with reading(engine) as session:
        new = new_batches(session, aliased(session, CHAMPION))
    with writing(engine) as session:
        say(session, add_jobs(session, "y")[0], remote, YES, "bob", batches=sitting)
    with writing(engine) as session:
        decide(session, new, {2: Check(problems)})
    assert states(engine) == ["used", state]


# ---- who has learned from one


def test_models_that_learned_from_a_batch_are_named(engine: Engine):
    (a, b, c), (remote, _) = three_jobs(engine)
    models = []

    def train(*job_ids: int, held_batches: tuple[int, ...] = ()) -> None:
        model = add_champion(session, {"remote": 0.5}, job_ids=job_ids)
        retrained(session, model)
        run = session.scalar(select(Run).where(Run.model_id == model.id))
        run.inputs = {"held_batches": list(held_batches)}
        models.append(model.id)

    with writing(engine) as session:
        say(session, a, remote, YES)
        train(a)  # before it came
        say(session, a, remote, YES, "bob")
        say(session, b, remote, YES, "bob", batches=Batches("another"))
        train(a)
        train(a, b, held_batches=(2,))
        train(b, c)
        train(a, b)
    with reading(engine) as session:
        assert [model.id for model in learned_from(session, 1)] == [models[n] for n in (0, 1, 2, 4)]
        assert [model.id for model in learned_from(session, 2)] == [models[1], models[4]]
        assert learned_from(session, 9) == []


def test_texts_alone_are_not_learned_labels(engine: Engine):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
        model = add_champion(session, {"remote": 0.5}, seen_ids=[a])
        retrained(session, model)
        assert learned_from(session, 1) == []


# ---- forgetting


def test_a_forgotten_posting_leaves_no_trace_in_a_batch(engine: Engine):
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        secret, other = add_jobs(session, "secret", "other")
        batch = Batches("file")
        for job in (secret, other):
            say(session, job, remote, YES, batches=batch)
        session.get_one(LabelBatch, 1).suspects = [secret.id, other.id]
        remove(session, find_job(session, "secret"))
    with reading(engine) as session:
        (line,) = list_batches(session)
        assert (line.n_labels, line.n_jobs) == (1, 1)
        shown = suspects(session, session.get_one(LabelBatch, 1))
        assert [name for name, *_ in shown] == ["other"]
    with writing(engine) as session:
        remove(session, find_job(session, "other"))
    with reading(engine) as session:
        (line,) = list_batches(session)
    assert (line.n_labels, line.n_jobs) == (0, 0)
    set_held(engine, 1)  # nothing is in it, nothing breaks
    assert look_is_quiet(engine)


def look_is_quiet(engine: Engine) -> bool:
    with writing(engine) as session:
        model = add_champion(session, {"remote": 0.5})
        return new_batches(session, model) == [] and learned_from(session, 1) == []


def test_a_posting_that_is_forgotten_while_it_is_looked_at_is_no_obstacle(engine: Engine, older):
    _, remote = older
    with writing(engine) as session:
        say(session, add_jobs(session, "x")[0], remote, YES, "bob", Source.IMPORT)
    with reading(engine) as session:
        new = new_batches(session, aliased(session, CHAMPION))
    with writing(engine) as session:
        remove(session, find_job(session, "x"))
    with writing(engine) as session:
        assert decide(session, new, {2: Check((), (0,))}) == []
        assert session.get_one(LabelBatch, 2).state is LabelBatchState.USED
        assert suspects(session, session.get_one(LabelBatch, 2)) == []


def test_a_decision_of_a_person_counts_as_new_labels_until_the_next_retrain(engine: Engine, older):
    _, remote = older
    with writing(engine) as session:
        say(session, add_jobs(session, "x")[0], remote, YES, "bob")
        retrained(session, aliased(session, CHAMPION))
        before, _ = n_new(session)
    set_held(engine, 2)
    with reading(engine) as session:
        assert n_new(session)[0] == before + 1
        decided = session.scalars(select(BatchDecision).where(BatchDecision.batch_id == 2)).all()
    assert [(one.state, one.decided_by) for one in decided] == [("held", "cy")]


def test_decisions_are_in_the_audit_log(engine: Engine, older):
    set_held(engine, 1)
    set_held(engine, 1, hold=False)
    with reading(engine) as session:
        logged = select(AuditEntry).where(AuditEntry.about == "batch_decisions")
        assert [entry.kind for entry in session.scalars(logged)][-2:] == ["decided"] * 2
    assert audit(engine).changed.n == 0
    with writing(engine) as session:
        session.execute(update(BatchDecision).values(reason="other"))
    assert {place.table for place in audit(engine).changed.first} == {"batch_decisions"}
