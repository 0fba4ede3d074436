"""Tags of jobs as an array of labels, and back.

Axes: B jobs, T tags.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tagger.errors import DataError
from tagger.jobs import Job
from tagger.tag_info import TagInfo, TagNames, plain_tags

YES, NO, UNKNOWN = 1, 0, -1


def tag_list(jobs: Iterable[Job]) -> tuple[str, ...]:
    """All tags that occur in `tags` or `not_tags`, sorted: the columns of `encode_labels`."""
    return tuple(
        sorted({tag for job in jobs for tag in (*(job.tags or ()), *(job.not_tags or ()))})
    )


def named_tags(
    jobs: Sequence[Job], infos: Sequence[TagInfo]
) -> tuple[tuple[TagInfo, ...], list[Job]]:
    """The tags that are described, then those that only labels name; and the jobs with the tags'
    own names where they have other names of them.

    Capitals and spaces don't tell a label's tag from a described one.

    Raises
    ------
    DataError
        If a label could mean two of the described tags.
    """
    names = TagNames(infos)
    called = {tag: names.find(tag) or tag for tag in tag_list(jobs)}

    def own_names(said: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if said is None else tuple(dict.fromkeys(called[tag] for tag in said))

    renamed = [
        replace(job, tags=own_names(job.tags), not_tags=own_names(job.not_tags)) for job in jobs
    ]
    described = {info.name for info in infos}
    others = [tag for tag in tag_list(renamed) if tag not in described]
    return (*infos, *plain_tags(others)), renamed


def encode_labels(jobs: Sequence[Job], tags: Sequence[str]) -> NDArray[np.int8]:
    """What is known of each tag of each job.

    Parameters
    ----------
    jobs
        A job without tags is a row of -1; one that says both yes and no to a tag has -1 there.
    tags
        The columns, in their order.

    Returns
    -------
    shape (B, T): 1 yes, 0 no, -1 unknown.

    Raises
    ------
    DataError
        If a job has a tag that is not in `tags`, or `tags` names one twice.

    Examples
    --------
    >>> remote = Job("1", tags=("remote",))
    >>> partly = Job("2", tags=(), not_tags=("remote",))
    >>> encode_labels([remote, partly, Job("3")], ["remote", "sales"])
    array([[ 1,  0],
           [ 0, -1],
           [-1, -1]], dtype=int8)
    """
    column = {tag: index for index, tag in enumerate(tags)}
    if len(column) != len(tags):
        raise DataError(f"each tag must be named once, got {', '.join(tags)}")
    Y = np.full((len(jobs), len(tags)), UNKNOWN, dtype=np.int8)  # (B, T)
    for row, job in zip(Y, jobs, strict=True):
        yes, no = _columns(job, job.tags, column), _columns(job, job.not_tags, column)
        if job.tags is not None and job.not_tags is None:
            row[:] = NO
        row[list(no)] = NO
        row[list(yes)] = YES
        row[list(yes & no)] = UNKNOWN
    return Y


def _columns(job: Job, names: Iterable[str] | None, column: dict[str, int]) -> set[int]:
    try:
        return {column[name] for name in names or ()}
    except KeyError as error:
        raise DataError(
            f"job {job.id!r} has the tag {error.args[0]!r}, which is not one of the "
            f"{len(column)} known: {', '.join(list(column)[:20])}"
        ) from None


def decode_labels(
    Y: NDArray[np.integer] | NDArray[np.bool_], tags: Sequence[str]
) -> list[tuple[str, ...]]:
    """The tags of each job that are "yes", in the order of the columns.

    Parameters
    ----------
    Y : shape (B, T)
        1 or True is yes; anything else is not.

    Raises
    ------
    DataError
        If `Y` does not have a column per tag.

    Examples
    --------
    >>> decode_labels(np.array([[1, 0], [0, -1], [1, 1]]), ["remote", "sales"])
    [('remote',), (), ('remote', 'sales')]
    """
    if Y.ndim != 2 or Y.shape[1] != len(tags):
        raise DataError(f"Y must have shape (n_jobs, n_tags) = (any, {len(tags)}), got {Y.shape}")
    return [tuple(tags[index] for index in np.flatnonzero(row == YES).tolist()) for row in Y]


def known_counts(Y: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """How many yes and how many no each tag has.

    Parameters
    ----------
    Y : shape (B, T)
        1 yes, 0 no, -1 unknown.

    Returns
    -------
    Two arrays of shape (T,).

    Examples
    --------
    >>> known_counts(np.array([[1, 0], [0, -1], [1, 1]]))
    (array([2, 1]), array([1, 1]))
    """
    return (Y == YES).sum(axis=0), (Y == NO).sum(axis=0)
