"""Models of the same structure share one traced graph, trial after trial in a process."""

import math
import pickle
import random
from collections.abc import Callable, Collection, Hashable
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import tensorflow as tf

from hypermodels.training.dropout import Dropout
from hypermodels.tunables import tunables_of

MOST_MODELS = 16  # traced models kept; the least recently used one is dropped
MOST_NUMBERS = 50_000_000  # in the variables of those models; with their initial values 400 MB
FREE_LAYERS = (keras.layers.Lambda, keras.layers.Wrapper)  # Keras's, but of anything
MOST_SEED = 10**9  # of the seeds that Keras draws where it is given none


class TracedModels:
    """Models that have been trained in this process, by structure.

    Trainings that differ only in seed, rows and values that live in variables need one trace: its
    model is brought into the state of a freshly built model, bit for bit. Where a layer draws
    random numbers, but not through Keras's `SeedGenerator`, let `structure` return None.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, _TracedModel] = {}  # the least recently used one first
        self._built = 0

    def model(self, hypermodel: Any, hp: kt.HyperParameters, seed: int) -> keras.Model:
        """Returns a model as `hypermodel.build(hp)` gives it, with a trace if there is one.

        The seed is Python's and NumPy's, which Keras draws from, and TensorFlow's too where layers
        other than Keras's and our `Dropout` may draw, or the weights come from elsewhere.
        """
        structure = hypermodel.structure(hp)
        kept = self._kept.pop(structure, None)
        if kept is None or kept.is_changed():
            self._built += 1
            if self._built % MOST_MODELS == 0:
                # The public way to empty TensorFlow's cache of prepared operations, which each
                # structure makes a megabyte larger. `_build` sets all that results depend on.
                tf.random.set_seed(seed)
            kept = _build(hypermodel, hp, seed, shared=structure is not None)
        elif not kept.renew(seed):
            fresh = _build(hypermodel, hp, seed, shared=False).model
            for variable, other in zip(_variables(kept.model), _variables(fresh), strict=True):
                variable.assign(other)
        _set_values(kept.model, hp, hypermodel.in_variables)
        if structure is not None:
            self._kept[structure] = kept
        numbers = sum(kept.numbers for kept in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > MOST_MODELS or numbers > MOST_NUMBERS):
            numbers -= self._kept.pop(next(iter(self._kept))).numbers
        return kept.model

    def discard(self, model: keras.Model) -> None:
        """Forgets a model whose training raised: callbacks have left it in no known state."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.model is not model}


class _TracedModel:
    """A model, and how its variables get the values that they have when it is built."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.numbers = sum(math.prod(variable.shape) for variable in _variables(model))
        self._initial: list[tuple[Any, Callable[[], Any]]] = []
        self._compiled = self._parts()

    def is_changed(self) -> bool:
        """Whether a callback has recompiled it, or frozen or thawed layers: the trace is void."""
        return self._parts() != self._compiled

    def learn_to_renew(self, seed: int) -> bool:
        """Finds out, just after building with this seed, whether `renew` can replace building.

        Layers draw their seeds from Python's `random` as they are made. Drawing anew in their order
        must give the same weights and leave the same state.
        """
        after, initial = _random_state(), _initial_values(self.model)
        _seed(seed)
        same = all(np.array_equal(variable.numpy(), value()) for variable, value in initial)
        if same and initial and _random_state() == after:
            slots = self.model.optimizer.variables  # they begin without randomness
            self._initial = [*initial, *((slot, _constant(slot.numpy())) for slot in slots)]
        return bool(self._initial)

    def renew(self, seed: int) -> bool:
        """Makes the model as if just built with this seed; returns whether it could."""
        _seed(seed)
        for variable, value in self._initial:
            variable.assign(value())
        return bool(self._initial)

    def _parts(self) -> tuple[Any, ...]:
        trainable = tuple(variable.trainable for variable in self.model.weights)
        optimizer = self.model.optimizer
        return id(optimizer), type(optimizer.learning_rate), id(self.model.loss), trainable


def _build(hypermodel: Any, hp: kt.HyperParameters, seed: int, *, shared: bool) -> _TracedModel:
    """Builds a model; one to be shared, without TensorFlow's seed if that does not matter."""
    if shared:
        _seed(seed)  # TensorFlow's would empty its caches, which takes as long as some epochs
        declared = len(hp.space)
        built = _TracedModel(hypermodel.build(hp))
        settled = len(hp.space) == declared  # else building matters to `hp`
        if settled and built.learn_to_renew(seed) and _draws_from_keras(built.model):
            return built
    keras.utils.set_random_seed(seed)
    return _TracedModel(hypermodel.build(hp))


def _set_values(model: keras.Model, hp: kt.HyperParameters, names: Collection[str]) -> None:
    """Writes the values that live in variables into a model of their structure."""
    found = tunables_of(model)
    found["learning_rate"][0].assign(hp.get("learning_rate"))
    for name in names:
        if name in hp.values and hp.is_active(name):
            if hp.get(name) and name not in found:
                raise ValueError(f"'{name}' is in TUNABLES, but the model has no variable of it")
            for variable in found.get(name, ()):
                variable.assign(hp.get(name))


def _draws_from_keras(layer: Any) -> bool:
    """Whether neither layer nor model can draw from elsewhere than Keras's random generators."""
    if hasattr(layer, "layers"):
        return all(_draws_from_keras(part) for part in layer.layers)
    own = type(layer).__module__.startswith("keras.") and not isinstance(layer, FREE_LAYERS)
    return own or isinstance(layer, Dropout)


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _seed(seed: int) -> None:
    """The part of `keras.utils.set_random_seed` that weights depend on."""
    random.seed(seed)
    np.random.seed(seed)


def _random_state() -> bytes:
    return pickle.dumps((random.getstate(), np.random.get_state()))


def _initial_values(model: Any) -> list[tuple[Any, Callable[[], Any]]]:
    """Each variable with a function of its initial value; empty if one of them is unknown."""
    found: list[tuple[Any, Callable[[], Any]]] = []
    for layer in model.layers:
        for weight in layer.weights:
            initializer = getattr(layer, f"{weight.name}_initializer", None)
            if isinstance(initializer, keras.Initializer):
                found.append((weight, _initial_value(weight, initializer)))
        generator = getattr(layer, "seed_generator", None)
        if isinstance(generator, keras.random.SeedGenerator):
            found.append((generator.state, _initial_seed(generator.get_config()["seed"])))
    known = {id(variable) for variable, _ in found}
    return found if all(id(variable) in known for variable in model.variables) else []


def _initial_value(weight: Any, initializer: Any) -> Callable[[], Any]:
    config, shape, dtype = initializer.get_config(), tuple(weight.shape), weight.dtype
    if "seed" not in config:
        return _constant(keras.ops.convert_to_numpy(initializer(shape, dtype)))
    # Made anew, it draws a new seed, unless its configuration has one.
    return lambda: type(initializer).from_config(config)(shape, dtype)


def _initial_seed(seed: int | None) -> Callable[[], Any]:
    return lambda: np.array([random.randint(1, MOST_SEED) if seed is None else seed, 0])


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value
