"""Which number a search optimises, in which direction, checked before the first trial."""

import keras_tuner as kt

from hypermodels.losses import LOSS_HYPERPARAMETERS
from hypermodels.problem import Task
from src.config.objectives import COSTS, KNOWN_DIRECTIONS
from src.config.schema import ObjectiveSettings
from src.errors import UserError, nearest
from src.tuners import space as spaces

DEFAULTS: dict[Task, str] = {
    "binary": "val_accuracy",
    "multiclass": "val_accuracy",
    "regression": "val_rmse",
}


def resolve_objective(
    settings: ObjectiveSettings,
    task: Task,
    metric_names: tuple[str, ...],
    space: kt.HyperParameters,
) -> kt.Objective:
    """Returns the objective with its direction.

    Args:
        settings: the configuration's `objective`.
        task: decides what `auto` stands for.
        metric_names: metrics that the HyperModel can report, without `val_`.
        space: the narrowed space.

    Raises:
        UserError: if the models will not report the objective, or it is the validation loss while
            the loss itself is searched.
    """
    name = DEFAULTS[task] if settings.name == "auto" else settings.name
    valid = [f"val_{metric}" for metric in metric_names] + ["val_loss"]
    if name not in valid:
        hint = "" if name in KNOWN_DIRECTIONS else nearest(name, valid)  # it is not misspelt
        raise UserError(
            f"objective.name: '{name}' is not reported for {task} data.{hint} "
            f"Valid: {', '.join(valid)}"
        )
    if name == "val_loss":
        _check_loss("objective.name", space, valid)
    direction = settings.resolved_direction or KNOWN_DIRECTIONS[name]
    return kt.Objective(name, direction)


def resolve_also(
    settings: ObjectiveSettings,
    objective: kt.Objective,
    task: Task,
    metric_names: tuple[str, ...],
    space: kt.HyperParameters,
) -> tuple[kt.Objective, ...]:
    """Returns what counts beside the objective, each with its direction.

    Args:
        settings: the configuration's `objective`.
        objective: what the search optimises.
        task: for messages.
        metric_names: metrics that the HyperModel can report, without `val_`.
        space: the narrowed space.

    Raises:
        UserError: for a name that is not known, whose direction is not, or that is there twice.
    """
    reported = [f"val_{metric}" for metric in metric_names] + ["val_loss"]
    known = [name for name in reported if name in KNOWN_DIRECTIONS]
    valid = [*COSTS, *(name for name in known if name != objective.name)]
    found: dict[str, kt.Objective] = {}
    for name in settings.secondary:
        if name == objective.name or name in found:
            why = "is there twice" if name in found else "is what the search optimises already"
            raise UserError(f"objective.secondary: '{name}' {why}; leave it out")
        if name not in valid:
            why = f"is not reported for {task} data.{nearest(name, valid)}"
            if name in reported:
                why = "has no direction that is known."
            raise UserError(f"objective.secondary: '{name}' {why} Valid: {', '.join(valid)}")
        if name == "val_loss":
            _check_loss("objective.secondary", space, reported)
        direction = "min" if name in COSTS else KNOWN_DIRECTIONS[name]
        found[name] = kt.Objective(name, direction)
    return tuple(found.values())


def _check_loss(key: str, space: kt.HyperParameters, valid: list[str]) -> None:
    searched = sorted(LOSS_HYPERPARAMETERS & spaces.searched_names(space))
    if searched:
        raise UserError(
            f"{key}: 'val_loss' cannot compare trials while {', '.join(searched)} "
            f"change the loss; pin them, or use {', '.join(valid[:-2])} or {valid[-2]}"
        )
