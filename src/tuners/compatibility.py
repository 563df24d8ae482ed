"""Checks that the settings of tuner and pruner go together and have an effect.

Which settings those are, the classes say themselves.
"""

from typing import Any

from src.config.schema import Config, TunerSettings
from src.errors import UserError
from src.tuners.oracle import SearchOracle
from src.tuners.pruners import Pruner

COMMON = {*TunerSettings.model_fields} - {"factor", "hyperband_iterations", "grid_points"}
"""The settings in the section `tuner` that are for every tuner."""


def check_compatibility(config: Config, tuner: type[SearchOracle], pruner: type[Pruner]) -> None:
    """Raises `UserError` if a setting has no effect with the classes that the configuration names,
    or if they do not go together.
    """
    _check_effect("tuner", config.tuner, {*COMMON, *tuner.settings})
    _check_effect("pruner", config.pruner, {"name", *pruner.settings})
    name = f"tuner.name={config.tuner.name}"
    if tuner.has_rungs and config.tuner.folds > 1:
        raise UserError(
            f"tuner.folds: {config.tuner.folds} does not go with {name}, which compares the rungs "
            "of one split. Valid: 1"
        )
    if tuner.has_rungs and pruner is not Pruner:
        raise UserError(
            f"pruner.name: '{config.pruner.name}' does not go with {name}, which stops trials at "
            "its rungs. Valid: none"
        )
    if config.tuner.points_to_evaluate and not tuner.takes_points:
        raise UserError(
            f"tuner.points_to_evaluate: has no effect with {name}, which has an order of its own; "
            "give its points with space.<name>"
        )
    if config.tuner.warm_start is not None and not tuner.uses_warm_start:
        raise UserError(
            f"tuner.warm_start: {config.tuner.warm_start}: {name} cannot learn from the trials of "
            "another run. Choose a tuner that can (README.md says which), or only take the best "
            "configuration: tuner.points_to_evaluate=RUN/best/hyperparameters.yaml"
        )


def _check_effect(section: str, settings: Any, used: set[str]) -> None:
    for key, field in type(settings).model_fields.items():
        value = getattr(settings, key)
        if key not in used and value != field.default:
            raise UserError(
                f"{section}.{key}: {value} has no effect with {section}.name={settings.name}"
            )
