"""The only writer of an optimizer's learning rate: base × the factor of each callback."""

import math
import weakref
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from callbacks.base import check_number


class LearningRate:
    """The learning rate of one optimizer, shared by all callbacks that change it.

    Each callback sets a factor under its own name at the beginning of an epoch and removes it when
    training ends. The optimizer then holds the base rate again, so that a saved optimizer carries
    the base, and the factors are the state of the callbacks alone.

    A model that runs a whole epoch in one call, as an `EpochModel` does, has a float32 variable
    `step_rates`, the rate of each step of the next epoch, and a method `epoch_steps()`.
    """

    def __init__(self, optimizer: Any) -> None:
        if not isinstance(optimizer.learning_rate, keras.Variable):
            raise ValueError(
                f"the {optimizer.name} optimizer has a learning-rate schedule of its own: build it "
                "with a number, and give the schedule to callbacks.LearningRateScheduler"
            )
        self._optimizer = weakref.ref(optimizer)  # weak, or the entry in _RATES would never go
        self.factors: dict[str, float] = {}
        self.base = self._written = self._read()

    @classmethod
    def of(cls, model: Any) -> "LearningRate":
        """Returns the one instance of the optimizer that `model` was compiled with."""
        if model.optimizer not in _RATES:
            _RATES[model.optimizer] = cls(model.optimizer)
        return _RATES[model.optimizer]

    def begin(self) -> None:
        """Begins a training: the base is the rate that was set since the last one, if any was."""
        found = self._read()
        if found != self._written:
            self.base = found
        self.factors.clear()  # an interrupted training has left some
        self._write()

    def set_factor(self, name: str, factor: float) -> None:
        """Sets the factor `name`, at least 0, and writes the optimizer's learning rate.

        Raises `RuntimeError` if something else has changed the rate since it was last written.
        """
        check_number(f"the {name} factor of the learning rate", factor, 0)
        self._check_unchanged()
        if self.factors.get(name) != factor:  # a write costs more than the rest of an epoch's hooks
            self.factors[name] = factor
            self._write()

    def set_step_factors(self, model: Any, name: str, factors: Sequence[float]) -> None:
        """Sets a factor for each step of the next epoch in the model's `step_rates` alone."""
        self._check_unchanged()
        for factor in factors:
            check_number(f"the {name} factor of the learning rate", factor, 0)
        rates = [self._rate(self.factors | {name: factor}) for factor in factors]
        model.step_rates.assign(np.array(rates, np.float32))

    def remove_factor(self, name: str) -> None:
        """Removes the factor `name`, if there is one, and writes the optimizer's learning rate."""
        self.factors.pop(name, None)
        self._write()

    def _check_unchanged(self) -> None:
        found = self._read()
        if found != self._written:
            raise RuntimeError(
                f"something else set the learning rate to {found:g} during training, instead of "
                f"{self._written:g}: do not mix these callbacks with Keras's own for the rate, and "
                "set a factor of callbacks.learning_rate.LearningRate in a callback of your own"
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


_RATES: weakref.WeakKeyDictionary[Any, LearningRate] = weakref.WeakKeyDictionary()
