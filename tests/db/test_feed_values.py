"""What feeds say beside the live model: never a label, and to a person where the two differ."""

import csv
import json

import numpy as np
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from cli import app
from db import queue
from db.answering import Layout
from db.cards import first_answers
from db.engine import reading, writing
from db.errors import StoreError
from db.exporting import iter_rows
from db.feed_values import map_value, recheck, seen_values, unmap_value
from db.importing import import_jobs
from db.label_session import open_session
from db.live import LiveModel
from db.predictions import store
from db.rows import JobRow, digest
from db.schema import FeedValue, Job, Label, Model, ModelTag, Prediction, PredictionSet, QueuedJob
from tests.db.made_up import NO, add_champion, add_tags, n_lines, predict


@pytest.fixture
def board(engine):
    """Three jobs tagged by a model that has learned remote, and knows full-time by its name."""
    with writing(engine) as session:
        tags = add_tags(session, "remote", "full-time")
        model = add_champion(session, {"remote": 0.5, "full-time": 0.5})
        for tag_id, n_yes in zip(tags, (9, 0), strict=True):
            session.get_one(ModelTag, (model.id, tag_id)).n_yes = n_yes
        fields = [{"isRemote": True}, {"isRemote": True, "jobType": "Full Time"}, None]
        jobs = [
            Job(
                external_id=name,
                title=name,
                text=f"text of {name}",
                fields=of_job,
                imported_at=model.created_at,
                text_hash=name.encode().rjust(16),
            )
            for name, of_job in zip("abc", fields, strict=True)
        ]
        session.add_all(jobs)
        session.flush()
        for job, p in zip(jobs, (0.1, 0.9, 0.1), strict=True):
            predict(session, model, job, {tags[0]: p, tags[1]: 0.1}, code=(1.0, p))
        return [job.id for job in jobs]


def in_review(engine):
    with reading(engine) as session:
        query = select(Job.external_id).join(PredictionSet, PredictionSet.job_id == Job.id)
        return set(session.scalars(query.where(PredictionSet.needs_review)))


def checked(engine, ids):
    with writing(engine) as session:
        recheck(session, ids)
    return in_review(engine)


class Said:
    """What a model says of two jobs and two tags."""

    scores = np.zeros((2, 2))
    probabilities = np.array([[0.1, 0.1], [0.9, 0.1]])
    decisions = probabilities > 0.5
    reviews = np.zeros((2, 2), bool)
    codes = np.zeros((2, 2), np.float32)


def test_a_contradiction_is_found_while_tagging(engine, board):
    with writing(engine) as session:
        model = session.scalars(select(Model)).one()
        session.query(PredictionSet).delete()
        session.add_all(
            QueuedJob(model_id=model.id, job_id=job, queued_at=model.created_at)
            for job in board[:2]
        )
        session.flush()
        claimed = queue.claim(session, model.id, "w", n_jobs=2, n_chars=100, lease_s=60)
        ids = np.array(session.scalars(select(ModelTag.tag_id).order_by(ModelTag.tag_id)).all())
        live = LiveModel(model.id, model.code_version_id, ids, np.ones(2, bool), None)
        session.query(Prediction).delete()
        assert store(session, live, claimed, Said()) == 2
    assert in_review(engine) == {"a"}


def test_only_a_tag_that_was_learned_can_be_contradicted(engine, board):
    assert checked(engine, board) == {"a"}  # not b: of full-time the model knows only the name


def test_a_model_without_labels_contradicts_nobody(engine, board):
    with writing(engine) as session:
        session.scalars(select(Model)).one().metrics = {"n_labelled": 0}
    assert checked(engine, board) == set()


def test_fields_that_change_are_looked_at_again(engine, board):
    rows = [JobRow(line=1, id="c", title="c", text="text of c", fields={"remote": "yes"})]
    with writing(engine) as session:
        session.get_one(Job, board[2]).text_hash = digest("c", "text of c")
    import_jobs(engine, rows, reject=lambda *_: None)
    assert in_review(engine) == {"c"}


def test_suggestions_are_no_labels(engine, board):
    checked(engine, board)
    assert n_lines(engine) == 0
    with reading(engine) as session:
        assert session.query(Label).count() == 0


def test_both_are_exported(engine, board):
    with reading(engine) as session:
        rows = {(row["job"], row["tag"]): row for row in iter_rows(session, "predictions")}
    assert rows["a", "remote"]["feed"] == "yes: isRemote=true"
    assert (rows["a", "remote"]["given"], rows["a", "remote"]["review"]) == (False, True)
    assert (rows["b", "remote"]["given"], rows["b", "remote"]["review"]) == (True, False)
    assert rows["b", "full-time"]["feed"] == "yes: jobType=Full Time"
    assert rows["c", "remote"]["feed"] is None


def test_a_labeller_sees_both_and_must_decide(engine, board):
    session = open_session(engine, labeller="anna", seed=0)
    cards = {}
    while session.card is not None:
        cards[session.card.external_id] = session.card
        session.press("s", Layout(n_rows=5, n_lines=5, n_text=1))
    row = cards["a"].rows[0]
    assert (row.tag, row.suggestion, row.feed.said) == ("remote", NO, "isRemote=true")
    assert row.is_contradicted
    assert first_answers(cards["a"], session._question)[0] is None


def test_blind_labellers_see_neither(engine, board):
    session = open_session(engine, labeller="anna", is_blind=True, seed=0)
    assert all(row.feed is None for row in session.card.rows)


# ---- mapping


def test_a_mapping_is_kept_replaced_and_taken_back(engine, board):
    with writing(engine) as session:
        map_value(session, "Category=WFH", "remote", "anna")
        map_value(session, "category=wfh", "full-time", "ben")
        assert session.query(FeedValue).count() == 1
        session.get_one(Job, board[2]).fields = {"category": "WFH"}
        session.flush()
        (seen,) = [one for one in seen_values(session) if one.kind == "other"]
        assert (seen.said, seen.tags, seen.is_mapped) == ("category=WFH", ("full-time",), True)
        unmap_value(session, "category=WFH")
        assert session.query(FeedValue).count() == 0
        with pytest.raises(StoreError, match="not mapped"):
            unmap_value(session, "category=WFH")


@pytest.mark.parametrize("pair", ["nonsense", "=x", "x=", "x=" + "y" * 201])
def test_what_is_no_field_and_value_is_refused(engine, board, pair):
    with writing(engine) as session, pytest.raises(StoreError, match="no field and value"):
        map_value(session, pair, "remote", "anna")


def run(*words):
    return CliRunner().invoke(app, list(words))


def test_the_command_maps_lists_and_rechecks(engine, url, board, tmp_path):
    checked(engine, board)
    done = run("tags", "map", "isRemote=true", "--ignore", "--db", url)
    assert (
        done.output == "isRemote=true means no tag; 1 posting went to review or came back from it\n"
    )
    assert in_review(engine) == set()
    listed = json.loads(run("tags", "map", "--db", url, "--json").stdout)["values"]
    assert listed[0] == {
        "kind": "employment type",
        "said": "jobType=Full Time",
        "n_jobs": 1,
        "tags": ["full-time"],
        "is_mapped": False,
    }
    assert "isRemote=true  ->  no tag" in run("tags", "map", "--db", url).output
    assert run("tags", "map", "isRemote=true", "--remove", "--db", url).exit_code == 0
    assert in_review(engine) == {"a"}
    assert run("tags", "map", "isRemote=true", "nosuchtag", "--db", url).exit_code == 1
    file = tmp_path / "said.csv"
    assert run("export", "predictions", str(file), "--db", url).exit_code == 0
    with file.open(newline="") as lines:
        assert {row["feed"] for row in csv.DictReader(lines)} >= {"yes: isRemote=true", ""}


def test_misuse_of_the_command_is_told(url):
    assert run("tags", "map", "--ignore", "--db", url).exit_code == 2
    assert run("tags", "map", "a=b", "--db", url).exit_code == 2
    assert run("tags", "map", "a=b", "t", "--remove", "--db", url).exit_code == 2
