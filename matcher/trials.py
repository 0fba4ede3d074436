"""Trials of a search that several processes may share: never more than were asked for."""

import math
import warnings
from collections.abc import Callable, Sequence
from itertools import count
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from tagger.errors import JobtoolError

if TYPE_CHECKING:
    from optuna import Study, Trial

MAX_FAILED = 5
"""Trials in a row that may fail before the search does."""
LOOK_S = 1.0
"""Seconds between two looks at the last trials of other processes."""


class _Enough(JobtoolError):
    """Others had begun the last trials in the same moment."""


def run_trials(
    study: "Study",
    judge: Callable[["Trial"], float],
    *,
    n_trials: int | None,
    timeout_s: float | None,
    show_progress: bool,
) -> None:
    """Trials one after the other. What a user can act on fails a trial, not the search.

    While others are at the last ones we wait: where one of them fails, another is begun.
    """
    from tqdm import tqdm

    wanted = math.inf if n_trials is None else n_trials
    began, failed = monotonic(), list[bool]()
    with tqdm(total=n_trials, desc="trials", disable=None if show_progress else True) as bar:

        def begun(trial: "Trial") -> float:
            if _is_too_many(study, trial.number, wanted):
                raise _Enough
            return judge(trial)

        def note(study: "Study", trial: Any) -> None:
            failed.append("error" in trial.user_attrs)

        for turn in count():
            active = [one for one in study.get_trials(deepcopy=False) if not _is_failed(one)]
            bar.n = sum(trial.state.is_finished() for trial in active)
            bar.set_postfix(best=_best(study), running=len(active) - bar.n, refresh=True)
            is_late = timeout_s is not None and monotonic() - began > timeout_s
            if bar.n >= wanted or (turn and is_late) or _is_hopeless(failed):
                return
            try:
                if len(active) < wanted:
                    study.optimize(begun, n_trials=1, catch=JobtoolError, callbacks=[note])
                else:
                    _await_others(study)
            except BaseException as error:
                error.add_note("what was tried is kept; start it again to go on")
                raise


def _is_too_many(study: "Study", number: int, n_trials: float) -> bool:
    """Whether trials with lower numbers are enough: two processes never share a number."""
    active = (trial for trial in study.get_trials(deepcopy=False) if not _is_failed(trial))
    return sum(trial.number < number for trial in active) >= n_trials


def _is_failed(trial: Any) -> bool:
    return bool(trial.state.name == "FAIL")


def _is_hopeless(failed: Sequence[bool]) -> bool:
    return len(failed) >= MAX_FAILED and all(failed[-MAX_FAILED:])


def _await_others(study: "Study") -> None:
    """A moment; then trials whose process was killed are given up."""
    import optuna

    sleep(LOOK_S)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def _best(study: "Study") -> str:
    try:
        return f"{study.best_value:.4f}"
    except ValueError:
        return "-"
