"""Settings for classes of unequal size, checked before the search."""

import numpy as np

from hypermodels.problem import Task
from src.config import Config
from src.data.loading import Data
from src.errors import UserError
from src.records import Objective

RANKED = ("val_auc", "val_pr_auc")
"""Objectives that are not defined where a class has no validation row."""


def check_task(config: Config, task: Task) -> None:
    """Raises `UserError` if a setting for classes, or for two of them, is used with another task.

    Args:
        config: the configuration.
        task: that of the data.
    """
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
    """Raises `UserError` if validation rows lack a class that judging them needs.

    Args:
        config: the configuration.
        data: its rows.
        objective: what the search optimises.
    """
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
