"""What a retrain learns from and what it is judged by never meet."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from db.columns import Split, WordVerdict
from db.engine import reading, writing
from db.schema import Job
from db.snapshot import Snapshot, assign_splits, take_snapshot
from db.tag_info import say_fact, say_word
from db.tags import alias_tag, rename_tag, retire_tag
from tagger.tag_info import TagInfo


def splits(engine: Engine) -> dict[int, Split | None]:
    with writing(engine) as session:
        assign_splits(session)
    with reading(engine) as session:
        return dict(session.execute(select(Job.id, Job.split)).all())


def snapshot(engine: Engine, **options: object) -> Snapshot:
    with reading(engine) as session:
        return take_snapshot(session, **options)


def test_the_newest_fifth_is_kept_to_judge_by(engine, add_jobs, say):
    jobs = add_jobs(10)
    for job in jobs:
        say(job, remote="yes")
    found = splits(engine)
    assert [job for job in jobs if found[job] == Split.EVALUATION] == jobs[-2:]
    assert all(found[job] == Split.TRAINING for job in jobs[:-2])


def test_a_side_once_taken_is_kept(engine, add_jobs, say):
    jobs = add_jobs(5)
    for job in jobs:
        say(job, remote="yes")
    before = splits(engine)
    for job in add_jobs(20, first=5):
        say(job, remote="no")
    after = splits(engine)
    assert {job: after[job] for job in jobs} == before
    assert sum(split == Split.EVALUATION for split in after.values()) == 5


def test_the_judging_side_grows_in_small_steps_too(engine, add_jobs, say):
    for step in range(10):
        for job in add_jobs(2, first=2 * step):
            say(job, remote="yes")
        found = splits(engine)
    assert sum(split == Split.EVALUATION for split in found.values()) == 4


def test_reposts_stand_where_their_canonical_job_stands(engine, add_jobs, say):
    jobs = add_jobs(5)
    repost = add_jobs(1, first=5, canonical_id=jobs[4])[0]
    for job in jobs:
        say(job, remote="yes")
    found = splits(engine)
    assert found[repost] == found[jobs[4]] == Split.EVALUATION
    late = add_jobs(1, first=6, canonical_id=jobs[4])[0]
    say(late, remote="yes")
    assert splits(engine)[late] == Split.EVALUATION


def test_only_unsure_is_no_label(engine, add_jobs, say):
    jobs = add_jobs(2)
    say(jobs[0], remote="unsure")
    assert set(splits(engine).values()) == {None}
    assert snapshot(engine).training == ()


def test_labels_of_each_side_come_with_yes_no_and_unknown(engine, add_jobs, say):
    jobs = add_jobs(5)
    for job in jobs:
        say(job, remote="yes", nurse="no", sales="unsure")
    splits(engine)
    found = snapshot(engine)
    assert found.tags == ("remote", "nurse", "sales")
    assert [job.id for job in found.training] == jobs[:4]
    assert [job.id for job in found.evaluation] == jobs[4:]
    assert (found.training[0].yes, found.training[0].no) == (("remote",), ("nurse",))


def test_disputed_and_retired_tags_are_not_learned(engine, add_jobs, say):
    from db.labels import find_tags

    job = add_jobs(1)[0]
    say(job, remote="yes", nurse="yes", sales="yes")
    say(job, "bob", remote="no")
    with writing(engine) as session:
        session.execute(update(Job).values(split=Split.TRAINING))
        find_tags(session, ["nurse"])["nurse"].retired_at = session.get_one(Job, job).imported_at
    found = snapshot(engine)
    assert found.tags == ("remote", "sales")
    assert found.training[0].yes == ("sales",)


def test_old_jobs_are_replayed_rare_tags_first(engine, add_jobs, say):
    jobs = add_jobs(150)
    for job in jobs:
        say(job, common="yes")
    say(jobs[70], rare="yes")
    with writing(engine) as session:
        session.execute(update(Job).values(split=Split.TRAINING))
    say(new := add_jobs(1, first=150)[0], common="yes")
    with writing(engine) as session:
        session.execute(update(Job).where(Job.id == new).values(split=Split.TRAINING))
    found = snapshot(engine, known_label=151, max_replay=10)
    ids = [job.id for job in found.training]
    assert len(ids) == 11
    assert found.n_replayed == 10
    assert {new, jobs[70]} <= set(ids)


def test_unlabelled_jobs_are_the_newest_without_reposts_or_the_other_side(engine, add_jobs, say):
    jobs = add_jobs(12)
    add_jobs(1, first=12, canonical_id=jobs[7])
    for job in jobs[:5]:
        say(job, remote="yes")
    splits(engine)
    assert snapshot(engine, n_unlabelled=3).unlabelled == tuple(jobs[-3:])
    assert snapshot(engine, n_unlabelled=99).unlabelled == tuple(jobs[5:])


def test_the_hash_tells_texts_and_labels_apart(engine, add_jobs, say):
    jobs = add_jobs(4)
    for job in jobs:
        say(job, remote="yes")
    splits(engine)
    first = snapshot(engine).sha256
    assert snapshot(engine).sha256 == first
    say(jobs[0], remote="no")
    second = snapshot(engine).sha256
    with writing(engine) as session:
        session.get_one(Job, jobs[1]).text_hash = b"another" * 2
    assert len({first, second, snapshot(engine).sha256}) == 3


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


def test_jobs_posted_late_count_as_new(engine, add_jobs, say):
    jobs = add_jobs(5)
    with writing(engine) as session:
        first = session.get_one(Job, jobs[0])
        first.posted_at = first.imported_at + timedelta(days=9)
    for job in jobs:
        say(job, remote="yes")
    assert splits(engine)[jobs[0]] == Split.EVALUATION
