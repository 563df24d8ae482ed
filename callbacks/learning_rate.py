"""The one place that writes an optimizer's learning rate: base × the factor of each callback."""

import math
import weakref
from typing import Any

import keras


class LearningRate:
    """The learning rate of one optimizer, shared by all callbacks that have a say in it.

    Each callback sets a factor under a name of its own at the beginning of an epoch and removes it
    when training ends. The optimizer then holds the base rate again, so that a saved optimizer
    carries the base, and the factors are the state of the callbacks alone.

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
        if not 0 <= factor < math.inf:
            raise ValueError(
                f"the {name} factor of the learning rate must be finite and at least 0, "
                f"but got {factor}"
            )
        found = self._read()
        if found != self._written:
            raise RuntimeError(
                f"something else set the learning rate to {found:g} during training, where "
                f"{self._written:g} was written: set a factor of callbacks.LearningRate instead, "
                "and do not mix these callbacks with Keras's own for the learning rate"
            )
        if self.factors.get(name) != factor:  # a write costs more than the rest of an epoch's hooks
            self.factors[name] = factor
            self._write()

    def remove_factor(self, name: str) -> None:
        """Takes the factor `name` out, if it is there, and writes the optimizer's learning rate."""
        self.factors.pop(name, None)
        self._write()

    def _write(self) -> None:
        # Sorted, so that the order of the callbacks cannot change the last bit.
        rate = math.prod((self.factors[name] for name in sorted(self.factors)), start=self.base)
        self._optimizer().learning_rate = rate  # type: ignore[union-attr]
        self._written = self._read()

    def _read(self) -> float:
        return float(self._optimizer().learning_rate)  # type: ignore[union-attr]


_RATES: weakref.WeakKeyDictionary[Any, LearningRate] = weakref.WeakKeyDictionary()
