"""Objectives whose direction needs no setting; read by `--help`, which imports no pydantic."""

from typing import Literal

KNOWN_DIRECTIONS: dict[str, Literal["min", "max"]] = {
    "val_accuracy": "max",
    "val_auc": "max",
    "val_balanced_accuracy": "max",
    "val_f1": "max",
    "val_log_loss": "min",
    "val_loss": "min",
    "val_mae": "min",
    "val_pr_auc": "max",
    "val_r2": "max",
    "val_rmse": "min",
}
"""Metrics whose better direction is common knowledge; any other needs `objective.direction`."""
