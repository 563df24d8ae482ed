"""Stops training whose loss is no longer finite, or has grown far beyond its first value."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from callbacks.base import StatefulCallback, check_number


class StopOnDivergence(StatefulCallback):
    """Stops training once a watched value is NaN or infinite, or the loss is too large.

    Too large is more than `factor`, at least 1, times the loss of the first epoch, or times 1 if
    that is larger. The logs may lack a name in `watched`. Keras's own `TerminateOnNaN` watches the
    training loss alone, and gives no reason.
    """

    STATE: ClassVar[tuple[str, ...]] = ("first_loss", "reason", "has_grown")
    first_loss: float | None = None
    reason: str = ""  # why training was stopped, with the epoch
    has_grown: bool = False  # whether it was stopped for a loss that is finite

    def __init__(
        self, factor: float = 1000.0, watched: Sequence[str] = ("loss", "val_loss")
    ) -> None:
        super().__init__()
        check_number("factor", factor, 1)
        self.factor, self.watched = factor, tuple(watched)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        loss = float(logs.get("loss", 0.0))
        infinite = [name for name in self.watched if not math.isfinite(logs.get(name, 0.0))]
        if infinite:
            self.reason = f"{infinite[0]} became {float(logs[infinite[0]])} in epoch {epoch + 1}"
        else:
            first = self.first_loss = loss if self.first_loss is None else self.first_loss
            self.has_grown = loss > self.factor * max(first, 1.0)
            if self.has_grown:
                after = f"after {first:.4g} in its first"
                self.reason = f"diverged: loss {loss:.4g} in epoch {epoch + 1}, {after}"
        if self.reason:
            self.model.stop_training = True
