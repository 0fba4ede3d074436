"""Labels that are probably wrong."""

import numpy as np
from sqlalchemy import Engine

from db.engine import reading, writing
from db.suspects import find_suspects, labelled_jobs, suspicious_cells
from tests.db.made_up import NO, UNSURE, YES, add_jobs, add_tags, say, three_jobs


def mostly_right(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Labels of one tag, and probabilities that fit them but for rows 0 (no) and 1 (yes)."""
    y = np.arange(n) % 2
    proba = np.where(y == 1, 0.9, 0.1) + np.linspace(-0.05, 0.05, n)
    proba[0], proba[1] = 0.97, 0.1
    return y.astype(np.int8)[:, None], proba[:, None]


def test_labels_against_clear_probabilities_come_most_suspicious_first():
    assert suspicious_cells(*mostly_right()) == [(0, 0), (1, 0)]


def test_unknown_labels_are_not_suspected():
    Y, proba = mostly_right()
    Y[0] = -1
    assert suspicious_cells(Y, proba) == [(1, 0)]


def test_tags_with_few_examples_or_without_probabilities_are_left_out():
    Y, proba = mostly_right()
    few = np.where(np.arange(len(Y)) == 1, 1, 0).astype(np.int8)[:, None]
    Y, proba = np.hstack([Y, few, Y]), np.hstack([proba, proba, np.full_like(proba, np.nan)])
    assert {t for _, t in suspicious_cells(Y, proba)} == {0}


def test_a_suspect_tells_job_tag_answer_probability_and_labeller(engine: Engine):
    Y, proba = mostly_right()
    with writing(engine) as session:
        (remote,) = add_tags(session, "remote")
        jobs = [job.id for job in add_jobs(session, *(f"j{n}" for n in range(len(Y))))]
        for job_id, (is_yes,) in zip(jobs, Y, strict=True):
            say(session, job_id, remote, YES if is_yes else NO)
    with reading(engine) as session:
        first, second = find_suspects(session, jobs, ["remote"], proba)
    assert (first.job, first.tag, first.answer, first.labellers) == ("j0", "remote", NO, ("anna",))
    assert (first.probability, second.answer) == (0.97, YES)


def test_labelled_jobs_come_with_what_holds(engine: Engine):
    (a, b, _), (remote, night) = three_jobs(engine)
    with writing(engine) as session:
        say(session, a, remote, YES)
        say(session, a, night, NO)
        say(session, b, remote, UNSURE)
    with reading(engine) as session:
        (one,) = labelled_jobs(session)
    assert (one.id, one.text, one.yes, one.no) == (a, "Text of a", ("remote",), ("night",))


def test_of_very_many_labelled_jobs_some_are_drawn(engine: Engine, monkeypatch):
    monkeypatch.setattr("db.suspects.MAX_JOBS", 2)
    jobs, (remote, _) = three_jobs(engine)
    with writing(engine) as session:
        for job in jobs:
            say(session, job, remote, YES)
    with reading(engine) as session:
        assert len(labelled_jobs(session)) == 2
