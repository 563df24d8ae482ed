"""The base class of HyperModels: training hyperparameters, output layer, compiling and fitting."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, Literal

import keras
import keras_tuner as kt
import numpy as np

from callbacks import CALLBACKS, TrainingPlan, build_callbacks, declare_all
from callbacks.registry import limits as callback_limits
from hypermodels import embedding, losses, metrics, optimizers
from hypermodels.parts import training
from hypermodels.problem import Problem

Array = np.ndarray[Any, Any]
BATCH_SIZES = (16, 32, 64, 128, 256, 0)  # 0 is the whole training set: plain gradient descent
ACTIVATIONS = {"binary": "sigmoid", "multiclass": "softmax", "regression": "linear"}


class TemplateHyperModel(kt.HyperModel, ABC):
    """A search space of models for one `Problem`.

    A subclass declares the hyperparameters of its networks in `declare_network`, each under a name
    of its own, and turns their values into layers in `network`. The `seed` is that of the order of
    the batches; weights and dropout follow Keras's global seed. Without a `plan`, the callbacks
    monitor the validation loss, over the epochs given to `fit`.
    """

    # Limits within which a user may pin or widen a hyperparameter, else its declared range.
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {}
    # Numbers that reach the layers of `network` through variables alone, but for whether they are
    # 0, such as those in `dense_block.TUNABLES`. A class that overrides `network` states it anew.
    TUNABLES: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, problem: Problem, seed: int = 0, plan: TrainingPlan | None = None) -> None:
        super().__init__()
        self.problem = problem
        self.seed = seed
        self.plan = plan

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "network" in vars(cls) and "TUNABLES" not in vars(cls):
            cls.TUNABLES = frozenset()

    @abstractmethod
    def declare_network(self, hp: kt.HyperParameters) -> None:
        """Declares the hyperparameters that `network` reads."""

    @abstractmethod
    def network(self, hp: kt.HyperParameters, x: Any) -> Any:
        """Builds the hidden layers on `x`, shape `(rows, features)`; the output layer is added."""

    @property
    def in_variables(self) -> frozenset[str]:
        """Names of the hyperparameters that reach a model through variables alone."""
        return optimizers.TUNABLES | losses.TUNABLES | self.TUNABLES

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Hard limits of all numeric hyperparameters, the training's included."""
        parts = (embedding, losses, optimizers, cls)
        found = {name: limits for part in parts for name, limits in part.LIMITS.items()}
        return {"batch_size": (0.0, 1e7)} | callback_limits() | found

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics in the logs, without the `val_` of their validation values."""
        asked = () if self.plan is None else (self.plan.monitor, *self.plan.secondary)
        wanted = {*metrics.STANDARD[self.problem.task], *(n.removeprefix("val_") for n in asked)}
        return tuple(name for name in self.offered_metrics if name in wanted)

    @property
    def offered_metrics(self) -> tuple[str, ...]:
        """Names, without `val_`, of all that a plan may monitor beside the loss."""
        further = metrics.ON_REQUEST[self.problem.task] if training.WHOLE_EPOCHS else ()
        return (*metrics.STANDARD[self.problem.task], *further)

    def declare_hyperparameters(self, hp: kt.HyperParameters) -> None:
        """Declares every hyperparameter; Keras Tuner's hook for spaces known in advance."""
        self.declare_network(hp)
        embedding.declare_embedding(hp, self.problem)
        optimizers.declare_optimizer(hp)
        hp.Choice("batch_size", list(BATCH_SIZES), default=32)
        losses.declare_loss(hp, self.problem)
        declare_all(hp, plain_model=not training.WHOLE_EPOCHS)

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """Builds and compiles the model that the values in `hp` describe."""
        # Declared apart: Keras Tuner would build dozens of models to discover the scopes that it
        # sees opened in `hp`, although all are declared.
        declared = kt.HyperParameters()
        declared.values = dict(hp.values)
        self.declare_hyperparameters(declared)
        hp.merge(declared, overwrite=False)
        inputs = keras.Input((self.problem.features,))
        hidden = self.network(hp, embedding.embed(hp, self.problem, inputs))
        outputs = keras.layers.Dense(
            self.problem.outputs,
            activation=ACTIVATIONS[self.problem.task],
            name="output",
            dtype="float32",  # under a policy of mixed precision too
        )(hidden)
        model = training.Model(inputs, outputs)
        model.compile(
            optimizers.build_optimizer(hp),
            losses.build_loss(hp, self.problem),
            metrics=metrics.build_metrics(self.problem),
            jit_compile=False,  # XLA is slower on processors for nets of this size
        )
        training.add_metrics(model, self.problem, self.metric_names)
        # Now, so that the training graph is traced once, and a parent trial's state can be loaded.
        model.optimizer.build(model.trainable_variables)
        return model

    def structure(self, hp: kt.HyperParameters) -> Hashable | None:
        """Returns a key of the graph of `build(hp)`: models of equal keys can share one trace.

        It holds all values but those of callbacks, which act from outside, and those that live in
        variables, of which only whether they are 0 counts. None shares nothing: it is right where
        a network draws random numbers in a way of its own, and the default for an own `build`.
        """
        if type(self).build is not TemplateHyperModel.build:
            return None
        ignored = {"learning_rate", "batch_size"} | _callback_hyperparameters(
            tuple(CALLBACKS.items())
        )
        tunable = self.in_variables
        values = {
            name: bool(value) if name in tunable else value
            for name, value in hp.values.items()
            if name not in ignored and not name.startswith("tuner/")  # Keras Tuner's bookkeeping
        }
        return type(self), self.problem, self.metric_names, tuple(sorted(values.items()))

    def fit(
        self,
        hp: kt.HyperParameters,
        model: keras.Model,
        x: Array,
        y: Array,
        *,
        validation_data: tuple[Array, Array] | None = None,
        epochs: int = 1,
        callbacks: Sequence[Any] = (),
        controls: Iterable[Any] | None = None,
        class_weight: Literal["balanced"] | None = None,
        **options: Any,
    ) -> keras.callbacks.History:
        """Trains the model up to the epoch `epochs`.

        `x` is float32 `(rows, features)`, `y` `(rows,)` integer labels or the standardised target.
        The `controls`, by default those that `hp` describes, come before other `callbacks`; those
        that need `validation_data` are left out without it. A `class_weight` of `balanced` gives
        each class the same total weight in the loss. The `options` are `initial_epoch`, `verbose`
        and `stream`, which reads the rows batch by batch.
        """
        if controls is None:
            plan = self.plan or TrainingPlan(epochs, "val_loss", "min")
            controls = build_controls(hp, plan).values()
        if validation_data is None:
            controls = [c for c in controls if not getattr(c, "needs_validation", False)]
        weights = () if class_weight is None else (losses.balanced_weights(y),)
        history: keras.callbacks.History = training.fit(
            model,
            (*self._shaped(x, y), *weights),
            None if validation_data is None else self._shaped(*validation_data),
            batch_size=hp.get("batch_size"),
            seed=self.seed,
            epochs=epochs,
            callbacks=[*controls, *callbacks],
            **options,
        )
        return history

    def _shaped(self, x: Array, y: Array) -> tuple[Array, Array]:
        return x, y.reshape(-1, 1) if self.problem.outputs == 1 else y


def build_controls(hp: kt.HyperParameters, plan: TrainingPlan) -> dict[str, Any]:
    """Builds the callbacks that `hp` describes, by name: those that the models can follow."""
    return build_callbacks(hp, plan, plain_model=not training.WHOLE_EPOCHS)


@cache
def _callback_hyperparameters(registry: tuple[tuple[str, str], ...]) -> frozenset[str]:  # noqa: ARG001
    """Names of the callbacks' hyperparameters; `registry` is `CALLBACKS`, the key of the cache."""
    hp = kt.HyperParameters()
    declare_all(hp)
    return frozenset(other.name for other in hp.space)
