"""Storing what files say of tags: nothing twice, nothing lost, no name for two tags."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, func, select

from db.columns import WordVerdict
from db.engine import reading, writing
from db.errors import StoreError
from db.importing_tags import StoredTags, store_tag_infos
from db.labels import find_tags
from db.schema import Tag, TagFact, TagWord
from db.tag_info import say_fact, say_word, tag_info, tag_infos
from db.tags import add_tags, alias_tag, rename_tag, retire_tag
from tagger.tag_info import TagInfo

REMOTE = TagInfo(
    name="remote",
    description="Work from home",
    aliases=("telework",),
    words=("home office",),
    against=("on site",),
    share=0.05,
)
NIGHT = TagInfo(name="night", words=("home office",))


def stored(engine: Engine, *infos: TagInfo, by: str = "import") -> StoredTags:
    with writing(engine) as session:
        return store_tag_infos(session, infos, by)


def known(engine: Engine) -> tuple[TagInfo, ...]:
    with reading(engine) as session:
        return tag_infos(session)


def n_lines(engine: Engine) -> int:
    with reading(engine) as session:
        counts = (session.scalar(select(func.count(table.id))) for table in (TagFact, TagWord))
        return sum(counts)


def test_tags_that_are_missing_are_made_in_their_order(engine: Engine):
    assert stored(engine, REMOTE, NIGHT) == StoredTags(("remote", "night"), (), 0)
    assert known(engine) == (REMOTE, NIGHT)


def test_importing_again_changes_nothing(engine: Engine):
    stored(engine, REMOTE, NIGHT)
    before = n_lines(engine)
    assert stored(engine, REMOTE, NIGHT) == StoredTags((), (), 2)
    assert stored(engine, *known(engine), by="anna") == StoredTags((), (), 2)
    assert n_lines(engine) == before


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ({"description": "x"}, {"description": "x"}),
        ({"share": 0.5}, {"share": 0.5}),
        ({"aliases": ("x",)}, {"aliases": ("telework", "x")}),
        ({"words": ("x",)}, {"words": ("home office", "x")}),
        ({"against": ("x",)}, {"against": ("on site", "x")}),
        ({"words": ("On Site",)}, {"words": ("home office", "On Site"), "against": ()}),
    ],
)
def test_what_is_new_is_added_and_the_rest_stays(engine: Engine, said, then):
    stored(engine, REMOTE, NIGHT)
    assert stored(engine, TagInfo(name="remote", **said)) == StoredTags((), ("remote",), 0)
    assert known(engine) == (replace(REMOTE, **then), NIGHT)


def test_an_old_file_does_not_undo_what_people_said_since(engine: Engine):
    stored(engine, REMOTE)
    with writing(engine) as session:
        say_fact(session, "remote", "At home", 0.1, "anna")
        say_word(session, "remote", "home office", WordVerdict.REJECTED, "anna")
        say_word(session, "remote", "on site", None, "anna")
    assert stored(engine, REMOTE) == StoredTags((), (), 1)
    (remote,) = known(engine)
    assert (remote.description, remote.share, remote.words, remote.against) == (
        "At home",
        0.1,
        (),
        (),
    )


@pytest.mark.parametrize("by_anna", [{"description": "At home"}, {"share": 0.1}])
def test_a_field_that_an_import_only_copied_is_not_taken_for_what_it_said(engine: Engine, by_anna):
    stored(engine, REMOTE)
    said = {"description": "Work from home", "share": 0.05}
    with writing(engine) as session:
        say_fact(session, "remote", **said | by_anna, said_by="anna")
    new = {"share": 0.2} if "description" in by_anna else {"description": "Anywhere"}
    file = replace(REMOTE, **new)
    assert stored(engine, file).changed == ("remote",)
    assert known(engine) == (replace(REMOTE, **by_anna, **new),)
    assert stored(engine, file) == stored(engine, file) == StoredTags((), (), 1)
    assert known(engine) == (replace(REMOTE, **by_anna, **new),)


def test_a_new_file_says_something_new(engine: Engine):
    stored(engine, REMOTE)
    with writing(engine) as session:
        say_fact(session, "remote", "At home", 0.1, "anna")
    changed = TagInfo(name="remote", description="Never in an office", against=("home office",))
    assert stored(engine, changed).changed == ("remote",)
    (remote,) = known(engine)
    assert (remote.description, remote.share) == ("Never in an office", 0.1)
    assert (remote.words, remote.against) == ((), ("home office", "on site"))


@pytest.mark.parametrize("name", ["telework", "Telework", "REMOTE", " remote"])
def test_a_tag_is_found_by_another_name_and_whatever_its_capitals(engine: Engine, name):
    stored(engine, REMOTE)
    assert stored(engine, TagInfo(name=name, share=0.5)) == StoredTags((), ("remote",), 0)
    assert [info.share for info in known(engine)] == [0.5]


def test_a_renamed_tag_is_found_by_its_old_name(engine: Engine):
    stored(engine, REMOTE)
    with writing(engine) as session:
        rename_tag(session, "remote", "home-office")
    assert stored(engine, REMOTE) == StoredTags((), (), 1)
    assert [info.name for info in known(engine)] == ["home-office"]


def test_a_name_that_could_mean_two_tags_is_refused(engine: Engine):
    with writing(engine) as session:
        find_tags(session, ["remote", "Remote"], create=True)  # as labels make them
    assert stored(engine, TagInfo(name="Remote", share=0.5)).changed == ("Remote",)
    with pytest.raises(StoreError, match="'REMOTE' could mean tag 'remote' or 'Remote'"):
        stored(engine, TagInfo(name="REMOTE"))


@pytest.mark.parametrize("alias", ["remote", "telework", "TELEWORK"])
def test_an_alias_of_another_tag_is_one_clear_error_and_stores_nothing(engine: Engine, alias):
    stored(engine, REMOTE)
    problem = f"'{alias}', another name of tag 'late', already stands for tag 'remote': take it out"
    with pytest.raises(StoreError, match=problem):
        stored(engine, NIGHT, TagInfo(name="late", aliases=(alias,)))
    assert known(engine) == (REMOTE,)


def test_two_rows_of_one_tag_are_refused(engine: Engine):
    stored(engine, REMOTE)
    with pytest.raises(StoreError, match="'remote' and 'telework' are both names of tag 'remote'"):
        stored(engine, TagInfo(name="remote"), TagInfo(name="telework"))
    with pytest.raises(StoreError, match="'night' is there twice"):
        stored(engine, NIGHT, NIGHT)


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        (TagInfo(name="x" * 201), "a tag has 1 to 200 characters"),
        (TagInfo(name="x", aliases=("y" * 201,)), "a tag has 1 to 200 characters"),
        (TagInfo(name="x", words=("y" * 201,)), "a word has 1 to 200 characters"),
        (TagInfo(name="x", aliases=("y; z",)), "'y; z' holds a semicolon"),
    ],
)
def test_names_and_words_that_can_not_be_stored_are_refused(engine: Engine, info, problem):
    with pytest.raises(StoreError, match=problem):
        stored(engine, info)


def test_what_is_made_by_hand_is_cleaned(engine: Engine):
    stored(
        engine, TagInfo(name=" a\0b ", description="x\ny", aliases=("c ", "c"), words=("D", "d "))
    )
    assert known(engine) == (TagInfo(name="a b", description="x y", aliases=("c",), words=("D",)),)


def test_words_of_two_sources_add_up_to_a_limit(engine: Engine):
    stored(engine, TagInfo(name="x", words=tuple(f"a{n}" for n in range(600))))
    with pytest.raises(StoreError, match="1,200 words; at most 1,000 count"):
        stored(engine, TagInfo(name="x", words=tuple(f"b{n}" for n in range(600))))


def test_a_retired_tag_learns_more_but_stays_retired(engine: Engine):
    stored(engine, REMOTE)
    with writing(engine) as session:
        retire_tag(session, "remote")
    assert stored(engine, TagInfo(name="remote", share=0.5)).changed == ("remote",)
    assert known(engine) == ()
    with reading(engine) as session:
        assert tag_info(session, "remote").share == 0.5


def test_an_alias_given_by_hand_is_kept(engine: Engine):
    with writing(engine) as session:
        add_tags(session, ["remote"])
        alias_tag(session, "remote", "home")
    stored(engine, REMOTE)
    assert known(engine)[0].aliases == ("home", "telework")


def test_ten_thousand_tags_are_stored_and_stored_again(engine: Engine):
    infos = [
        TagInfo(name=f"t{n}", description=f"d{n}", aliases=(f"a{n}",), words=(f"w{n}", "same"))
        for n in range(10_000)
    ]
    assert len(stored(engine, *infos).new) == 10_000
    assert stored(engine, *infos).unchanged == 10_000
    assert known(engine) == tuple(infos)
    with reading(engine) as session:
        assert session.scalar(select(func.max(Tag.position))) == 9_999
