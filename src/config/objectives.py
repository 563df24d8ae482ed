"""Objectives: their directions, and what files call them; `--help` reads it without pydantic."""

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

COSTS = ("parameters", "prediction_seconds")
"""What `objective.secondary` may name beside metrics; less is better."""


def judged_metric(objective: str) -> str:
    """What best/metrics.json calls an objective; a loss of the model's own is not there."""
    name = objective.removeprefix("val_")
    return "roc_auc" if name == "auc" else name
