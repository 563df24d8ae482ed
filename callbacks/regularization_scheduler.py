"""Strengths of regularisation that change while a model trains."""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras

from callbacks.monitor import Monitor
from callbacks.plan import TrainingPlan

STRENGTHS = ("l1", "l2", "weight_decay")  # penalties: a factor means the same for each of them


class RegularizationScheduler(keras.callbacks.Callback):
    """Multiplies every strength of the model by `factor(progress)`, and gives the base back.

    The strengths are `l1`, `l2` and `weight_decay`, in variables that the model shows in
    `tunables`, by name, as `hypermodels.epoch_model` does: nothing is traced anew. Of those that
    a model has, all change; a model of that kind without any is left as it is.

    Args:
        factor: function from progress, 0 to 1, to the factor on the strengths.
        epochs: whole planned length of the training. Epochs beyond it have progress 1.
    """

    needs_variables: ClassVar[bool] = True  # a plain Keras model has none

    def __init__(self, factor: Callable[[float], float], epochs: int) -> None:
        super().__init__()
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1, but got {epochs}")
        self.factor = factor
        self.epochs = epochs
        self._bases: list[tuple[Any, float]] = []

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Limits within which a user may set a hyperparameter."""
        return {
            "regularization_final": (1e-9, 1e9),
            "regularization_factor": (1.0, 1000.0),
            "regularization_patience": (1, 10**6),
            "regularization_cap": (1.0, 1e9),
        }

    @classmethod
    def declare(cls, hp: Any) -> None:
        """Declares `regularization_schedule`, and what each kind takes."""
        kinds = ["none", "linear", "exponential", "gap"]
        hp.Choice("regularization_schedule", kinds, default="none")
        with hp.conditional_scope("regularization_schedule", ["linear", "exponential"]):
            hp.Float("regularization_final", 0.01, 100.0, sampling="log", default=10.0)
        with hp.conditional_scope("regularization_schedule", ["gap"]):
            hp.Float("regularization_factor", 1.1, 3.0, default=1.5)
            hp.Int("regularization_patience", 1, 10, default=3)
            hp.Float("regularization_cap", 2.0, 100.0, sampling="log", default=10.0)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: TrainingPlan) -> "keras.callbacks.Callback | None":
        """Builds the callback of the kind that `hp` names; None for `none`."""
        kind = hp.get("regularization_schedule")
        if kind == "none":
            return None
        if kind == "gap":
            return RegularizationOnGap(
                *(hp.get(f"regularization_{name}") for name in ("factor", "patience", "cap"))
            )
        final = hp.get("regularization_final")
        if kind == "linear":
            return cls(lambda progress: 1 + (final - 1) * progress, plan.epochs)
        return cls(lambda progress: final**progress, plan.epochs)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes the strengths.

        Raises:
            ValueError: if the model has no `tunables`.
        """
        if not hasattr(self.model, "tunables"):
            raise ValueError(
                f"{type(self).__name__} sets the strengths in the model's `tunables`, and "
                f"{type(self.model).__name__} has none: in a plain Keras model they are constants. "
                "Train a hypermodels.epoch_model.EpochModel, or leave the callback out"
            )
        found = self.model.tunables
        variables = [variable for name in STRENGTHS for variable in found.get(name, ())]
        self._bases = [(variable, float(variable)) for variable in variables]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the strengths of the epoch.

        Raises:
            ValueError: if the factor is negative, infinite or not a number.
        """
        factor = self.current(epoch)
        if not 0 <= factor < math.inf:
            raise ValueError(
                f"the factor on the strengths must be finite and at least 0, but got {factor}"
            )
        self._write(factor)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the strengths back."""
        self._write(1.0)

    def current(self, epoch: int) -> float:
        """The factor of an epoch, counted from 0."""
        return self.factor(min(1.0, epoch / self.epochs))

    def _write(self, factor: float) -> None:
        for variable, base in self._bases:
            variable.assign(base * factor)


class RegularizationOnGap(RegularizationScheduler):
    """Raises the strengths while the gap between validation and training loss grows.

    Both losses hold the same penalties, which cancel in the gap. NaN and infinities end a growth.

    Args:
        raise_by: what the strengths are multiplied by each time, at least 1.
        patience: epochs in a row in which the gap must grow, at least 1.
        cap: the most that the strengths are multiplied by, at least 1.

    Attributes:
        raises: how often they were raised.
    """

    needs_validation: ClassVar[bool] = True  # left out of a training without validation rows

    def __init__(self, raise_by: float, patience: int = 3, cap: float = 10.0) -> None:
        super().__init__(lambda _: min(self.raise_by**self.raises, self.cap), 1)
        if not 1 <= raise_by <= 1000:
            raise ValueError(f"raise_by must be from 1 to 1000, but got {raise_by}")
        if patience < 1:
            raise ValueError(f"patience must be at least 1, but got {patience}")
        if not 1 <= cap < math.inf:
            raise ValueError(f"cap must be finite and at least 1, but got {cap}")
        self.raise_by = raise_by
        self.patience = patience
        self.cap = cap
        self._losses = Monitor("loss", "min"), Monitor("val_loss", "min")
        self._resumed = False
        self._gap: float | None = None
        self._reset()

    def get_state(self) -> dict[str, Any]:
        """Returns the counters as plain JSON data."""
        return {"raises": self.raises, "growing": self._growing, "gap": self._gap}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Lets the next fit continue from what `get_state` returned."""
        self.raises, self._growing, self._gap = state["raises"], state["growing"], state["gap"]
        self._resumed = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes the strengths, and starts afresh unless a state was set."""
        super().on_train_begin(logs)
        if not self._resumed:
            self._reset()
        self._resumed = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compares the gap with that of the epoch before.

        Raises:
            MissingMetricError: if the logs lack one of the losses.
        """
        training, validation = (monitor.value(logs) for monitor in self._losses)
        gap = validation - training
        if not math.isfinite(gap):
            self._gap, self._growing = None, 0
            return
        grows = self._gap is not None and gap > self._gap
        self._growing = self._growing + 1 if grows else 0
        self._gap = gap
        if self._growing >= self.patience:
            self._growing = 0
            if self.raise_by**self.raises < self.cap:
                self.raises += 1

    def _reset(self) -> None:
        self.raises = self._growing = 0
        self._gap = None
