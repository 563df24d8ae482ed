"""Lets models of equal structure share one traced graph."""

from collections import OrderedDict
from collections.abc import Hashable

import keras

MOST_MODELS = 8  # traced models kept, the least recently used one is dropped


class TracedModels:
    """Models that have been trained in this process, by structure.

    Tracing an epoch's graph takes longer than many a small training. Executions and folds of one
    trial, and trials that differ only in what lives in variables, such as the learning rate and the
    batch size, need one trace: the state of a freshly built model, its random generators and its
    optimizer's included, goes into the model that has the trace. Results are bit for bit those of
    the fresh model.
    """

    def __init__(self) -> None:
        self._models: OrderedDict[Hashable, keras.Model] = OrderedDict()

    def reuse(self, structure: Hashable | None, fresh: keras.Model) -> keras.Model:
        """Returns a model in the state of `fresh`, with a trace if there is one.

        Args:
            structure: equal for models that have the same graph; None if that cannot be told.
            fresh: a model that has just been built and compiled.
        """
        if structure is None:
            return fresh
        model = self._models.setdefault(structure, fresh)
        self._models.move_to_end(structure)
        if len(self._models) > MOST_MODELS:
            self._models.popitem(last=False)
        if model is not fresh:
            state = [*fresh.variables, *fresh.optimizer.variables]
            traced = [*model.variables, *model.optimizer.variables]
            for variable, value in zip(traced, state, strict=True):
                variable.assign(value)
        return model
