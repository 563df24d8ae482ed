"""Trains the first configuration on a few rows before the search: a mistake is told at once."""

from typing import Any

import keras_tuner as kt
import numpy as np

from callbacks.registry import CALLBACKS
from hypermodels.base import build_controls
from src import registry
from src.data.loading import Data, FitArrays
from src.errors import UserError
from src.tuners.space import default_values
from src.tuners.user_code import own_line

ROWS = 32


def rehearse(
    hypermodel_class: type,
    data: Data,
    space: kt.HyperParameters,
    plan: Any,
    owner: str,
    **fit_arguments: Any,
) -> tuple[Any, FitArrays]:
    """Builds the space's default model, trains it for one batch and validates it.

    Test rows are not used; `owner` is how messages call the HyperModel.

    Returns:
        The model, and what it was trained on.

    Raises:
        UserError: if that raises, with the user's own line, or if the logs of the epoch lack what
            the search optimises.
    """
    y = data.y[data.train]
    # A batch with the least and the largest target among its rows.
    spread = np.linspace(0, len(y) - 1, min(ROWS, len(y))).astype(int)
    rows = data.train[np.unique([*spread, int(y.argmin()), int(y.argmax())])]
    arrays = data.arrays(rows, data.validation[:ROWS])
    hypermodel = hypermodel_class(arrays.problem, seed=0, plan=plan)
    hp = space.copy()
    hp.values = default_values(space.space)
    hp.values |= {"batch_size": 0} if "batch_size" in hp.values else {}  # all rows at once
    try:
        model = hypermodel.build(hp)
        history = hypermodel.fit(
            hp,
            model,
            arrays.x,
            arrays.y,
            validation_data=(arrays.x_validation, arrays.y_validation),
            controls=build_controls(hp, plan).values(),
            **fit_arguments,
        )
    except UserError:
        raise
    except Exception as error:  # a HyperModel or callback of any user's may raise anything
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        message = " ".join(lines[:3])[:600]  # Keras's go on for pages
        users = [registry.load(CALLBACKS, name, "callbacks") for name in CALLBACKS]
        raise UserError(
            f"{owner} fails on the first batch of its first configuration: "
            f"{type(error).__name__}: {message}\n  {own_line(error, hypermodel_class, *users)}"
        ) from error
    wanted = [("name", plan.monitor), *(("secondary", name) for name in plan.secondary)]
    for key, name in wanted:
        if name not in history.history:
            raise UserError(
                f"objective.{key}: '{name}' is not among what {owner} reports after an epoch: "
                f"{', '.join(history.history)}"
            )
    return model, arrays
