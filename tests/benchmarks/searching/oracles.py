"""Makes the project's oracles: the one place here that knows how `src` does it."""

from collections.abc import Mapping
from typing import Any

import keras_tuner as kt

from src.config.schema import Config
from src.registry import TUNERS, load
from src.seeds import oracle_seed

__all__ = ["OBJECTIVE", "make_oracle", "oracle_seed"]

OBJECTIVE = "score"
"""Name of the objective of every search here."""


def make_oracle(
    settings: Mapping[str, Any],
    *,
    space: kt.HyperParameters,
    direction: str,
    seed: int,
    epochs: int | None = None,
) -> Any:
    """Returns a Keras Tuner oracle.

    Args:
        settings: of the configuration's section `tuner`; `name` is one of `TUNERS`.
        space: its hyperparameters.
        direction: `max` or `min`.
        seed: a user's seed, from which the oracle's is made; different ones are unrelated.
        epochs: of a full training; None for the configuration's default.
    """
    sections: dict[str, Any] = {"tuner": dict(settings)}
    if epochs is not None:
        sections["training"] = {"epochs": epochs}
    return load(TUNERS, settings["name"], "tuner.name").from_config(
        Config.model_validate(sections),
        objective=kt.Objective(OBJECTIVE, direction),
        hyperparameters=space.copy(),
        seed=oracle_seed(seed),
    )
