"""The one place that writes an optimizer's learning rate: base × the factor of each callback."""

import math
import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


class LearningRate:
    """The learning rate of one optimizer, shared by all callbacks that have a say in it.

    Each callback sets a factor under a name of its own at the beginning of an epoch and removes it
    when training ends. The optimizer then holds the base rate again, so that a saved optimizer
    carries the base, and the factors are the state of the callbacks alone.

    Some models run a whole epoch in one call, so that no callback can act between two steps. Such a
    model has a float32 vector variable `step_rates`, the learning rate of each step of the epoch to
    come, which is empty at the beginning of a fit and then means the optimizer's own rate; and a
    method `epoch_steps()`, the number of those steps. `hypermodels.epoch_model` has one.

    Attributes:
        base: the rate that the optimizer had when it was first asked for; a rate that something
            else sets between two fits is the new base.
        factors: what the base is multiplied by, by name.
    """

    def __init__(self, optimizer: Any) -> None:
        if not isinstance(optimizer.learning_rate, keras.Variable):
            raise ValueError(
                f"the {optimizer.name} optimizer was built with a learning-rate schedule of its "
                "own, so that two things would control the rate: build it with a number, and give "
                "the schedule to callbacks.LearningRateScheduler"
            )
        self._optimizer = weakref.ref(optimizer)  # weak, or the entry in _RATES would never go
        self.factors: dict[str, float] = {}
        self.base = self._written = self._read()

    @classmethod
    def of(cls, model: Any) -> "LearningRate":
        """Returns the one instance of the optimizer that `model` was compiled with.

        Raises:
            ValueError: if the optimizer was built with a schedule instead of a number.
        """
        if model.optimizer not in _RATES:
            _RATES[model.optimizer] = cls(model.optimizer)
        return _RATES[model.optimizer]

    def begin(self) -> None:
        """To be called when training begins: takes a rate set meanwhile as the new base.

        Factors left by training that was interrupted are forgotten.
        """
        found = self._read()
        if found != self._written:
            self.base = found
        self.factors.clear()
        self._write()

    def set_factor(self, name: str, factor: float) -> None:
        """Sets the factor `name` and writes the optimizer's learning rate.

        Raises:
            ValueError: if the factor is negative, infinite or not a number.
            RuntimeError: if something else has changed the rate since it was last written.
        """
        _check_factor(name, factor)
        self._check_unchanged()
        if self.factors.get(name) != factor:  # a write costs more than the rest of an epoch's hooks
            self.factors[name] = factor
            self._write()

    def set_step_factors(self, model: Any, name: str, factors: Sequence[float]) -> None:
        """Sets the factor `name` of each step of the epoch to come; all others hold for all steps.

        The optimizer's own rate stays as `set_factor` wrote it.

        Args:
            model: has the `step_rates` that are written.
            name: of the factor, in place of what `set_factor` has under it.
            factors: one a step.

        Raises:
            ValueError: if a factor is negative, infinite or not a number.
            RuntimeError: if something else has changed the rate since it was last written.
        """
        self._check_unchanged()
        rates = []
        for factor in factors:
            _check_factor(name, factor)
            rates.append(self._rate(self.factors | {name: factor}))
        model.step_rates.assign(np.array(rates, np.float32))

    def remove_factor(self, name: str) -> None:
        """Takes the factor `name` out, if it is there, and writes the optimizer's learning rate."""
        self.factors.pop(name, None)
        self._write()

    def _check_unchanged(self) -> None:
        found = self._read()
        if found != self._written:
            raise RuntimeError(
                f"something else set the learning rate to {found:g} during training, where "
                f"{self._written:g} was written: set a factor of callbacks.LearningRate instead, "
                "and do not mix these callbacks with Keras's own for the learning rate"
            )

    def _rate(self, factors: dict[str, float]) -> float:
        # Sorted, so that the order of the callbacks cannot change the last bit.
        return math.prod((factors[name] for name in sorted(factors)), start=self.base)

    def _write(self) -> None:
        # The variable itself, as the optimizer's setter takes thrice as long.
        self._optimizer().learning_rate.assign(self._rate(self.factors))  # type: ignore[union-attr]
        self._written = self._read()

    def _read(self) -> float:
        return float(self._optimizer().learning_rate)  # type: ignore[union-attr]


def _check_factor(name: str, factor: float) -> None:
    if not 0 <= factor < math.inf:
        raise ValueError(
            f"the {name} factor of the learning rate must be finite and at least 0, "
            f"but got {factor}"
        )


_RATES: weakref.WeakKeyDictionary[Any, LearningRate] = weakref.WeakKeyDictionary()
