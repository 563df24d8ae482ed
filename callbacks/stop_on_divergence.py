"""Stops training whose loss is no longer finite, or has grown far beyond its first value."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras


class StopOnDivergence(keras.callbacks.Callback):
    """Stops training once a watched value is NaN or infinite, or the loss is too large.

    Too large is more than `factor` times the loss of the first epoch, or times 1 if that is larger.
    Keras's own `TerminateOnNaN` looks at the training loss alone, and tells nobody why.

    Args:
        factor: above 1; None lets the loss grow.
        watched: what must stay finite, as the logs of an epoch name it; what they lack is fine.

    Attributes:
        reason: why training was stopped, with the epoch; empty if it was not.
        has_grown: whether it was for a loss that is finite.
    """

    def __init__(
        self, factor: float | None = 1000.0, watched: Sequence[str] = ("loss", "val_loss")
    ) -> None:
        super().__init__()
        if factor is not None and not factor > 1:
            raise ValueError(f"factor must be above 1, or None, but got {factor}")
        self.factor = factor
        self.watched = tuple(watched)
        self.reason = ""
        self.has_grown = False
        self._first_loss: float | None = None
        self._resumed = False

    def get_state(self) -> dict[str, Any]:
        """Returns the first loss as plain JSON data."""
        return {"first_loss": self._first_loss}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned."""
        self._first_loss = state["first_loss"]
        self._resumed = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts afresh unless a state was set."""
        self.reason, self.has_grown = "", False
        if not self._resumed:
            self._first_loss = None
        self._resumed = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks whether to go on."""
        logs = logs or {}
        self.reason = self._infinite(epoch, logs) or self._grown(epoch, logs)
        if self.reason:
            self.model.stop_training = True

    def _infinite(self, epoch: int, logs: Mapping[str, Any]) -> str:
        for name in self.watched:
            if name in logs and not math.isfinite(logs[name]):
                return f"{name} became {float(logs[name])} in epoch {epoch + 1}"
        return ""

    def _grown(self, epoch: int, logs: Mapping[str, Any]) -> str:
        loss = logs.get("loss")
        if self.factor is None or loss is None:
            return ""
        if self._first_loss is None:
            self._first_loss = float(loss)
        self.has_grown = bool(loss > self.factor * max(self._first_loss, 1.0))
        if not self.has_grown:
            return ""
        return (
            f"diverged: loss {float(loss):.4g} in epoch {epoch + 1}, after "
            f"{self._first_loss:.4g} in its first"
        )
