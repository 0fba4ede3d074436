"""Which jobs are reposts, and what becomes of a group when its canonical job changes."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from db.engine import reading, writing
from db.forget import find_job, remove
from db.importing import import_jobs
from db.reposts import SAME_JACCARD, bands, jaccard, shingles
from db.rows import JobRow
from db.schema import Job, JobBand

WORDS = [f"word{n}" for n in range(500)]


def posting(seed: int, n_words: int = 120) -> str:
    return " ".join(Random(seed).choices(WORDS, k=n_words))


def edited(text: str, n_edits: int, seed: int = 0) -> str:
    """The same with some words replaced."""
    words, rng = text.split(), Random(seed)
    for at in rng.sample(range(len(words)), n_edits):
        words[at] = f"new{rng.randrange(10**6)}"
    return " ".join(words)


def store(engine: Engine, **texts: str) -> None:
    rows = (JobRow(line=1, id=id, text=text) for id, text in texts.items())
    import_jobs(engine, rows, reject=print)


def links(engine: Engine) -> dict[str, str | None]:
    with reading(engine) as session:
        names = dict(session.execute(select(Job.id, Job.external_id)).all())
        rows = session.execute(select(Job.external_id, Job.canonical_id)).all()
    return {id: names.get(canonical) for id, canonical in rows}


def check_groups(engine: Engine) -> None:
    """Never a chain; a job has bands if and only if it repeats none."""
    with reading(engine) as session:
        of = dict(session.execute(select(Job.id, Job.canonical_id)).all())
        banded = set(session.scalars(select(JobBand.job_id)))
    assert all(of[canonical] is None for canonical in of.values() if canonical)
    assert banded == {job_id for job_id, canonical in of.items() if canonical is None}


# ---- texts


def test_case_markup_and_punctuation_make_no_other_posting():
    plain = shingles("Night nurse", "Three nights a week; good pay")
    marked = shingles("NIGHT NURSE", "<p>Three nights&nbsp;a <b>week</b></p><br>good pay!")
    assert jaccard(plain, marked) == 1


def test_postings_without_or_with_few_words_are_no_error():
    assert bands(shingles("", "!!!")) == []
    assert len(bands(shingles("", "cook"))) == len(bands(shingles("", "cook now"))) > 0
    assert jaccard(shingles("", "?"), shingles("", "!")) == 0


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_jaccard_is_right_from_the_limit_on(a: set[int], b: set[int]):
    import numpy as np

    true = len(a & b) / len(a | b) if a | b else 0.0
    found = jaccard(*(np.array(sorted(one), np.uint64) for one in (a, b)))
    assert found == true if true >= SAME_JACCARD else found < SAME_JACCARD


def test_near_duplicates_share_a_band_nearly_always():
    pairs = [(posting(n), edited(posting(n), 3, n)) for n in range(100)]
    near = [(shingles("", a), shingles("", b)) for a, b in pairs]
    near = [(a, b) for a, b in near if jaccard(a, b) >= SAME_JACCARD]
    found = sum(bool(set(bands(a)) & set(bands(b))) for a, b in near)
    assert len(near) > 50
    assert found >= 0.95 * len(near)


# ---- groups


def test_a_repost_is_linked_and_others_are_not(engine: Engine):
    store(engine, a=posting(1), b=edited(posting(1), 2), c=posting(2))
    assert links(engine) == {"a": None, "b": "a", "c": None}
    check_groups(engine)


def test_a_repost_is_found_in_a_later_import(engine: Engine):
    store(engine, a=posting(1), c=posting(2))
    store(engine, b=edited(posting(1), 2))
    assert links(engine)["b"] == "a"


def test_half_the_same_text_is_no_repost(engine: Engine):
    common = posting(1, 60)
    store(engine, a=common + " " + posting(2, 60), b=common + " " + posting(3, 60))
    assert set(links(engine).values()) == {None}


def test_a_repost_of_a_repost_is_never_a_chain(engine: Engine):
    first = posting(1)
    second = edited(first, 4, 1)
    third = edited(second, 4, 2)
    for id, text in (("a", first), ("b", second), ("c", third)):
        store(engine, **{id: text})
    assert links(engine)["b"] == "a"
    assert links(engine)["c"] in ("a", None)
    check_groups(engine)


def test_the_oldest_repost_takes_over_from_a_job_that_changes(engine: Engine):
    text = posting(1)
    store(engine, a=text, b=edited(text, 1, 1), c=edited(text, 1, 2))
    store(engine, a=posting(9))
    assert links(engine) == {"a": None, "b": None, "c": "b"}
    store(engine, d=edited(text, 1, 3))
    assert links(engine)["d"] == "b"
    check_groups(engine)


def test_a_whole_group_may_change_at_once(engine: Engine):
    store(engine, **{id: posting(1) for id in "abc"})
    store(engine, **{id: posting(2) for id in "cab"})
    assert links(engine) == {"a": None, "b": "a", "c": "a"}
    check_groups(engine)


def test_a_repost_that_changes_leaves_its_group(engine: Engine):
    store(engine, a=posting(1), b=posting(1), c=posting(2))
    store(engine, b=posting(2))
    assert links(engine) == {"a": None, "b": "c", "c": None}
    check_groups(engine)


def test_reposts_of_a_forgotten_job_are_still_found(engine: Engine):
    store(engine, a=posting(1), b=posting(1), c=posting(1))
    with writing(engine) as session:
        remove(session, find_job(session, "a"))
    assert links(engine) == {"b": None, "c": "b"}
    store(engine, d=posting(1))
    assert links(engine)["d"] == "b"
    check_groups(engine)


def test_a_thousand_reposts_leave_one_set_of_bands(engine: Engine):
    store(engine, **{f"j{n}": posting(1) for n in range(1200)})
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(JobBand)) == len(
            bands(shingles("", posting(1)))
        )
    assert list(links(engine).values()).count("j0") == 1199
