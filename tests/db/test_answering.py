"""Keys and states of one posting, without a screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.answering import MORE_ROWS, OPEN_ROWS, Layout, State, Step, fit, press
from tests.db.made_up import NO, UNSURE, YES

ROOMY = Layout(n_rows=9, n_lines=5, n_text=12)
KEYS = ["y", "n", "u", "N", "up", "down", "k", "j", " ", "b", "pageup", "enter", "x", ""]


def after(keys: list[str], state: State, layout: Layout = ROOMY) -> tuple[State, Step]:
    state, step = fit(state, layout), Step.STAY
    for key in keys:
        state, step = press(state, key, layout)
    return state, step


def test_an_answer_moves_on_to_the_next_tag():
    state, _ = after(["y", "n", "u", "up", "y"], State((None, None, None)))
    assert state.answers == (YES, YES, UNSURE)


def test_enter_accepts_what_the_model_suggests():
    assert after(["enter"], State((YES, NO)))[1] is Step.ACCEPT


def test_enter_waits_for_tags_without_an_answer_and_goes_there():
    state, step = after(["enter"], State((YES, None, NO)))
    assert (state.at, state.message, step) == (1, OPEN_ROWS, Step.STAY)


def test_no_to_the_open_ones_spares_what_is_answered():
    state, _ = after(["N"], State((YES, None, None)))
    assert state.answers == (YES, NO, NO)


def test_tags_that_were_not_on_the_screen_are_not_accepted():
    small = Layout(n_rows=2, n_lines=1, n_text=1)
    suggested = State((NO,) * 5)
    state, step = after(["enter"], suggested, small)
    assert (state.top_row, state.message, step) == (2, MORE_ROWS, Step.STAY)
    assert after(["enter"] * 2, suggested, small)[1] is Step.STAY
    assert after(["enter"] * 3, suggested, small)[1] is Step.ACCEPT


def test_text_is_paged_up_to_its_end():
    state, _ = after([" "] * 9, State((NO,)))
    assert state.top_line == 7
    assert after(["b"] * 9, state)[0].top_line == 0


@pytest.mark.parametrize(("key", "step"), [("s", Step.SKIP), ("z", Step.UNDO), ("q", Step.QUIT)])
def test_keys_that_leave_the_posting_change_no_answer(key, step):
    state = fit(State((YES, None)), ROOMY)
    assert press(state, key, ROOMY) == (state, step)


@given(
    answers=st.lists(st.sampled_from([YES, NO, UNSURE, None]), min_size=1, max_size=7),
    keys=st.lists(st.sampled_from(KEYS), max_size=30),
    n_rows=st.integers(1, 8),
)
def test_the_tag_that_a_key_answers_is_always_shown(answers, keys, n_rows):
    layout = Layout(n_rows=n_rows, n_lines=3, n_text=10)
    state = fit(State(tuple(answers)), layout)
    for key in keys:
        state, step = press(state, key, layout)
        assert len(state.answers) == len(answers)
        assert 0 <= state.at < len(answers)
        assert state.top_row <= state.at < state.top_row + n_rows
        assert step is not Step.ACCEPT or state.n_seen == len(answers)
        assert 0 <= state.top_line <= 7
