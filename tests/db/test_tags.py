"""The team's list of tags, and the history of a job."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from db.columns import Answer, Source
from db.engine import reading, writing
from db.errors import StoreError
from db.labels import Batches, Said, all_tags, find_tags, record
from db.schema import Tag
from db.tag_info import tag_infos
from db.tags import add_tags, alias_tag, job_history, list_tags, rename_tag, retire_tag
from tagger.tag_info import check_distinct
from tests.db.made_up import NO, UNSURE, YES, held, say, three_jobs


def test_tags_are_listed_with_how_often_they_hold(engine: Engine):
    (a, b, c), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        for job, answer in ((a, YES), (b, NO), (c, UNSURE)):
            say(session, job, remote, answer)
    with reading(engine) as session:
        first, second = list_tags(session)
    assert first[:5] == ("remote", (), 1, 1, 1)
    assert second[:5] == ("night", (), 0, 0, 0)


def test_a_renamed_tag_keeps_its_labels_and_its_old_name(engine: Engine):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
        rename_tag(session, "remote", "home-office")
    with reading(engine) as session:
        assert find_tags(session, ["remote"])["remote"].id == remote
        assert [tag.name for tag in all_tags(session)] == ["home-office", "night"]
    assert held(engine) == {(a, remote): YES}


def test_a_tag_can_be_renamed_back(engine: Engine):
    three_jobs(engine)
    with writing(engine) as session:
        rename_tag(session, "remote", "home-office")
        rename_tag(session, "home-office", "remote")
    with reading(engine) as session:
        assert list_tags(session)[0][:2] == ("remote", ("home-office",))


@pytest.mark.parametrize("taken", ["night", "overnight"])
def test_a_name_is_given_once(engine: Engine, taken):
    three_jobs(engine)
    with writing(engine) as session:
        alias_tag(session, "night", "overnight")
    for use in (
        lambda session: rename_tag(session, "remote", taken),
        lambda session: alias_tag(session, "remote", taken),
        lambda session: add_tags(session, [taken]),
    ):
        with (
            pytest.raises(StoreError, match=f"'{taken}' is already a name"),
            writing(engine) as session,
        ):
            use(session)


def test_a_retired_tag_keeps_its_labels_and_its_position(engine: Engine):
    (a, *_), (_, night) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, night, YES)
        retire_tag(session, "night")
        add_tags(session, ["new"])
    with reading(engine) as session:
        assert [tag.name for tag in all_tags(session)] == ["remote", "new"]
        assert session.query(Tag).filter_by(name="new").one().position == 2
        assert list_tags(session)[1].n_yes == 1
    with writing(engine) as session:
        retire_tag(session, "night", restore=True)
        assert [tag.name for tag in all_tags(session)] == ["remote", "night", "new"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_name_that_is_none_is_refused(engine: Engine, name):
    with pytest.raises(StoreError, match="1 to 200 characters"), writing(engine) as session:
        add_tags(session, [name])


def test_the_history_tells_who_said_what_in_order(engine: Engine):
    (a, *_), (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES, "anna")
        say(session, a, remote, NO, "anna")
        say(session, a, remote, YES, "ben")
    with reading(engine) as session:
        lines = job_history(session, "a")
    assert [(line.labeller, line.before, line.after) for line in lines] == [
        ("anna", None, YES),
        ("anna", YES, NO),
        ("ben", None, YES),
    ]
    assert lines[0].at <= lines[2].at


def test_an_unknown_job_has_no_history(engine: Engine):
    with pytest.raises(StoreError, match="no job 'x'"), reading(engine) as session:
        job_history(session, "x")


def test_a_semicolon_in_a_name_is_refused(engine: Engine):
    with (
        writing(engine) as session,
        pytest.raises(StoreError, match="a semicolon, which separates"),
    ):
        add_tags(session, ["night; remote"])


def test_names_that_differ_in_capitals_or_spaces_only_are_refused(engine: Engine):
    with writing(engine) as session:
        add_tags(session, ["remote", "night shift"])
        alias_tag(session, "remote", "Home Office")
        alias_tag(session, "remote", "REMOTE")  # of the same tag: nothing to be mistaken
        rename_tag(session, "remote", "Remote")
    for use in (
        lambda session: add_tags(session, ["REMOTE"]),
        lambda session: add_tags(session, ["home  office"]),
        lambda session: add_tags(session, ["new", "New"]),
        lambda session: rename_tag(session, "night shift", "home office"),
        lambda session: alias_tag(session, "night shift", "remote "),
        lambda session: alias_tag(session, "Remote", "Night  Shift"),
    ):
        with (
            pytest.raises(StoreError, match="is already a name of tag"),
            writing(engine) as session,
        ):
            use(session)
    with reading(engine) as session:
        check_distinct(tag_infos(session))


def test_history_is_in_the_order_of_time_not_of_import(engine: Engine):
    (job, *_), (remote, night) = three_jobs(engine)
    early, late = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    with writing(engine) as session:
        for tag, at in ((remote, late), (night, early)):
            record(
                session, [Said(job, tag, Answer.YES, "anna", Source.IMPORT, at)], Batches("a test")
            )
        assert [line.at for line in job_history(session, "a")] == [early, late]
