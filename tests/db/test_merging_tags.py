"""Tags that mean the same become one, and nothing that was said is lost."""

import pytest
from sqlalchemy import Engine

from db.audit import audit
from db.engine import reading, writing
from db.errors import StoreError
from db.labels import all_tags, find_tags
from db.merging_tags import merge_tags
from db.tags import job_history, rename_tag
from tests.db.made_up import NO, UNSURE, YES, held, say, three_jobs


def test_a_yes_to_any_of_the_tags_is_a_yes_to_the_one_that_goes_on(engine: Engine):
    (a, b, c), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, NO)
        say(session, a, night, YES)
        say(session, b, night, NO)
        say(session, c, remote, UNSURE)
        say(session, c, night, NO)
        done = merge_tags(session, "remote", ["night"], "ann")
    assert (done.others, done.n_labels) == (("night",), 2)
    found = held(engine)
    assert (found[a, remote], found[b, remote], found[c, remote]) == (YES, NO, None)


def test_the_history_stays_and_the_audit_holds(engine: Engine):
    (a, *_), (_, night) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, night, YES)
        merge_tags(session, "remote", ["night"], "ann")
    with reading(engine) as session:
        lines = [(line.tag, line.after) for line in job_history(session, "a")]
    assert lines == [("night", YES), ("remote", YES)]
    assert audit(engine).ok


def test_the_other_name_means_the_tag_but_for_models(engine: Engine):
    _, (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        merge_tags(session, "remote", ["night"], "ann")
    with reading(engine) as session:
        assert find_tags(session, ["night"])["night"].id == remote
        assert find_tags(session, ["night"], merged=False)["night"].id == night
        assert [tag.name for tag in all_tags(session)] == ["remote"]


def test_a_name_that_is_taken_says_how_to_merge(engine: Engine):
    three_jobs(engine)
    with writing(engine) as session, pytest.raises(StoreError, match="jobtool tags merge"):
        rename_tag(session, "remote", "Night")
    with writing(engine) as session, pytest.raises(StoreError, match="named once"):
        merge_tags(session, "remote", ["remote"], "ann")
