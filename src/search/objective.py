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


def resolve_objectives(
    settings: ObjectiveSettings,
    task: Task,
    metric_names: tuple[str, ...],
    space: kt.HyperParameters,
) -> tuple[Objective, tuple[Objective, ...]]:
    """Returns the objective and the secondary objectives, each with its direction.

    Args:
        settings: the configuration's `objective`.
        task: decides what `auto` stands for.
        metric_names: metrics that the HyperModel can report, without `val_`.
        space: the narrowed space.

    Raises:
        UserError: for a name that the models will not report, that is there twice, or whose
            direction is not known; for the validation loss while the loss itself is searched.
    """
    name = DEFAULTS[task] if settings.name == "auto" else settings.name
    reported = [f"val_{metric}" for metric in metric_names] + ["val_loss"]
    if name not in reported:
        hint = "" if name in KNOWN_DIRECTIONS else nearest(name, reported)  # it is not misspelt
        raise UserError(
            f"objective.name: '{name}' is not reported for {task} data.{hint} "
            f"Valid: {', '.join(reported)}"
        )
    _check_loss("objective.name", name, space, reported)
    objective = Objective(name, settings.resolved_direction or KNOWN_DIRECTIONS[name])

    known = [other for other in reported if other in KNOWN_DIRECTIONS]
    valid = [*COSTS, *(other for other in known if other != name)]
    found: dict[str, Objective] = {}
    for other in settings.secondary:
        if other == name or other in found:
            why = "is there twice" if other in found else "is what the search optimises already"
            raise UserError(f"objective.secondary: '{other}' {why}; leave it out")
        if other not in valid:
            why = f"is not reported for {task} data.{nearest(other, valid)}"
            if other in reported:
                why = "has no direction that is known."
            raise UserError(f"objective.secondary: '{other}' {why} Valid: {', '.join(valid)}")
        _check_loss("objective.secondary", other, space, reported)
        found[other] = Objective(other, "min" if other in COSTS else KNOWN_DIRECTIONS[other])
    return objective, tuple(found.values())


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
