"""Labelling one posting by keyboard, without a screen: a key and a state give the next state.

Nothing here reads a key, draws or stores; see `db.keyboard`, `db.label_screen` and
`db.label_session`.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from db.columns import Answer

ANSWERS = {"y": Answer.YES, "n": Answer.NO, "u": Answer.UNSURE}
OPEN_ROWS = "some tags have no answer yet: y, n or u; N says no to all of them"
MORE_ROWS = "more tags below: enter once more when you have seen them"


@dataclass(frozen=True, slots=True)
class Layout:
    """What the screen has room for."""

    n_rows: int
    """Tags that it shows at once, at least 1."""
    n_lines: int
    """Lines of text that it shows at once, at least 1."""
    n_text: int
    """Lines of the whole text."""


@dataclass(frozen=True, slots=True)
class State:
    """What a labeller has answered so far, and looks at."""

    answers: tuple[Answer | None, ...]
    at: int = 0
    """The tag that a key answers."""
    top_row: int = 0
    """The first tag shown."""
    n_seen: int = 0
    """So many tags, from the first, have been on the screen."""
    top_line: int = 0
    """The first line of text shown."""
    message: str = ""


class Step(Enum):
    """What a key asks for beyond this posting."""

    STAY = auto()
    ACCEPT = auto()
    SKIP = auto()
    UNDO = auto()
    QUIT = auto()


_STEPS = {"s": Step.SKIP, "z": Step.UNDO, "q": Step.QUIT}


def press(state: State, key: str, layout: Layout) -> tuple[State, Step]:
    """The state after a key, and what else it asks for; an unknown key changes nothing.

    A posting is accepted only when each tag has been on the screen and has an answer.
    """
    state = replace(state, message="")
    if key in _STEPS:
        return state, _STEPS[key]
    if key == "enter":
        return _accept(state, layout)
    if key in ANSWERS and state.answers:
        answers = (*state.answers[: state.at], ANSWERS[key], *state.answers[state.at + 1 :])
        state = _move(replace(state, answers=answers), 1)
    elif key == "N":
        answers = tuple(Answer.NO if one is None else one for one in state.answers)
        state = replace(state, answers=answers)
    elif key in ("up", "k"):
        state = _move(state, -1)
    elif key in ("down", "j"):
        state = _move(state, 1)
    elif key in (" ", "pagedown"):
        state = replace(state, top_line=state.top_line + layout.n_lines)
    elif key in ("b", "pageup"):
        state = replace(state, top_line=state.top_line - layout.n_lines)
    return fit(state, layout), Step.STAY


def fit(state: State, layout: Layout) -> State:
    """The state on a screen of this size: the tag that a key answers is shown."""
    top = min(max(state.top_row, state.at - layout.n_rows + 1), state.at)
    line = max(0, min(state.top_line, layout.n_text - layout.n_lines))
    shown = min(top + layout.n_rows, len(state.answers))
    return replace(state, top_row=top, n_seen=max(state.n_seen, shown), top_line=line)


def _move(state: State, by: int) -> State:
    return replace(state, at=max(0, min(state.at + by, len(state.answers) - 1)))


def _accept(state: State, layout: Layout) -> tuple[State, Step]:
    if state.n_seen < len(state.answers):
        first = state.n_seen
        state = replace(state, at=first, top_row=first, message=MORE_ROWS)
        return fit(state, layout), Step.STAY
    if None in state.answers:
        state = replace(state, at=state.answers.index(None), message=OPEN_ROWS)
        return fit(state, layout), Step.STAY
    return state, Step.ACCEPT
