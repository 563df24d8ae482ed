"""What `hypermodels/training/` has, from Keras's own parts: for where that folder was deleted."""

from collections.abc import Sequence
from typing import Any

import keras

WHOLE_EPOCHS = False  # nor, therefore, metrics on request and callbacks with `needs_variable`
MOST_MODELS = 1  # that `TracedModels` keeps
Dropout = keras.layers.Dropout
Model = keras.Model


def optimizer_class(name: str) -> Any:
    """The class in `keras.optimizers`."""
    return getattr(keras.optimizers, name)


def add_metrics(*_: Any) -> None:
    """Adds nothing to the compiled metrics."""


def fit(
    model: keras.Model,
    training: Sequence[Any],
    validation: Sequence[Any] | None = None,
    *,
    batch_size: int,
    seed: int,  # noqa: ARG001  Keras shuffles the rows by its global seed
    stream: bool = False,  # noqa: ARG001
    callbacks: Sequence[Any] = (),
    verbose: int | str = 0,
    **options: Any,
) -> keras.callbacks.History:
    """Calls `fit`; the arguments are those of `EpochModel.fit_epochs`."""
    if model.optimizer.use_ema:
        callbacks = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True), *callbacks]
    x, y, sample_weight = (*training, None)[:3]
    return model.fit(
        x,
        y,
        batch_size or len(x),
        sample_weight=sample_weight,
        validation_data=validation,
        validation_batch_size=16_384,
        callbacks=[*callbacks],
        verbose=verbose,
        **options,
    )


class TracedModels:
    """Builds every trial's model anew."""

    def model(self, hypermodel: Any, hp: Any, seed: int) -> keras.Model:
        """Returns `hypermodel.build(hp)`, with weights drawn from `seed`."""
        keras.utils.set_random_seed(seed)
        return hypermodel.build(hp)

    def discard(self, model: keras.Model) -> None:
        """Forgets a model whose training raised; none is kept."""
