"""Trains the first configuration on a few rows before the search, so that what every trial would
meet is told at once."""

from collections.abc import Mapping
from typing import Any

import keras_tuner as kt
import numpy as np

from callbacks.registry import CALLBACKS
from hypermodels.base import build_controls
from src import registry
from src.data.loading import Data, FitArrays
from src.errors import UserError
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

    Where that raises, two other configurations are tried: if one of them works, so may a search.
    Test rows are not used; `owner` is how messages call the HyperModel.

    Returns:
        The model, and what it was trained on.

    Raises:
        UserError: if each of them raises, with the user's own line, or if the logs of the epoch
            lack what the search optimises.
    """
    y = data.y[data.train]
    # A batch with the least and the largest target among its rows.
    spread = np.linspace(0, len(y) - 1, min(ROWS, len(y))).astype(int)
    rows = data.train[np.unique([*spread, int(y.argmin()), int(y.argmax())])]
    arrays = data.arrays(rows, data.validation[:ROWS])
    hypermodel = hypermodel_class(arrays.problem, seed=0, plan=plan)
    first: Exception | None = None
    for seed in (None, 1, 2):
        try:
            model, logs = _train(hypermodel, _values(space, seed), arrays, plan, fit_arguments)
        except UserError:
            raise
        except Exception as error:  # a HyperModel or callback of any user's may raise anything
            first = first or error
            continue
        wanted = [("name", plan.monitor), *(("secondary", name) for name in plan.secondary)]
        for key, name in wanted:
            if name not in logs:
                raise UserError(
                    f"objective.{key}: '{name}' is not among what {owner} reports after an "
                    f"epoch: {', '.join(logs)}"
                )
        return model, arrays
    assert first is not None
    lines = [line.strip() for line in str(first).splitlines() if line.strip()]
    message = " ".join(lines[:3])[:600]  # Keras's go on for pages
    users = [registry.load(CALLBACKS, name, "callbacks") for name in CALLBACKS]
    raise UserError(
        f"{owner} fails on its first batch, as every trial would: "
        f"{type(first).__name__}: {message}\n  {own_line(first, hypermodel_class, *users)}"
    ) from first


def _train(
    hypermodel: Any,
    hp: kt.HyperParameters,
    arrays: FitArrays,
    plan: Any,
    fit_arguments: Mapping[str, Any],
) -> tuple[Any, list[str]]:
    """The model, and what it logged."""
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
    return model, list(history.history)


def _values(space: kt.HyperParameters, seed: int | None) -> kt.HyperParameters:
    """The defaults, or a point at random; all rows in one batch."""
    hp = space.copy()
    for parameter in hp.space:
        if hp.is_active(parameter):
            value = parameter.default if seed is None else parameter.random_sample(seed)
            hp.values[parameter.name] = value
    hp.values |= {"batch_size": 0} if "batch_size" in hp.values else {}
    return hp
