"""Builds and trains models with Keras's own parts, where `hypermodels/training/` was deleted.

`hypermodels/training/__init__.py` has the same names; `parts.py` chooses between the two.
"""

from collections.abc import Sequence
from typing import Any

import keras

# Whether metrics may need all predictions of an epoch at once, and callbacks may change the batch
# size and the strengths of penalties. Such metrics and callbacks are left out otherwise.
WHOLE_EPOCHS = False
MOST_MODELS = 1  # that `TracedModels` keeps
Dropout = keras.layers.Dropout
Model = keras.Model


def optimizer_class(name: str) -> Any:
    """Returns the class of this name in `keras.optimizers`."""
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
