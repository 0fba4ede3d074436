"""Training of a Keras network with early stopping, that can be interrupted and goes on later.

Letters for axes: N examples, B batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from matcher.checkpoint import Checkpoint, State
from matcher.data import FloatArray, IntArray

Batch = tuple[Any, ...]
"""What `train_on_batch` takes: inputs, targets and perhaps weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long, and in what steps."""

    epochs: int
    batch: int
    patience: int | None = None
    """Epochs without a lower held-out loss before it stops; None: all epochs are done, and
    the last weights stay."""
    seed: int = 0


def train(
    network: keras.Model,
    batch_of: Callable[[IntArray], Batch],
    n: int,
    schedule: Schedule,
    *,
    held_out_loss: Callable[[], float] | None = None,
    checkpoint: Checkpoint,
    title: str,
    show_progress: bool = False,
) -> list[float]:
    """Train a compiled network; at the end it has the weights of its best epoch.

    The order of examples follows from seed and epoch, and every number that training changes is
    kept (weights, optimizer, seeds of dropout), so an interrupted training ends as a whole one.

    Parameters
    ----------
    batch_of
        Examples, shape (B,) of [0, n) -> a batch. All have equal size: the few examples that are
        left over differ from epoch to epoch.
    held_out_loss
        Of the network as it is; None: no early stopping.

    Returns
    -------
    Loss after each epoch: the held-out one where there is one.
    """
    size = min(schedule.batch, n)
    steps = n // size
    network.optimizer.build(network.trainable_variables)
    state = checkpoint.load() or State(0, {}, {"losses": [], "stopped": False})
    epoch, losses, stopped = state.epoch, list(state.about["losses"]), state.about["stopped"]
    best = _restore(network, state.arrays)
    with tqdm(
        total=schedule.epochs * steps,
        initial=epoch * steps,
        desc=title,
        unit="step",
        disable=None if show_progress else True,
    ) as bar:
        while epoch < schedule.epochs and not stopped:
            order = np.random.default_rng([schedule.seed, epoch]).permutation(n)
            loss = 0.0
            for rows in order[: steps * size].reshape(steps, size):
                loss += float(network.train_on_batch(*batch_of(rows))) / steps
                bar.update()
            losses.append(loss if held_out_loss is None else held_out_loss())
            epoch += 1
            bar.set_postfix(loss=f"{losses[-1]:.4f}")
            if schedule.patience is None or losses[-1] <= min(losses):
                best = _weights(network)
            elif epoch - 1 - int(np.argmin(losses)) >= schedule.patience:
                stopped = True
            about = {"losses": losses, "stopped": stopped}
            checkpoint.save(State(epoch, {**_variables(network), **best}, about))
    network.set_weights(list(best.values()))
    return losses


Named = dict[str, npt.NDArray[Any]]


def _weights(network: keras.Model) -> Named:
    return {f"best_{at}": values for at, values in enumerate(network.get_weights())}


def _all_variables(network: keras.Model) -> list[Any]:
    return [*network.variables, *network.optimizer.variables]


def _variables(network: keras.Model) -> Named:
    found = _all_variables(network)
    return {f"variable_{at}": np.asarray(variable) for at, variable in enumerate(found)}


def _restore(network: keras.Model, arrays: Mapping[str, npt.NDArray[Any]]) -> Named:
    """Put a saved state into the network; returns the best weights so far."""
    if not arrays:
        return _weights(network)
    for at, variable in enumerate(_all_variables(network)):
        variable.assign(arrays[f"variable_{at}"])
    return {f"best_{at}": arrays[f"best_{at}"] for at in range(len(network.get_weights()))}


def log_loss(y: FloatArray, logits: FloatArray, weights: FloatArray) -> float:
    """Weighted mean binary cross-entropy of logits; inf if one is not a number.

    Examples
    --------
    >>> y = np.array([1.0, 0.0])
    >>> round(log_loss(y, np.zeros(2), np.ones(2)), 4)
    0.6931
    """
    cells = np.logaddexp(0, logits) - y * logits
    loss = float((weights * cells).sum() / weights.sum())
    return loss if np.isfinite(loss) else np.inf
