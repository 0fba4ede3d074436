"""What a model learns from its own certainty."""

import numpy as np

from tagger.guessing import confident_guesses

LEARNED = np.array([True])


def guess(*proba: float, n_yes: int = 9) -> list[int]:
    return confident_guesses(np.array(proba)[:, None], np.array([n_yes]), LEARNED)[:, 0].tolist()


def test_only_the_sure_are_guessed():
    assert guess(0.8, 0.79, 0.99) == [1, -1, 1]


def test_a_tag_is_guessed_no_more_often_than_people_gave_it():
    assert guess(0.9, 0.99, 0.95, n_yes=2) == [-1, 1, 1]


def test_jobs_without_a_guessed_tag_teach_nothing():
    proba = np.array([[0.9, 0.05], [0.01, 0.01]])
    found = confident_guesses(proba, np.array([1, 1]), np.array([True, True]))
    assert found.tolist() == [[1, 0], [-1, -1]]


def test_a_tag_that_was_not_learned_is_not_guessed():
    proba = np.array([[0.99, 0.99]])
    found = confident_guesses(proba, np.array([9, 9]), np.array([True, False]))
    assert found.tolist() == [[1, -1]]
