"""From the first import to the first labels, with a real, small tagger."""

import csv
import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from typer.testing import CliRunner

import cli
from db.engine import reading, writing
from db.labelling import Settings as Tagging
from db.labelling import label
from db.labels import Batches
from db.registry import CHAMPION, aliased, learned_positions, model_tags
from db.retrain import Settings, retrain
from db.schema import Job, Model, Prediction, Verdict
from db.tag_info import say_word
from db.tags import alias_tag
from db.usefulness import iter_offers, load_pool
from jobtool.tagging import load_predictor
from jobtool.trainer import Trainer
from tagger.model import TagModel
from tests.db.made_up import NO, YES, add_jobs, add_tags, say

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config"),
]
TAGS = ("remote", "driving", "kitchen")


@pytest.fixture
def trainer(tiny_config):
    return Trainer(0, tiny_config)


@pytest.fixture
def stored(engine: Engine, tiny_jobs) -> list[int]:
    """60 jobs without a label, and three tags, one of them described; the ids of the jobs."""
    with writing(engine) as session:
        add_tags(session, *TAGS)
        say_word(session, "driving", "van", "for", "anna")
        jobs = add_jobs(session, *(job.id for job in tiny_jobs))
        for row, job in zip(jobs, tiny_jobs, strict=True):
            row.title, row.text = job.title, job.text
        return [row.id for row in jobs]


def test_the_queue_follows_a_model_that_has_seen_no_label(engine, stored, trainer, tmp_path):
    report = retrain(engine, tmp_path, trainer)
    assert report.promoted
    assert report.without_labels
    assert (report.tags_without_labels, report.n_training) == (TAGS, 0)
    assert label(engine, load_predictor, Tagging(store=tmp_path)) == len(stored)
    with reading(engine) as session:
        remote = add_tags(session, "remote")
        pool = load_pool(session, remote, seed=0)
        threshold = model_tags(session, aliased(session, CHAMPION))["remote"]
        said = select(Prediction.job_id, Prediction.probability)
        proba = dict(session.execute(said.where(Prediction.tag_id == remote[0])).all())
        texts = dict(session.execute(select(Job.id, Job.text)).all())
    offers = [offer.job_id for offer in iter_offers(pool)]
    assert sorted(offers) == stored
    assert "remote" in texts[offers[0]]
    given = [texts[job] for job, p in proba.items() if p >= threshold]
    assert given
    assert all("remote" in text for text in given)


def test_the_first_labels_go_live_and_later_ones_are_compared(
    engine, stored, trainer, tiny_jobs, tmp_path
):
    first = retrain(engine, tmp_path, trainer)
    known = dict(zip(stored, tiny_jobs, strict=True))
    with writing(engine) as session:
        tag_ids = dict(zip(TAGS, add_tags(session, *TAGS), strict=True))

    def say_all(labeller: str, places: range, *, slipped: int = 0) -> None:
        batch = Batches(f"{labeller}.csv")
        with writing(engine) as session:
            for place in places:
                told = known[stored[place - slipped]].tags
                for tag, tag_id in tag_ids.items():
                    answer = YES if tag in told else NO
                    say(session, stored[place], tag_id, answer, labeller, batches=batch)

    say_all("anna", range(36))
    second = retrain(engine, tmp_path, trainer)
    assert second.parent_id == first.model_id
    assert not second.without_labels
    assert " on 36 labelled jobs" in second.verdict
    with reading(engine) as session:
        (verdict,) = session.scalars(select(Verdict).where(Verdict.run_id == second.run_id))
        assert verdict.details["n_jobs"] == 36
        learned = learned_positions(session, session.get(Model, second.model_id))
    assert learned == {job_id: place for place, job_id in enumerate(stored[:36])}
    assert second.promoted
    say_all("bob", range(36, 48))
    say_all("cy", range(48, 60), slipped=1)
    third = retrain(engine, tmp_path, trainer)
    assert third.n_training == 48
    assert third.held_batches == (3,)
    assert "cy.csv, by cy" in third.page
    assert "agree with the live model far less than older ones" in third.page


def test_a_changed_meaning_goes_live_before_there_are_labels(engine, stored, trainer, tmp_path):
    retrain(engine, tmp_path, trainer)
    with writing(engine) as session:
        alias_tag(session, "kitchen", "soups")
    report = retrain(engine, tmp_path, trainer, Settings(fresh=True))
    assert report.promoted
    infos = TagModel.load(tmp_path / report.folder).meta["tag_info"]
    assert next(info for info in infos if info["tag"] == "kitchen")["aliases"] == ["soups"]


@pytest.mark.usefixtures("trainer")
def test_the_commands_mark_a_model_without_labels(tmp_path, monkeypatch, tiny_config, tiny_jobs):
    def jobtool(*arguments: str) -> str:
        done = CliRunner().invoke(cli.app, arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBTOOL_DATABASE_URL", "jobs.db")
    monkeypatch.setattr(cli.Tagging, "trainer", lambda _, seed: Trainer(seed, tiny_config))
    with Path("jobs.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "title", "text"))
        rows.writerows((job.id, job.title, job.text) for job in tiny_jobs)
    Path("tags.csv").write_text("tag,description\nremote,Work from home\nquixotic,\n")
    jobtool("import", "jobs", "jobs.csv")
    jobtool("tags", "import", "tags.csv")
    page = jobtool("retrain")
    assert "without labels yet: it knows tags by their names alone, not calibrated" in page
    assert "not learned, never given: 1 tag (quixotic)" in page
    assert "without labels yet, not calibrated, since" in jobtool("status")
    assert "2 without labels yet, 1 never given" in jobtool("status")
    assert "with model 1 (without labels yet, not calibrated) in" in jobtool(
        "tag", "--db", "jobs.db"
    )
    assert json.loads(jobtool("tag", "--db", "jobs.db", "--json"))["without_labels"] is True
    assert json.loads(jobtool("status", "--json"))["live_model"]["without_labels"]
    assert "without labels yet  champion, anchor" in jobtool("models", "list")
    shown = jobtool("models", "show", "1")
    assert "macro_f1: -\n" in shown
    assert "quixotic: not learned  (no labels yet: known by its name alone" in shown
    assert jobtool("retrain") == "nothing has changed since model 1\n"
    assert json.loads(jobtool("retrain", "--json"))["unchanged_since"] == 1
    jobtool("retrain", "--json", "--fresh")
    assert "macro_f1                   -  -" in jobtool("models", "diff", "1", "2")
    assert "No retrain is due" in jobtool("retrain", "--after-labels", "9")
    jobtool("tags", "set", "remote", "--word", "telework")
    changed = json.loads(jobtool("retrain", "--after-labels", "9", "--json"))
    assert changed["reason"] == "tags have changed"
    assert changed["tags_without_labels"] == ["remote", "quixotic"]
