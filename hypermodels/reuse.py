"""Lets models of equal structure share one traced graph."""

import math
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import tensorflow as tf

from hypermodels.dropout import Dropout

MOST_MODELS = 16  # traced models kept; the least recently used one is dropped
MOST_NUMBERS = 50_000_000  # in the variables of those models; with their initial values 400 MB
FREE_LAYERS = (keras.layers.Lambda, keras.layers.Wrapper)  # Keras's, of anything
MOST_SEED = 10**9  # of the seeds that Keras draws where it is given none


class TracedModels:
    """Models that have been trained in this process, by structure.

    Tracing an epoch's graph takes longer than many a small training. Executions and folds of one
    trial, and trials that differ only in what lives in variables, such as rates and strengths, need
    one trace: a model that has it is brought into the state of a freshly built one, its random
    generators and its optimizer included. Results are bit for bit those of the fresh model, unless
    a layer draws numbers from TensorFlow itself, such as `tf.random.normal` without a seed in its
    `call`: the first training of a structure repeats then, but a reused trace need not; let
    `structure` return None. `keras.random` with a `SeedGenerator` always repeats.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._built = 0  # structures

    def model(self, hypermodel: Any, hp: kt.HyperParameters, seed: int) -> keras.Model:
        """Returns a model as `hypermodel.build(hp)` gives it, with a trace if there is one.

        Args:
            hypermodel: a HyperModel with `structure` and `set_values`, those of
                `TemplateHyperModel`.
            hp: the trial's values; what building declares is added.
            seed: becomes the seed of Python and NumPy, which Keras draws from. It becomes
                TensorFlow's too where others may draw: where the structure is None, drawing the
                weights anew does not give them again, or a layer is neither Keras's nor
                `hypermodels.dropout.Dropout`.
        """
        structure = hypermodel.structure(hp)
        kept = self._kept.pop(structure, None)
        if kept is not None and kept.is_changed():
            kept = None
        if kept is None:
            self._built += 1
            if self._built % MOST_MODELS == 0:
                # This is the public way to empty TensorFlow's cache of prepared operations, which
                # each structure makes a megabyte larger: variables of new names or shapes are new
                # operations. What matters of the seed, `_build` sets.
                tf.random.set_seed(seed)
            kept = _build(hypermodel, hp, seed, plain=structure is not None)
        elif not kept.renew(seed):
            kept.copy(_build(hypermodel, hp, seed, plain=False).model)
        hypermodel.set_values(kept.model, hp)
        if structure is not None:
            self._kept[structure] = kept
            self._drop()
        return kept.model

    def discard(self, model: keras.Model) -> None:
        """Forgets a model whose training raised: callbacks have left it in no known state."""
        for structure in [key for key, kept in self._kept.items() if kept.model is model]:
            del self._kept[structure]

    def _drop(self) -> None:
        """Drops models that were used longest ago, as many as must go; the newest one stays."""
        numbers = sum(kept.numbers for kept in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > MOST_MODELS or numbers > MOST_NUMBERS):
            _, dropped = self._kept.popitem(last=False)
            numbers -= dropped.numbers


class _Kept:
    """A model, and how its variables get the values that they have when it is built."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.numbers = sum(math.prod(variable.shape) for variable in _variables(model))
        self._initial: list[tuple[Any, Callable[[], Any]]] | None = None
        self._compiled = self._parts()

    def is_changed(self) -> bool:
        """Whether a callback has recompiled it, or frozen or thawed layers: the trace is void."""
        return self._parts() != self._compiled

    def learn_to_renew(self, seed: int) -> bool:
        """To be called when the model has just been built with this global seed.

        Initializers and random generators draw their seeds from Python's `random` in the order in
        which layers are made. Whether drawing anew in the order of the layers gives the same, this
        tries out; where it does not, as with weights of unknown origin, `renew` will refuse.

        Returns:
            Whether it does.
        """
        after = _random_state()
        initial = _initial_values(self.model)
        if initial is None:
            return False
        _seed(seed)
        same = all(np.array_equal(variable.numpy(), value()) for variable, value in initial)
        if same and _random_state() == after:
            slots = self.model.optimizer.variables  # those know no randomness
            self._initial = [*initial, *((slot, _constant(slot.numpy())) for slot in slots)]
        _set_random_state(after)
        return self._initial is not None

    def renew(self, seed: int) -> bool:
        """Makes the model as if it had just been built with this global seed, if that can be."""
        if self._initial is None:
            return False
        _seed(seed)
        for variable, value in self._initial:
            variable.assign(value())
        return True

    def copy(self, fresh: Any) -> None:
        """Takes the state of a model that has just been built."""
        for variable, other in zip(_variables(self.model), _variables(fresh), strict=True):
            variable.assign(other)

    def _parts(self) -> tuple[Any, ...]:
        trainable = tuple(variable.trainable for variable in self.model.weights)
        optimizer = self.model.optimizer
        return id(optimizer), type(optimizer.learning_rate), id(self.model.loss), trainable


def _build(hypermodel: Any, hp: kt.HyperParameters, seed: int, *, plain: bool) -> _Kept:
    """Builds a model.

    Setting TensorFlow's own seed empties its caches, and every operation of the next training would
    have to be prepared for execution again, which takes as long as some epochs. So it is set only
    where it may matter.

    Args:
        plain: whether to try without TensorFlow's seed first.
    """
    if plain:
        _seed(seed)
        declared = len(hp.space)
        kept = _Kept(hypermodel.build(hp))
        settled = len(hp.space) == declared  # else building matters to `hp`
        if settled and kept.learn_to_renew(seed) and _knows_layers(kept.model):
            return kept
    keras.utils.set_random_seed(seed)
    return _Kept(hypermodel.build(hp))


def _knows_layers(model: Any) -> bool:
    """Whether no layer can draw random numbers from elsewhere than Keras's generators."""
    return all(
        _knows_layers(layer)
        if hasattr(layer, "layers")
        else isinstance(layer, Dropout)
        or (type(layer).__module__.startswith("keras.") and not isinstance(layer, FREE_LAYERS))
        for layer in model.layers
    )


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _seed(seed: int) -> None:
    """What of `keras.utils.set_random_seed` weights depend on."""
    random.seed(seed)
    np.random.seed(seed)


def _random_state() -> tuple[Any, ...]:
    """The states of Python's and of NumPy's generators, which can be compared."""
    state: Any = np.random.get_state()
    name, keys, *rest = state
    return random.getstate(), (name, tuple(keys.tolist()), *rest)


def _set_random_state(state: tuple[Any, ...]) -> None:
    python, numpy = state
    random.setstate(python)
    np.random.set_state(numpy)


def _initial_values(model: Any) -> list[tuple[Any, Callable[[], Any]]] | None:
    """Each variable of the model with what gives its initial value; None where that is unknown."""
    found: list[tuple[Any, Callable[[], Any]]] = []
    for layer in model.layers:
        for weight in layer.weights:
            initializer = getattr(layer, f"{weight.name}_initializer", None)
            if not isinstance(initializer, keras.Initializer):
                return None
            found.append((weight, _initial_value(weight, initializer)))
        generator = getattr(layer, "seed_generator", None)
        if isinstance(generator, keras.random.SeedGenerator):
            found.append((generator.state, _initial_seed(generator.get_config()["seed"])))
    known = {id(variable) for variable, _ in found}
    if any(id(variable) not in known for variable in model.variables):
        return None
    return found


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
