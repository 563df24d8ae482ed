"""Keras's optimizers in fewer operations, with variables for settings that a search varies."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from hypermodels.tunables import tunable

# Graphs of Keras's own Adagrad were never freed, and made each trial in a process 4 MB larger.
SHORT = ("RMSprop", "Adagrad", "Lion")  # Keras's updates, with the `apply` of `FusedOptimizer`


class FusedOptimizer(keras.optimizers.Optimizer):
    """Gives a Keras optimizer, as its first base class, a short `apply` and a variable decay."""

    ema_momentum: Any

    def __init__(self, *args: Any, weight_decay: float | None = None, **options: Any) -> None:
        decay = None if weight_decay is None else tunable("weight_decay", weight_decay)
        super().__init__(*args, weight_decay=decay, **options)
        self.tunables = {} if decay is None else {"weight_decay": decay}
        if self.use_ema:
            self.tunables["ema_momentum"] = tunable("ema_momentum", self.ema_momentum)
            self.ema_momentum = self.tunables["ema_momentum"]
        # Clipping, moving averages and the like are left to Keras.
        clipping = self.clipnorm or self.clipvalue or self.global_clipnorm
        others = self.use_ema or self.loss_scale_factor or self.gradient_accumulation_steps
        self._simple = not clipping and not others

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] = ()) -> None:
        """Decays and updates every variable, as Keras does with more operations."""
        if not self.built:
            self.build(list(trainable_variables))
        self.begin_step()
        if not self._simple or None in grads:
            super().apply(grads, trainable_variables)
            return
        rate = tf.convert_to_tensor(self.learning_rate)
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            if self.weight_decay is not None:
                variable.assign_sub(variable * self.weight_decay * rate)
            self.update_step(gradient, variable.value, rate)
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.value.assign_add(1)

    def begin_step(self) -> None:
        """Computes what the updates of all variables in a step share."""

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, with the values that variables have now."""
        now = {name: float(variable) for name, variable in self.tunables.items()}
        return dict(super().get_config()) | now


class FusedAdam(FusedOptimizer, keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015); with `weight_decay` AdamW (Loshchilov and Hutter 2019)."""

    def begin_step(self) -> None:
        step = self.next_step()
        settings = {"beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon}
        shared = {name: tf.constant(value, tf.float32) for name, value in settings.items()}
        self._shared = shared | {f"{n}_power": tf.pow(shared[n], step) for n in ("beta1", "beta2")}

    def next_step(self) -> Any:
        """The number of the update that comes next, from 1; a float32 scalar."""
        done = self.iterations  # no variable where gradients are accumulated
        return tf.cast((done.value if isinstance(done, keras.Variable) else done) + 1, tf.float32)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.convert_to_tensor(gradient),
            **{name: tf.cast(value, variable.dtype) for name, value in self._shared.items()},
        )


class FusedNadam(FusedAdam):
    """Nadam (Dozat 2016), as `keras.optimizers.Nadam`, but without gradient accumulation."""

    def build(self, variables: Sequence[Any]) -> None:
        if not self.built:
            super().build(variables)
            self._product = self.add_variable((), initializer="ones", name="product")

    def begin_step(self) -> None:
        step = self.next_step()
        now, next_one = (self.beta_1 * (1.0 - 0.5 * tf.pow(0.96, s)) for s in (step, step + 1.0))
        product = self._product.value * now
        self._product.value.assign(product)
        self._terms = (
            next_one / (1.0 - product * next_one),
            (1.0 - now) / (1.0 - product),
            1.0 - tf.pow(self.beta_2, step),
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        momentum, velocity = self._momentums[index].value, self._velocities[index].value
        gradient = tf.convert_to_tensor(gradient)
        of_momentum, of_gradient, correction = (tf.cast(x, variable.dtype) for x in self._terms)
        first = momentum + (gradient - momentum) * (1.0 - self.beta_1)
        second = velocity + (tf.square(gradient) - velocity) * (1.0 - self.beta_2)
        momentum.assign(first)
        velocity.assign(second)
        step = of_momentum * first + of_gradient * gradient
        rate = tf.cast(learning_rate, variable.dtype)
        variable.assign_sub(rate * step / (tf.sqrt(second / correction) + self.epsilon))


class FusedSGD(FusedOptimizer, keras.optimizers.SGD):
    """Gradient descent, plain, with momentum or with Nesterov's (Sutskever et al. 2013).

    A momentum of 0 stays 0; any other is a variable.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.momentum:
            self.tunables["momentum"] = tunable("momentum", self.momentum)

    def begin_step(self) -> None:
        if self.momentum:
            self._momentum = tf.convert_to_tensor(self.tunables["momentum"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        rate = tf.cast(learning_rate, variable.dtype)
        gradient = tf.convert_to_tensor(gradient)
        if not self.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[self._get_variable_index(variable)].value.handle,
            lr=rate,
            grad=gradient,
            momentum=tf.cast(self._momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


_FUSED: dict[str, Any] = {
    "Adam": FusedAdam,
    "Nadam": FusedNadam,
    "SGD": FusedSGD,
    **{n: type(f"Short{n}", (FusedOptimizer, getattr(keras.optimizers, n)), {}) for n in SHORT},
}


def optimizer_class(name: str) -> Any:
    """Returns the fused class of an optimizer in `keras.optimizers`, or Keras's where none is."""
    return _FUSED.get(name) or getattr(keras.optimizers, name)
