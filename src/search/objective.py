"""What a search optimises, and settings for classes, checked before the first trial."""

import keras_tuner as kt
import numpy as np

from hypermodels.losses import LOSS_HYPERPARAMETERS
from hypermodels.problem import Task
from src.config import Config
from src.config.objectives import COSTS, KNOWN_DIRECTIONS
from src.config.schema import ObjectiveSettings
from src.data.loading import Data
from src.errors import UserError, nearest
from src.records import Objective
from src.tuners import space as spaces

DEFAULTS: dict[Task, str] = {
    "binary": "val_accuracy",
    "multiclass": "val_accuracy",
    "regression": "val_rmse",
}
RANKED = ("val_auc", "val_pr_auc")
"""Objectives that are not defined where a class has no validation row."""


def resolve_objective(
    settings: ObjectiveSettings,
    task: Task,
    metric_names: tuple[str, ...],
    space: kt.HyperParameters,
) -> Objective:
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
    _check_loss("objective.name", name, space, valid)
    return Objective(name, settings.resolved_direction or KNOWN_DIRECTIONS[name])


def resolve_secondary(
    settings: ObjectiveSettings,
    objective: Objective,
    task: Task,
    metric_names: tuple[str, ...],
    space: kt.HyperParameters,
) -> tuple[Objective, ...]:
    """Returns what counts beside `objective`, each with its direction; see `resolve_objective`.

    Raises:
        UserError: for a name that is not known, whose direction is not, or that is there twice.
    """
    reported = [f"val_{metric}" for metric in metric_names] + ["val_loss"]
    known = [name for name in reported if name in KNOWN_DIRECTIONS]
    valid = [*COSTS, *(name for name in known if name != objective.name)]
    found: dict[str, Objective] = {}
    for name in settings.secondary:
        if name == objective.name or name in found:
            why = "is there twice" if name in found else "is what the search optimises already"
            raise UserError(f"objective.secondary: '{name}' {why}; leave it out")
        if name not in valid:
            why = f"is not reported for {task} data.{nearest(name, valid)}"
            if name in reported:
                why = "has no direction that is known."
            raise UserError(f"objective.secondary: '{name}' {why} Valid: {', '.join(valid)}")
        _check_loss("objective.secondary", name, space, reported)
        found[name] = Objective(name, "min" if name in COSTS else KNOWN_DIRECTIONS[name])
    return tuple(found.values())


def _check_loss(key: str, name: str, space: kt.HyperParameters, valid: list[str]) -> None:
    searched = sorted(LOSS_HYPERPARAMETERS & spaces.searched_names(space))
    if name == "val_loss" and searched:
        raise UserError(
            f"{key}: 'val_loss' cannot compare trials while {', '.join(searched)} "
            f"change the loss; pin them, or use {', '.join(valid[:-2])} or {valid[-2]}"
        )


def check_task(config: Config, task: Task) -> None:
    """Raises `UserError` if a setting for classes is used with another task."""
    class_weight, threshold = config.data.class_weight, config.objective.threshold
    if class_weight != "none" and task == "regression":
        raise UserError(
            f"data.class_weight: '{class_weight}' is for classes, and the task is regression; "
            "valid here: none. If the target's numbers are classes, set data.task"
        )
    if threshold != "default" and task != "binary":
        raise UserError(
            f"objective.threshold: '{threshold}' is for binary tasks, and the task is {task}; "
            "valid here: default"
        )


def check_validation_classes(config: Config, data: Data, objective: Objective) -> None:
    """Raises `UserError` if validation rows lack a class that judging them needs."""
    if objective.name in RANKED:
        needing = f"objective.name: '{objective.name}'"
    elif config.objective.threshold == "tuned":
        needing = "objective.threshold: 'tuned'"
    else:
        return
    for _, validation in data.folds(config.tuner.folds):
        counts = np.bincount(data.y[validation], minlength=len(data.class_names))
        if not counts.all():
            name = data.class_names[int(counts.argmin())]
            raise UserError(
                f"{needing} needs validation rows of every class, and of '{name}' there is none "
                f"among {len(validation)}. Valid: a larger data.validation_fraction (it is "
                f"{config.data.validation_fraction}), or tuner.folds above 1"
            )
