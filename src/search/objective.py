"""Which number a search optimises, in which direction, checked before the first trial."""

import keras_tuner as kt

from hypermodels.losses import LOSS_HYPERPARAMETERS
from hypermodels.problem import Task
from src.config.objectives import KNOWN_DIRECTIONS
from src.config.schema import ObjectiveSettings
from src.errors import UserError, nearest
from src.search import space as spaces

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
    searched = sorted(LOSS_HYPERPARAMETERS & spaces.searched_names(space))
    if name == "val_loss" and searched:
        raise UserError(
            f"objective.name: 'val_loss' cannot compare trials while {', '.join(searched)} "
            f"change the loss; pin them, or use {', '.join(valid[:-2])} or {valid[-2]}"
        )
    direction = settings.resolved_direction or KNOWN_DIRECTIONS[name]
    return kt.Objective(name, direction)
