"""Drift: what is compared with what, what gives an alarm, and what an alarm says."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner

from cli import app
from db.columns import RunState
from db.drift import MIN_POSTINGS, find_drift
from db.drift_advice import alarms_of
from db.drift_answers import find_unanswered, mark_answered
from db.engine import now, reading, writing
from db.errors import StoreError
from db.registry import promote
from db.retrain import Settings
from db.schedule import Schedule, retrain_when_due
from db.schema import Job, Label, ModelJob, Run
from db.tag_info import hash_of_tags
from tests.db.made_up import NO, add_champion, add_tags, retrained, say
from tests.db.made_up import predict as predict_one
from tests.db.test_retrain import Trainer

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WORDS = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(10) for j in range(8)]


class Board:
    """A board with a live model that knows 90 postings of two sources."""

    def __init__(self, engine):
        self.engine, self.rng, self.n = engine, np.random.default_rng(5), 0
        with writing(engine) as session:
            self.tags = add_tags(session, "remote", "night")
            self.model = add_champion(session, {"remote": 0.5, "night": 0.5})
            ids = self.post(session, 90, MONDAY - timedelta(weeks=10))
            session.add_all(ModelJob(model_id=self.model.id, job_id=job_id) for job_id in ids)
            retrained(session, self.model)
            self.known_until(session, max(ids))
            session.flush()
            session.expunge(self.model)

    def known_until(self, session, job_id):
        run = session.scalars(select(Run).order_by(Run.id.desc()).limit(1)).one()
        run.job_id, run.label_id = job_id, session.query(Label).count()

    def post(
        self, session, n, at, *, source=None, remote=0.3, words=WORDS, tagged=True, copies_of=None
    ):
        jobs = []
        for _ in range(n):
            self.n += 1
            jobs.append(
                Job(
                    external_id=f"job {self.n}",
                    title="",
                    text=" ".join(self.rng.choice(words, 12)),
                    fields={"source": source or self.rng.choice(["north", "south"])},
                    posted_at=at + timedelta(hours=float(self.rng.uniform(0, 160))),
                    imported_at=now(session),
                    text_hash=self.n.to_bytes(16),
                    canonical_id=copies_of,
                )
            )
        session.add_all(jobs)
        session.flush()
        for job in jobs if tagged else ():
            p = [0.9 if self.rng.random() < rate else 0.1 for rate in (remote, 0.2)]
            predict_one(
                session,
                self.model,
                job,
                dict(zip(self.tags, p, strict=True)),
                code=self.rng.normal(size=2),
            )
        return [job.id for job in jobs]


@pytest.fixture
def board(engine):
    return Board(engine)


def titles(engine, **options):
    with reading(engine) as session:
        found = find_drift(session, **options)
    return [[alarm.title for alarm in alarms_of(week)] for week in found.weeks]


def last_week(engine):
    with reading(engine) as session:
        return find_drift(session, n_weeks=1).weeks[0]


def test_an_ordinary_week_gives_no_alarm(engine, board):
    with writing(engine) as session:
        board.post(session, 60, MONDAY)
    week = last_week(engine)
    assert (week.begins, week.is_over, week.n_compared) == (MONDAY.date(), True, 60)
    kinds = {figure.kind for figure in week.figures}
    assert kinds == {"source", "tag", "score", "words", "codes", "spread"}
    assert week.alarms == ()
    assert sum(week.sources.values()) == 60


def test_a_new_source_is_named_with_what_to_do(engine, board):
    with writing(engine) as session:
        board.post(session, 40, MONDAY)
        board.post(session, 20, MONDAY, source="west coast")
    week = last_week(engine)
    alarm = next(one for one in alarms_of(week) if "new" in one.title)
    assert alarm.title == "new source west coast"
    assert "33.3% of this week's postings" in alarm.changed
    assert alarm.steps[0] == "Label 50 of them: jobtool label --source 'west coast'"


def test_a_tag_given_more_often_is_one_alarm(engine, board):
    with writing(engine) as session:
        board.post(session, 80, MONDAY, remote=0.8)
    assert titles(engine, n_weeks=1) == [["remote is given more often"]]


def test_unknown_words_are_shown(engine, board):
    with writing(engine) as session:
        board.post(session, 60, MONDAY, words=[*WORDS[:40], *(f"neu{i}" for i in "abcdefgh" * 5)])
    week = last_week(engine)
    alarm = next(one for one in alarms_of(week) if one.title == "more unknown words")
    assert week.new_words[0].startswith("neu")
    assert "Most frequent: neu" in alarm.changed


def test_a_group_of_reposts_counts_once_a_week(engine, board):
    with writing(engine) as session:
        first = board.post(session, 35, MONDAY)[0]
        board.post(session, 200, MONDAY, source="west", copies_of=first)
    week = last_week(engine)
    assert (week.n_postings, week.n_new, week.n_compared) == (235, 35, 35)
    assert week.alarms == ()


def test_postings_that_the_model_knew_are_not_compared(engine, board):
    with writing(engine) as session:
        ids = board.post(session, 60, MONDAY, source="west")
        board.known_until(session, max(ids))
    week = last_week(engine)
    assert (week.n_postings, week.n_new, week.figures) == (60, 0, ())


def test_postings_whose_labels_were_learned_are_no_reference(engine, board):
    with writing(engine) as session:
        learned = session.scalars(select(ModelJob.job_id).limit(40)).all()
        for job_id in learned:
            say(session, job_id, board.tags[0], NO)
        board.known_until(session, 90)
    with reading(engine) as session:
        assert find_drift(session).n_reference == 50


def test_where_all_labels_were_learned_tags_are_left_out(engine, board):
    with writing(engine) as session:
        for job_id in session.scalars(select(ModelJob.job_id)).all():
            say(session, job_id, board.tags[0], NO)
        board.known_until(session, 90)
        board.post(session, 60, MONDAY, source="west", remote=1)
    with reading(engine) as session:
        found = find_drift(session, n_weeks=1)
    assert "has learned the labels of nearly all" in found.note
    assert {figure.kind for figure in found.weeks[0].figures} == {"source", "words"}
    assert "new source west" in [alarm.title for alarm in alarms_of(found.weeks[0])]


def test_untagged_postings_are_counted_and_wait(engine, board):
    with writing(engine) as session:
        board.post(session, 60, MONDAY, tagged=False)
    week = last_week(engine)
    assert (week.n_untagged, week.n_compared, week.figures) == (60, 0, ())


def test_a_date_in_the_future_does_not_hide_the_weeks_before(engine, board):
    with writing(engine) as session:
        board.post(session, 60, MONDAY)
        board.post(session, 1, now(session) + timedelta(days=500))
    assert last_week(engine).begins == MONDAY.date()


def test_a_week_that_is_not_over_is_compared_more_strictly(engine, board):
    with writing(engine) as session:
        board.post(session, 60, MONDAY, source="west")
        at = now(session)
        for job in session.scalars(select(Job).where(Job.id > 90)):
            job.posted_at = at
    week = last_week(engine)
    assert (week.is_over, "new source west" in [a.title for a in alarms_of(week)]) == (False, True)
    assert all(figure.p_value <= 0.002 for figure in week.alarms)


def test_jobs_without_a_date_came_when_they_were_imported(engine, board):
    with writing(engine) as session:
        board.post(session, 30, MONDAY)
        session.execute(update(Job).where(Job.id > 90).values(posted_at=None))
        today = now(session).date()
    assert last_week(engine).begins == today - timedelta(days=today.weekday())


def test_the_same_question_has_the_same_answer(engine, board):
    with writing(engine) as session:
        board.post(session, 60, MONDAY, remote=0.5)
    assert last_week(engine) == last_week(engine)


def test_without_a_live_model_there_is_nothing_to_compare_with(engine):
    with reading(engine) as session, pytest.raises(StoreError, match="no live model"):
        find_drift(session)


# ---- retraining on drift


def test_an_alarm_starts_one_retrain_only(engine, board):
    schedule = Schedule(when_drifted=True)
    with writing(engine) as session:
        board.post(session, 60, MONDAY, source="west")
    found = schedule.look_for_drift(engine)
    assert schedule.due(engine, found).startswith("drift: new source west")
    with writing(engine) as session:
        retrained(session, add_refused(session))
        board.known_until(session, 150)
        run = session.scalars(select(Run.id).order_by(Run.id.desc()).limit(1)).one()
    mark_answered(engine, run, found.keys)
    with writing(engine) as session:
        board.post(session, 60, MONDAY + timedelta(weeks=1), source="west")
    again = schedule.look_for_drift(engine)
    assert "source:west:up" in again.keys
    assert again.alarms == ()
    with writing(engine) as session:
        board.post(session, 60, MONDAY + timedelta(weeks=2), source="east")
    first = schedule.look_for_drift(engine).alarms[0]
    assert first.title == "new source east"


def test_an_alarm_that_a_later_retrain_found_gone_counts_again(engine, board):
    with writing(engine) as session:
        session.execute(update(Run).values(alarms=["source:west:up", "tag:remote:up"]))
        board.post(session, 60, MONDAY, source="west")
    with reading(engine) as session:
        found = find_unanswered(session)
    assert "source:west:up" in found.keys
    assert "tag:remote:up" not in found.keys


def test_without_postings_nothing_is_gone(engine, board):
    with writing(engine) as session:
        session.execute(update(Run).values(alarms=["source:west:up"]))
    with reading(engine) as session:
        assert find_unanswered(session).keys == ("source:west:up",)


def test_retraining_on_drift_says_why_and_stops_there(engine, board, tmp_path):
    with writing(engine) as session:
        board.post(session, 60, MONDAY, source="west")

    def due():
        schedule = Schedule(when_drifted=True)
        done = retrain_when_due(engine, tmp_path, Trainer(), Settings(), schedule=schedule)
        return [report.reason for report in done]

    with writing(engine) as session:
        session.scalars(select(Run)).one().tags_hash = hash_of_tags(session)
    (reason,) = due()
    assert reason.startswith("drift: new source west")
    assert due() == []
    assert "no drift that is new" in Schedule(when_drifted=True).missing(engine)
    with reading(engine) as session:
        kept = session.scalars(select(Run.alarms).order_by(Run.id.desc()).limit(1)).one()
    assert "source:west:up" in kept


def add_refused(session):
    """A challenger that did not go live."""
    from db.registry import CHAMPION, aliased

    champion = aliased(session, CHAMPION)
    refused = add_champion(session, {"remote": 0.5, "night": 0.5})
    promote(session, champion, reason="the test's champion")
    return refused


def test_without_a_live_model_drift_starts_no_retrain(engine):
    assert Schedule(when_drifted=True).look_for_drift(engine).alarms == ()


# ---- the command


def run(*words):
    return CliRunner().invoke(app, list(words))


def test_the_command_tells_alarms_and_writes_a_page(engine, url, board, tmp_path):
    with writing(engine) as session:
        board.post(session, 40, MONDAY)
        board.post(session, 20, MONDAY, source="<b>west</b>")
    page = tmp_path / "drift.html"
    done = run("drift", "--db", url, "--weeks", "3", "--html", str(page))
    assert done.exit_code == 0, done.output
    assert "Week of 2026-03-02: new source <b>west</b>" in done.output
    html = page.read_text()
    assert "&lt;b&gt;west&lt;/b&gt;" in html
    assert "<b>west" not in html
    assert html.count("<svg") >= 3


def test_json_has_every_figure(engine, url, board):
    with writing(engine) as session:
        board.post(session, 60, MONDAY)
    done = run("drift", "--db", url, "--weeks", "1", "--json")
    (week,) = json.loads(done.stdout)["weeks"]
    assert week["begins"] == "2026-03-02"
    assert {"kind", "name", "before", "after", "p_value", "is_alarm"} == set(week["figures"][0])


def test_too_few_postings_are_said(engine, url, board):
    with writing(engine) as session:
        board.post(session, MIN_POSTINGS - 1, MONDAY)
    done = run("drift", "--db", url)
    assert "it takes 30 postings in a week" in done.output
    assert "no week has more than 29" in done.output


def test_unfinished_runs_do_not_count(engine, board):
    with writing(engine) as session:
        session.add(
            Run(
                worker="w",
                state=RunState.FAILED,
                lease_until=now(session),
                reason="x",
                folder="y",
                started_at=now(session),
                label_id=0,
                job_id=10_000,
            )
        )
        board.post(session, 60, MONDAY, source="west")
    with reading(engine) as session:
        assert find_unanswered(session).alarms
