"""What happens in a team's months: batches, wrong ones among them, and changes of tags."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tagger.jobs import Job
from tagger.labels import UNKNOWN, YES, encode_labels, tag_list

Labels = npt.NDArray[np.int8]

N_FIRST, N_BATCH, N_SMALL, N_STEPS, N_FUTURE = 150, 80, 30, 7, 300
SLIPPED, PERMUTED = 2, 4
"""Steps with wrong batches."""
NEW_TAG_FROM, NEW_TAG_STEPS, NEW_TAG_EXAMPLES = 3, (3, 5, 6), (3, 10, 30)
"""When the new tag comes, and its examples so far at each step."""


@dataclass(frozen=True, slots=True, eq=False)
class Team:
    """A set, split into what will be labelled, in this order, and the future."""

    name: str
    tags: tuple[str, ...]
    jobs: Sequence[Job]
    Y: Labels
    """Shape (N, T)."""
    future: Sequence[Job]
    future_Y: Labels
    unlabelled: Sequence[Job]


@dataclass(slots=True)
class Step:
    """What happens before one retrain."""

    rows: npt.NDArray[np.intp]
    Y: Labels
    """What the batch says, (len(rows), T)."""
    what: str = ""
    is_wrong: bool = False
    renames: str = ""
    retires: str = ""


def make_team(
    name: str, jobs: Sequence[Job], others: Sequence[Job], seed: int, quick: bool
) -> Team:
    tags = tag_list(jobs)
    Y = encode_labels(jobs, tags)
    order = np.random.default_rng(seed).permutation(len(jobs))
    n_future = min(N_FUTURE, len(jobs) // 5)
    future, own = order[:n_future], order[n_future:]
    own = own[:120] if quick else own
    return Team(
        name,
        tags,
        [jobs[i] for i in own],
        Y[own],
        [jobs[i] for i in future],
        Y[future],
        list(others),
    )


def months(team: Team, seed: int) -> list[Step]:
    """First a file sorted by tag, then batches with whatever else happens."""
    n = len(team.jobs)
    first, size = min(N_FIRST, n // 3), min(N_BATCH, n // 8)
    rng = np.random.default_rng(seed)
    common = np.argsort(-(team.Y == YES).sum(axis=0), kind="stable")
    new, renamed, retired = (int(common[place]) for place in (0, 1, len(common) // 2))
    said = told_of_new(team.Y, new, [first + number * size for number in range(N_STEPS)])
    by_tag = np.lexsort(team.Y[:first].T[::-1])
    steps = [Step(by_tag, said[by_tag], f"{first} labels, sorted by tag")]
    last = first
    for number in range(1, N_STEPS):
        rows = np.arange(last, min(last + size, n))
        if not len(rows):
            break
        last += len(rows)
        step = Step(rows, said[rows], f"{len(rows)}")
        if number == SLIPPED:
            step.Y, step.is_wrong = np.roll(step.Y, 3, axis=0), True
            step.what += " whose labels slipped"
        elif number == PERMUTED:
            changed = rng.permutation(step.Y.shape[1])
            step.Y, step.is_wrong = step.Y[:, changed], True
            step.what += " whose tags changed places"
        elif number == 3:
            step.renames = team.tags[renamed]
            step.what += ", a tag renamed, a new one"
        elif number == 5:
            step.retires = team.tags[retired]
            step.what += ", a tag retired"
        steps.append(step)
    return steps


def told_of_new(Y: Labels, tag: int, ends: Sequence[int]) -> Labels:
    """Labels, with one tag unknown until it comes, and then with so few examples at each step."""
    said = Y.copy()
    said[: ends[NEW_TAG_FROM - 1], tag] = UNKNOWN
    n_told = 0
    for number, n_examples in zip(NEW_TAG_STEPS, NEW_TAG_EXAMPLES, strict=True):
        rows = np.arange(ends[number - 1], min(ends[number], len(Y)))
        yes = rows[Y[rows, tag] == YES]
        said[yes[n_examples - n_told :], tag] = UNKNOWN
        n_told = min(n_examples, n_told + len(yes))
    for number in (SLIPPED, PERMUTED):  # wrong batches say nothing of it
        said[ends[number - 1] : ends[number], tag] = UNKNOWN
    return said


def small(team: Team) -> list[Step]:
    """Thirty labels at a time."""
    size = min(N_SMALL, len(team.jobs) // 4)
    starts = range(0, min(size * 6, len(team.jobs) - size + 1), size)
    return [
        Step(np.arange(start, start + size), team.Y[start : start + size], str(size))
        for start in starts
    ]
