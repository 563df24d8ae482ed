"""Optimizers that trace fast and whose settings are variables.

The same formulas as Keras's own classes, through the interface that Keras documents for optimizers
of one's own (`build`, `apply` and `update_step`); an update of Adam or SGD is one TensorFlow
operation instead of a dozen. On nets of a few thousand weights the operations around an update cost
more than its arithmetic: steps and, above all, traces are faster. Settings that a search varies are
variables, so that trainings which differ in them share one trace.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from hypermodels.tunables import tunable


class FusedOptimizer(keras.optimizers.Optimizer):
    """What the optimizers here share: a short `apply`, and the weight decay as a variable.

    Args:
        learning_rate: a number.
        weight_decay: decoupled weight decay (Loshchilov and Hutter 2019); None for none.
        options: those of `keras.optimizers.Optimizer`.

    Attributes:
        tunables: variables of the settings that may change at any time, by name.
    """

    def __init__(
        self, learning_rate: float, *, weight_decay: float | None = None, **options: Any
    ) -> None:
        decay = None if weight_decay is None else tunable("weight_decay", weight_decay)
        super().__init__(learning_rate=learning_rate, weight_decay=decay, **options)
        self.tunables = {} if decay is None else {"weight_decay": decay}
        # Clipping, moving averages and the like are Keras's business.
        limits = (self.clipnorm, self.clipvalue, self.global_clipnorm)
        others = (self.use_ema, self.loss_scale_factor, self.gradient_accumulation_steps)
        self._simple = not any((*limits, *others))

    def exclude_from_weight_decay(self, *args: Any, **kwargs: Any) -> None:
        """Keras's own."""
        self._simple = False
        super().exclude_from_weight_decay(*args, **kwargs)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Decays and updates every variable, as Keras does with more operations."""
        variables, simple = trainable_variables, self._simple
        if variables is not None and not self.built:
            self.build(list(variables))
        self.begin_step()
        if variables is None or not simple or None in grads or tf.distribute.has_strategy():
            super().apply(grads, variables)
            return
        rate = tf.convert_to_tensor(self.learning_rate)
        for gradient, variable in zip(grads, variables, strict=True):
            if self.weight_decay is not None:
                variable.assign_sub(variable * self.weight_decay * rate)
            self.update_step(gradient, variable.value, rate)
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.value.assign_add(1)

    def begin_step(self) -> None:
        """Computes what the updates of all variables in a step share."""

    def next_step(self) -> Any:
        """The number of the update that comes next, from 1; a float32 scalar."""
        done = self.iterations  # no variable where gradients are accumulated
        return tf.cast((done.value if isinstance(done, keras.Variable) else done) + 1, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Everything that the constructor takes, with the values that variables have now."""
        now = {name: float(variable) for name, variable in self.tunables.items()}
        return dict(super().get_config()) | now


class FusedAdam(FusedOptimizer):
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

    def begin_step(self) -> None:
        """Raises the decay rates to the power of the step's number, from 1."""
        step = self.next_step()
        settings = {"beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon}
        self._shared = {name: tf.constant(value, tf.float32) for name, value in settings.items()}
        for name in ("beta1", "beta2"):
            self._shared[f"{name}_power"] = tf.pow(self._shared[name], step)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its moments."""
        momentum, velocity = self._moments[variable.ref()]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.convert_to_tensor(gradient),
            **{name: tf.cast(value, variable.dtype) for name, value in self._shared.items()},
        )

    def get_config(self) -> dict[str, Any]:
        """Everything that the constructor takes."""
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return dict(super().get_config()) | own


class FusedSGD(FusedOptimizer):
    """Stochastic gradient descent, plain, with momentum or with Nesterov's, as Keras's `SGD`.

    Args:
        learning_rate: a number.
        momentum: in [0, 1); 0 is plain gradient descent, and stays so.
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
        if momentum:
            self.tunables["momentum"] = tunable("momentum", momentum)
        self.nesterov = nesterov

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the momentum of each variable, if there is any."""
        if not self.built:
            super().build(variables)
            if "momentum" in self.tunables:
                momenta = self.add_optimizer_variables(variables, "momentum")
                self._momenta = _by_variable(variables, momenta)

    def begin_step(self) -> None:
        """Reads the momentum."""
        if "momentum" in self.tunables:
            self._momentum = tf.convert_to_tensor(self.tunables["momentum"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its momentum."""
        rate = tf.cast(learning_rate, variable.dtype)
        gradient = tf.convert_to_tensor(gradient)
        if "momentum" not in self.tunables:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self._momenta[variable.ref()].value.handle,
            lr=rate,
            grad=gradient,
            momentum=tf.cast(self._momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )

    def get_config(self) -> dict[str, Any]:
        """Everything that the constructor takes."""
        own = {"momentum": 0.0, "nesterov": self.nesterov}
        return own | dict(super().get_config())


class FusedNadam(FusedAdam):
    """Nadam (Dozat 2016), as `keras.optimizers.Nadam`; its arguments are those of `FusedAdam`.

    Raises:
        ValueError: if `gradient_accumulation_steps` is given: its product is one of all steps.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get("gradient_accumulation_steps"):
            raise ValueError(
                "gradient_accumulation_steps is not available with FusedNadam; valid: None, or "
                "keras.optimizers.Nadam"
            )
        super().__init__(*args, **options)

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the two moments of each variable, and the product of the momenta so far."""
        if not self.built:
            super().build(variables)
            self._product = self.add_variable((), initializer="ones", name="product")

    def begin_step(self) -> None:
        """Computes the weights of momentum and gradient, and the correction of the velocity."""
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
        """Updates one variable and its moments."""
        momentum, velocity = (slot.value for slot in self._moments[variable.ref()])
        gradient = tf.convert_to_tensor(gradient)
        of_momentum, of_gradient, correction = (tf.cast(x, variable.dtype) for x in self._terms)
        first = momentum + (gradient - momentum) * (1.0 - self.beta_1)
        second = velocity + (tf.square(gradient) - velocity) * (1.0 - self.beta_2)
        momentum.assign(first)
        velocity.assign(second)
        step = of_momentum * first + of_gradient * gradient
        rate = tf.cast(learning_rate, variable.dtype)
        variable.assign_sub(rate * step / (tf.sqrt(second / correction) + self.epsilon))


class ShortAdagrad(FusedOptimizer, keras.optimizers.Adagrad):
    """Keras's Adagrad (Duchi et al. 2011), with the short `apply`.

    Graphs of Keras's own were never freed, and made each trial in a process 4 MB larger.
    """


class ShortRMSprop(FusedOptimizer, keras.optimizers.RMSprop):
    """Keras's RMSprop (Tieleman and Hinton 2012), with the short `apply`."""


class TunableLion(FusedOptimizer, keras.optimizers.Lion):
    """Keras's Lion (Chen et al. 2023), with the weight decay as a variable."""


def _by_variable(variables: Sequence[Any], slots: Any) -> dict[Any, Any]:
    return {variable.value.ref(): slot for variable, slot in zip(variables, slots, strict=True)}
