"""What every HyperModel of the template shares: training hyperparameters, compile and fit."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal

import keras
import keras_tuner as kt
import numpy as np

from callbacks import CALLBACKS, TrainingPlan, build_callbacks, declare_all
from callbacks.registry import limits as callback_limits
from hypermodels import batch_sizes, losses, metrics, optimizers, regularizers
from hypermodels.epoch_model import EpochModel
from hypermodels.problem import Problem

# Full is plain gradient descent; AUTO may be pinned or listed too.
BATCH_SIZES = (16, 32, 64, 128, 256, batch_sizes.FULL)
ALWAYS_TUNABLE = frozenset({"learning_rate", "batch_size", "regularizer_scale"})
TUNABLE = optimizers.TUNABLES | losses.TUNABLES


class TemplateHyperModel(kt.HyperModel, ABC):
    """A search space of models for one `Problem`.

    A subclass says what is particular to its networks, in two methods: `declare_network` declares
    hyperparameters, `network` turns their values into layers. Declare everything there, each under
    a name of its own: what is known before the first trial needs no trial builds to be discovered.

    Args:
        problem: the task, shapes and units of the data.
        seed: seeds the order of the batches; weights and dropout follow Keras's global seed.
        plan: how long the training is and what its callbacks monitor, which models then report,
            as they do its other metrics, if it is one of `offered_metrics`; without a plan, the
            epochs given to `fit` and the validation loss.
    """

    # Hard limits, per hyperparameter, within which a user may pin or widen it beyond the range
    # declared; a hyperparameter that is not listed has its declared range as its limits.
    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {}
    # Numbers that reach the layers of `network` through variables alone, but for whether they are
    # 0, such as those in `dense_block.TUNABLES`; a class that overrides `network` states it anew.
    TUNABLES: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, problem: Problem, seed: int = 0, plan: TrainingPlan | None = None) -> None:
        super().__init__()
        self.problem = problem
        self.seed = seed
        self.plan = plan

    @abstractmethod
    def declare_network(self, hp: kt.HyperParameters) -> None:
        """Declares the hyperparameters that `network` reads."""

    @abstractmethod
    def network(self, hp: kt.HyperParameters, x: Any) -> Any:
        """Builds the hidden layers on `x`, shape `(rows, features)`; the output layer is added."""

    @classmethod
    def limits(cls) -> dict[str, tuple[float, float]]:
        """Hard limits of all numeric hyperparameters, the training's included."""
        shared = (
            {"batch_size": (float(batch_sizes.AUTO), 1e7), "embedding_size": (1, 1024)}
            | losses.LIMITS
            | optimizers.LIMITS
        )
        return shared | callback_limits() | cls.LIMITS

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics in the logs, without the `val_` of their validation values."""
        return metrics.metric_names(self.problem, self._requested)

    @property
    def offered_metrics(self) -> tuple[str, ...]:
        """Names, without `val_`, of all that a plan may monitor beside the loss."""
        return tuple(dict.fromkeys([*self.metric_names, *metrics.on_request(self.problem)]))

    @property
    def _requested(self) -> tuple[str, ...]:
        """The metrics that the plan wants, without `val_`."""
        wanted = () if self.plan is None else (self.plan.monitor, *self.plan.also)
        return tuple(name.removeprefix("val_") for name in wanted)

    def declare_hyperparameters(self, hp: kt.HyperParameters) -> None:
        """Declares every hyperparameter; Keras Tuner's hook for spaces known in advance."""
        self.declare_network(hp)
        if self.problem.embedded:
            hp.Int("embedding_size", 2, 32, sampling="log", default=8)
        optimizers.declare_optimizer(hp)
        hp.Choice("batch_size", list(BATCH_SIZES), default=32)
        losses.declare_loss(hp, self.problem)
        declare_all(hp)

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """Builds and compiles the model that the values in `hp` describe."""
        # Declared apart: Keras Tuner would build dozens of models just to discover the scopes of
        # conditional hyperparameters that it sees opened in `hp`, although all are declared.
        declared = kt.HyperParameters()
        declared.values = dict(hp.values)
        self.declare_hyperparameters(declared)
        hp.merge(declared, overwrite=False)
        inputs = keras.Input((self.problem.features,))
        hidden = self.network(hp, self._embedded(hp, inputs))
        activation = {"binary": "sigmoid", "multiclass": "softmax", "regression": "linear"}
        outputs = keras.layers.Dense(
            self.problem.outputs, activation=activation[self.problem.task], name="output"
        )(hidden)
        model = EpochModel(inputs, outputs)
        model.compile(
            optimizer=optimizers.build_optimizer(hp),
            loss=losses.build_loss(hp, self.problem),
            metrics=metrics.build_metrics(self.problem, self._requested),
            jit_compile=False,  # slower on processors for nets of this size
        )
        model.share_metrics(metrics.row_metrics(self.problem, self._requested))
        model.whole_metrics = metrics.build_whole_metrics(self.problem, self._requested)
        # Created now, so that the training graph is traced once and state can be restored into it.
        model.optimizer.build(model.trainable_variables)
        self._scale_penalties(model, hp)
        return model

    def structure(self, hp: kt.HyperParameters) -> Hashable | None:
        """What the graph of `build(hp)` depends on: models of equal structures can share one trace.

        All values but those that live in variables, and those of the callbacks, which act from
        outside. Of a variable it counts whether it is 0: parts leave themselves out then. Override
        it, to None if in doubt, where the network takes random numbers from elsewhere than
        Keras's `SeedGenerator`. It is None where `build` is overridden.
        """
        if type(self).build is not TemplateHyperModel.build:
            return None
        ignored = ALWAYS_TUNABLE | _outside(tuple(CALLBACKS.items()))
        tunable = self._tunables()
        values = {
            name: bool(value) if name in tunable else value
            for name, value in hp.values.items()
            if name not in ignored and not name.startswith("tuner/")  # Keras Tuner's bookkeeping
        }
        return type(self), self.problem, self.metric_names, tuple(sorted(values.items()))

    def set_values(self, model: keras.Model, hp: kt.HyperParameters) -> None:
        """Writes the values in `hp` that live in variables into a model of their structure.

        Raises:
            ValueError: if the model has no variable for one of them.
        """
        found = model.tunables
        found["learning_rate"][0].assign(hp.get("learning_rate"))
        for name in sorted(self._tunables()):
            if name not in hp.values or not hp.is_active(name):
                continue
            if hp.get(name) and name not in found:
                raise ValueError(
                    f"'{name}' is among the hyperparameters that live in variables, but no part "
                    "of the model shows one in its `tunables`, as those of hypermodels/ do"
                )
            for variable in found.get(name, ()):
                variable.assign(hp.get(name))
        self._scale_penalties(model, hp)

    @staticmethod
    def _scale_penalties(model: keras.Model, hp: kt.HyperParameters) -> None:
        factor = regularizers.size_factor(hp, model.count_params())
        found = model.tunables if factor != 1 else {}
        for name in ("l1", "l2"):
            for variable in found.get(name, ()):
                variable.assign(hp.get(name) * factor)

    def _embedded(self, hp: kt.HyperParameters, inputs: Any) -> Any:
        """The inputs with `embedding_size` numbers in place of each index of a category."""
        count = self.problem.embedded
        if not count:
            return inputs
        plain = self.problem.features - count
        vectors = keras.layers.Embedding(
            self.problem.embedded_categories, hp.get("embedding_size"), name="embedding"
        )(inputs[:, plain:])
        vectors = keras.layers.Flatten()(vectors)
        return keras.layers.Concatenate()([inputs[:, :plain], vectors]) if plain else vectors

    @classmethod
    def _tunables(cls) -> frozenset[str]:
        owner = next(base for base in cls.__mro__ if "network" in vars(base))
        own: frozenset[str] = vars(owner).get("TUNABLES", frozenset())
        return TUNABLE | own

    def batch_size(self, hp: kt.HyperParameters, model: keras.Model, rows: int) -> int:
        """The rows of a step as the values in `hp` say; 0 for all `rows`."""
        size: int = hp.get("batch_size")
        if size != batch_sizes.AUTO:
            return size
        plan = self.plan or TrainingPlan(1, "val_loss", "min")
        return batch_sizes.automatic(model, rows, plan.batch_memory, plan.batch_share)

    def fit(
        self,
        hp: kt.HyperParameters,
        model: keras.Model,
        x: np.ndarray[Any, Any],
        y: np.ndarray[Any, Any],
        *,
        validation_data: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None = None,
        epochs: int = 1,
        initial_epoch: int = 0,
        callbacks: Sequence[Any] = (),
        controls: Iterable[Any] | None = None,
        sample_weight: np.ndarray[Any, Any] | None = None,
        class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
        stream: bool = False,
        verbose: int = 0,
    ) -> keras.callbacks.History:
        """Trains the model, whole epochs in one graph call.

        Args:
            x: float32 `(rows, features)`.
            y: `(rows,)`: integer labels, or the standardised target.
            validation_data: `(x, y)` of the same form, or None.
            epochs: the epoch to train up to.
            initial_epoch: epochs already trained; batches continue in the order of that epoch.
            callbacks: further callbacks; they see what the controls put into the logs.
            controls: the callbacks that `hp` describes; built afresh where they are not given.
            sample_weight: `(rows,)`: the weight of each row in the loss.
            class_weight: the weight of each label's rows in the loss; missing ones are 1.
                `balanced` gives each class of `y` the same total: rows / (classes × its rows).
            stream: reads `x` and `y` batch by batch where they are, such as in mapped files,
                instead of copying them into memory; see `EpochModel.fit_epochs`.
        """
        model.batch_size.assign(self.batch_size(hp, model, len(x)))
        model.shuffle_seed.assign([self.seed % 2**31, initial_epoch])
        if controls is None:
            controls = self._controls(hp, epochs, validated=validation_data is not None)
        validation = None if validation_data is None else self._shaped(*validation_data)
        return model.fit_epochs(
            self._shaped(x, y, _row_weights(y, sample_weight, class_weight)),
            validation,
            epochs=epochs,
            initial_epoch=initial_epoch,
            callbacks=[*controls, *callbacks],
            stream=stream,
            verbose=verbose,
        )

    def _controls(self, hp: kt.HyperParameters, epochs: int, *, validated: bool) -> list[Any]:
        """Without validation rows, no callback can react to them."""
        plan = self.plan or TrainingPlan(epochs, "val_loss", "min")
        controls = build_callbacks(hp, plan).values()
        return [c for c in controls if validated or not getattr(c, "needs_validation", False)]

    def _shaped(self, x: Any, y: Any, sample_weight: Any = None) -> tuple[Any, ...]:
        y = y.reshape(-1, 1) if self.problem.outputs == 1 else y
        return (x, y) if sample_weight is None else (x, y, sample_weight)


@cache
def _outside(registry: tuple[tuple[str, str], ...]) -> frozenset[str]:  # noqa: ARG001
    """Names of the callbacks' hyperparameters; `registry` is `CALLBACKS`, the key of the cache."""
    hp = kt.HyperParameters()
    declare_all(hp)
    return frozenset(other.name for other in hp.space)


def _row_weights(
    y: np.ndarray[Any, Any],
    sample_weight: np.ndarray[Any, Any] | None,
    class_weight: Mapping[int, float] | Literal["balanced"] | None,
) -> np.ndarray[Any, Any] | None:
    if class_weight is None:
        return sample_weight
    labels, codes, counts = np.unique(y.reshape(-1), return_inverse=True, return_counts=True)
    if isinstance(class_weight, str):
        own = len(codes) / (len(labels) * counts)
    else:
        own = np.array([class_weight.get(label, 1.0) for label in labels.tolist()])
    weights = own.astype(np.float32)[codes]
    return weights if sample_weight is None else weights * sample_weight
