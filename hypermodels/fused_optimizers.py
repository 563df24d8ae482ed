"""Adam and SGD whose update of a variable is one TensorFlow operation instead of a dozen.

The same formulas as Keras's own classes, through the interface that Keras documents for optimizers
of one's own (`build` and `update_step`). On nets of a few thousand weights the operations around an
update cost more than its arithmetic: steps and, above all, traces are faster.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


class FusedAdam(keras.optimizers.Optimizer):
    """Adam (Kingma and Ba 2015), as `keras.optimizers.Adam`; with `weight_decay` AdamW.

    Args:
        learning_rate: a number.
        beta_1: decay rate of the first moment, in [0, 1).
        beta_2: decay rate of the second moment, in [0, 1).
        epsilon: added to the root of the second moment.
        options: those of `keras.optimizers.Optimizer`, such as `weight_decay`.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the two moments of each variable."""
        if not self.built:
            super().build(variables)
            moments = self.add_optimizer_variables(variables, ["momentum", "velocity"])
            self._moments = _by_variable(variables, zip(*moments, strict=True))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its moments."""
        momentum, velocity = self._moments[variable.ref()]
        step = tf.cast(self.iterations.value + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )

    def get_config(self) -> dict[str, Any]:
        """Everything that the constructor takes."""
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return dict(super().get_config()) | own


class FusedSGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent, plain, with momentum or with Nesterov's, as Keras's `SGD`.

    Args:
        learning_rate: a number.
        momentum: in [0, 1); 0 is plain gradient descent.
        nesterov: whether the gradient is applied after the momentum's step (Sutskever et al. 2013).
        options: those of `keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        self.momentum = momentum
        self.nesterov = nesterov

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the momentum of each variable, if there is any."""
        if not self.built:
            super().build(variables)
            if self.momentum:
                momenta = self.add_optimizer_variables(variables, "momentum")
                self._momenta = _by_variable(variables, momenta)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its momentum."""
        rate = tf.cast(learning_rate, variable.dtype)
        gradient = tf.convert_to_tensor(gradient)
        if not self.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self._momenta[variable.ref()].value.handle,
            lr=rate,
            grad=gradient,
            momentum=self.momentum,
            use_nesterov=self.nesterov,
        )

    def get_config(self) -> dict[str, Any]:
        """Everything that the constructor takes."""
        own = {"momentum": self.momentum, "nesterov": self.nesterov}
        return dict(super().get_config()) | own


def _by_variable(variables: Sequence[Any], slots: Any) -> dict[Any, Any]:
    return {variable.value.ref(): slot for variable, slot in zip(variables, slots, strict=True)}
