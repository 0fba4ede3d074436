"""What a retrain learns from."""

import pytest
from sqlalchemy import Engine

from db.batches import set_state
from db.columns import WordVerdict
from db.engine import reading, writing
from db.schema import Job
from db.snapshot import Snapshot, take_snapshot
from db.tag_info import say_fact, say_word
from db.tags import alias_tag, rename_tag, retire_tag
from tagger.tag_info import TagInfo
from tests.db import made_up


def snapshot(engine: Engine, **options: object) -> Snapshot:
    with reading(engine) as session:
        return take_snapshot(session, **options)


def test_all_labels_are_learned_yes_no_and_unknown(engine, add_jobs, say):
    jobs = add_jobs(5)
    repost = add_jobs(1, first=5, canonical_id=jobs[1])[0]
    for job in (*jobs, repost):
        say(job, remote="yes", nurse="no", sales="unsure")
    found = snapshot(engine)
    assert found.tags == ("remote", "nurse", "sales")
    assert [job.id for job in found.training] == [*jobs, repost]
    assert {(job.yes, job.no) for job in found.training} == {(("remote",), ("nurse",))}
    assert [job.group for job in found.training] == [*jobs, jobs[1]]
    assert found.job_ids == [*jobs, repost]
    assert found.held_batches == ()


def test_only_unsure_is_no_label(engine, add_jobs, say):
    jobs = add_jobs(2)
    say(jobs[0], remote="unsure")
    assert snapshot(engine).training == ()


def test_labels_that_came_later_are_left_to_the_next_retrain(engine, add_jobs, say):
    jobs = add_jobs(2)
    say(jobs[0], remote="yes")
    say(jobs[1], remote="yes")
    assert [job.id for job in snapshot(engine, label_id=1).training] == jobs[:1]


def test_held_batches_are_left_out_and_named(engine):
    (a, b, _), (remote, night) = made_up.three_jobs(engine)
    with writing(engine) as session:
        made_up.say(session, a, remote, made_up.YES, "anna")
        made_up.say(session, a, night, made_up.YES, "bob")
        made_up.say(session, b, remote, made_up.NO, "bob")
        everything = take_snapshot(session)
        for batch in (2, 3):
            set_state(session, batch, hold=True, by="anna")
    found = snapshot(engine)
    assert found.held_batches == (2, 3)
    assert [(job.id, job.yes) for job in found.training] == [(a, ("remote",))]
    assert b in found.unlabelled
    assert found.sha256 != everything.sha256
    with writing(engine) as session:
        for batch in (2, 3):
            set_state(session, batch, hold=False, by="anna")
    assert snapshot(engine) == everything


def test_disputed_and_retired_tags_are_not_learned(engine, add_jobs, say):
    job = add_jobs(1)[0]
    say(job, remote="yes", nurse="yes", sales="yes")
    say(job, "bob", remote="no")
    with writing(engine) as session:
        retire_tag(session, "nurse")
    found = snapshot(engine)
    assert found.tags == ("remote", "sales")
    assert found.training[0].yes == ("sales",)


def test_old_jobs_are_replayed_rare_tags_first(engine, add_jobs, say):
    jobs = add_jobs(150)
    for job in jobs:
        say(job, common="yes")
    say(jobs[70], rare="yes")
    say(new := add_jobs(1, first=150)[0], common="yes")
    found = snapshot(engine, known_label=151, max_replay=10)
    ids = [job.id for job in found.training]
    assert len(ids) == 11
    assert found.n_replayed == 10
    assert {new, jobs[70]} <= set(ids)


def test_unlabelled_jobs_are_the_newest_without_reposts(engine, add_jobs, say):
    jobs = add_jobs(12)
    add_jobs(1, first=12, canonical_id=jobs[7])
    for job in jobs[:5]:
        say(job, remote="yes")
    assert snapshot(engine, n_unlabelled=3).unlabelled == tuple(jobs[-3:])
    assert snapshot(engine, n_unlabelled=99).unlabelled == tuple(jobs[5:])


def test_the_hash_tells_texts_and_labels_apart(engine, add_jobs, say):
    jobs = add_jobs(4)
    for job in jobs[:3]:
        say(job, remote="yes")
    first = snapshot(engine).sha256
    assert snapshot(engine).sha256 == first
    say(jobs[0], "bob", remote="yes")  # says nothing new
    assert snapshot(engine).sha256 == first
    say(jobs[0], remote="no")
    say(jobs[0], "bob", remote="no")
    second = snapshot(engine).sha256
    with writing(engine) as session:
        session.get_one(Job, jobs[1]).text_hash = b"another" * 2
    third = snapshot(engine).sha256
    with writing(engine) as session:
        session.get_one(Job, jobs[3]).text_hash = b"another" * 2
    assert len({first, second, third, snapshot(engine).sha256}) == 4


def test_what_is_said_of_tags_belongs_to_it(engine, add_jobs, say):
    say(add_jobs(1)[0], remote="yes", night="no")
    with writing(engine) as session:
        say_word(session, "night", "rota", WordVerdict.FOR, "anna")
        retire_tag(session, "remote")
    found = snapshot(engine)
    assert found.tags == ("night",)
    assert found.tag_infos == (TagInfo(name="night", words=("rota",)),)


@pytest.mark.parametrize(
    "change",
    [
        lambda session: rename_tag(session, "remote", "home"),
        lambda session: alias_tag(session, "remote", "home"),
        lambda session: say_fact(session, "remote", "home", None, "anna"),
        lambda session: say_fact(session, "remote", "", 0.1, "anna"),
        lambda session: say_word(session, "remote", "home", WordVerdict.FOR, "anna"),
        lambda session: say_word(session, "remote", "home", WordVerdict.AGAINST, "anna"),
    ],
)
def test_the_hash_changes_with_what_is_said_of_tags(engine, add_jobs, say, change):
    say(add_jobs(1)[0], remote="yes")
    first = snapshot(engine).sha256
    with writing(engine) as session:
        change(session)
    second = snapshot(engine).sha256
    assert second != first
    with writing(engine) as session:  # a rejected word is not learned from
        say_word(session, "remote", "team", WordVerdict.REJECTED, "anna")
    assert snapshot(engine).sha256 == second
