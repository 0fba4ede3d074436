"""Progress of a Keras training, as one bar."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from tqdm import tqdm


class TrainingBar(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Progress bar over the steps of all epochs.

    Parameters
    ----------
    postfix
        What stands behind the bar after an epoch, from its losses: name -> value.
    """

    def __init__(
        self,
        name: str,
        epochs: int,
        *,
        show: bool,
        postfix: Callable[[Mapping[str, float]], dict[str, str]] | None = None,
    ) -> None:
        super().__init__()
        self._name, self._epochs, self._disable = name, epochs, None if show else True
        self._postfix = postfix

    def on_train_begin(self, logs: Any = None) -> None:
        total = self._epochs * self.params["steps"]
        self._bar = tqdm(total=total, desc=self._name, unit="step", disable=self._disable)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._postfix:
            self._bar.set_postfix(self._postfix(logs))

    def on_train_end(self, logs: Any = None) -> None:
        self._bar.close()
