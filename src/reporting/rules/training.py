"""Whether plateaus, early stopping and the epochs were set well, and how the winner fits."""

import math

import numpy as np
import pandas as pd

from src.reporting.rules.finding import Finding
from src.reporting.text import count

FEWEST = 4  # trials, below which "always" and "never" say nothing


def plateaus_never_fired(completed: pd.DataFrame, history: pd.DataFrame) -> list[Finding]:
    """Plateau callbacks that never lowered the rate of an epoch, whatever the schedule did to it.

    Args:
        completed: the trials, with the column `plateau`.
        history: with `plateau_scale`, what the cuts had made of the rate, by `trial_id`.
    """
    if "plateau" not in completed.columns or "plateau_scale" not in history.columns:
        return []
    watched = completed.loc[_true(completed["plateau"]), "trial_id"]
    scales = history.loc[history["trial_id"].isin(watched), "plateau_scale"].dropna()
    if len(watched) < FEWEST or not len(scales) or (scales < 1).any():
        return []
    return [
        Finding(
            "warning",
            f"The plateau never lowered the rate in any of the {len(watched)} trials that have "
            "it: lower `space.plateau_patience`, raise `training.epochs`, or pin "
            "`space.plateau=false`.",
        )
    ]


def stopped_early(completed: pd.DataFrame, epochs: int | None, fits: int = 1) -> list[Finding]:
    """How many trials were stopped early, and at which epoch.

    Args:
        completed: the trials.
        epochs: the most that a fit may train.
        fits: of a trial.
    """
    found = []
    for stopped_by, what in (
        ("pruner", "The pruner ended"),
        ("limit", "A limit of the search ended"),
    ):
        reached = completed.loc[
            (completed["stopped_by"] == stopped_by).to_numpy(), "reached"
        ].dropna()
        if len(reached):
            of = f" of {epochs}" if epochs is not None else ""
            of += " in their last fit" if fits > 1 else ""
            text = (
                f"{what} {len(reached)} of {count(len(completed), 'completed trial')} before their "
                f"time, after {float(reached.astype(float).mean()):.3g} epochs{of} on average: "
                "their scores are what they had reached by then."
            )
            found.append(Finding("note", text))
    return found


def early_stopping_always(
    completed: pd.DataFrame, epochs: int | None, patience: str = "early_stopping_patience"
) -> list[Finding]:
    """Early stopping that ended every trial well before the last epoch.

    Args:
        completed: the trials of a search without rungs.
        epochs: the most that a trial may train.
        patience: the column of the patience; trials where it is 0 do not count.
    """
    if epochs is None or patience not in completed.columns:
        return []
    counted = completed[pd.to_numeric(completed[patience], errors="coerce") > 0]
    reached = counted["epochs"].dropna().astype(float)
    if len(reached) < FEWEST or not (reached < epochs).all():
        return []
    longest = int(reached.max())
    if longest > 0.9 * epochs:
        return []
    return [
        Finding(
            "note",
            f"Early stopping ended all {len(reached)} trials, the longest at epoch {longest} of "
            f"{epochs}: `training.epochs={_rounded_up(longest * 1.15)}` would lose nothing, and "
            "schedules would run to their end.",
        )
    ]


def longer_training(completed: pd.DataFrame, epochs: int | None) -> int | None:
    """Epochs to train for, if good trials had their best epoch among the last ones; else None.

    Args:
        completed: the trials, best first.
        epochs: the most that a trial may train.
    """
    if epochs is None or epochs < 5 or len(completed) < FEWEST:
        return None
    top = completed.head(max(3, len(completed) // 5))
    late = (top["best_epoch"].astype(float) >= 0.95 * epochs).to_numpy()
    return 2 * epochs if late[0] and late.mean() >= 0.6 else None


def still_improving(completed: pd.DataFrame, epochs: int | None) -> list[Finding]:
    """Says so, for the same arguments as `longer_training`."""
    longer = longer_training(completed, epochs)
    if longer is None:
        return []
    text = "The best trials were still improving at the last epoch: train longer, "
    return [Finding("warning", f"{text}`training.epochs={longer}`.")]


def winner_fit(curves: pd.DataFrame, objective: str, direction: str) -> list[Finding]:
    """Under- or overfitting of the winner, from its curves.

    Overfitting: from the best epoch on, the validation loss rises by a tenth while the training
    loss falls. A gap: the objective is much better in training than in validation at the best
    epoch. Underfitting: no gap, and both losses still fall at the end.

    Args:
        curves: a row an epoch, indexed by it: `loss`, `val_loss`, and the objective with and
            without `val_`; those missing are passed over.
        objective: name of the score.
        direction: `max` or `min`.
    """
    if not {"loss", "val_loss"} <= set(curves.columns):
        return []
    known = curves[np.isfinite(curves[["loss", "val_loss"]].to_numpy(float)).all(axis=1)]
    if len(known) < 4:
        return []
    loss, val_loss = known["loss"].to_numpy(float), known["val_loss"].to_numpy(float)
    best = _best_row(known, objective, direction)
    bottom = int(np.argmin(val_loss))
    rise = val_loss[-1] / val_loss[bottom] - 1 if val_loss[bottom] > 0 else 0.0
    if rise > 0.1 and loss[-1] < loss[bottom] and bottom < len(known) - 2:
        epoch = known.index[bottom]
        return [
            Finding(
                "note",
                f"The winner overfits from epoch {epoch} on: its validation loss rises by "
                f"{rise:.0%} while its training loss falls. The weights kept are those of epoch "
                f"{known.index[best]}; more `dropout` or `weight_decay` may help.",
            )
        ]
    gap = _gap(known, objective, direction, best)
    if gap is not None and gap[2]:
        return [
            Finding(
                "note",
                f"The winner fits its training rows far better than new ones ({gap[0]:.4g} against "
                f"{gap[1]:.4g} at its best epoch): more data or regularisation may help.",
            )
        ]
    tail = max(2, len(known) // 5)
    falling = _falls(loss[-tail - 1 :]) and _falls(val_loss[-tail - 1 :])
    if falling and best >= len(known) - 2 and val_loss[-1] < 1.1 * loss[-1]:
        return [
            Finding(
                "note",
                "The winner may underfit: both its losses still fall at the end, and validation "
                "is no worse than training. More epochs, units or layers may help.",
            )
        ]
    return [Finding("good", "The winner's curves show neither over- nor underfitting.")]


def _best_row(known: pd.DataFrame, objective: str, direction: str) -> int:
    if objective not in known.columns or known[objective].isna().all():
        return int(np.argmin(known["val_loss"].to_numpy(float)))
    values = known[objective].to_numpy(float)
    return int(np.nanargmax(values) if direction == "max" else np.nanargmin(values))


def _gap(
    known: pd.DataFrame, objective: str, direction: str, best: int
) -> tuple[float, float, bool] | None:
    """The objective in training and validation at the best epoch, and whether they are far apart.

    Errors are compared as parts: what is missing to 1 of a score, or the error itself.
    """
    train = objective.removeprefix("val_")
    if train == objective or not {train, objective} <= set(known.columns):
        return None
    fitted, seen = float(known[train].iloc[best]), float(known[objective].iloc[best])
    if not (math.isfinite(fitted) and math.isfinite(seen)):
        return None
    wrong = (1 - fitted, 1 - seen) if direction == "max" else (fitted, seen)
    far = wrong[1] > 2 * max(wrong[0], 0.0) and wrong[1] - max(wrong[0], 0.0) > 0.02 * _size(seen)
    return fitted, seen, far


def _size(value: float) -> float:
    return max(abs(value), 1e-12)


def _falls(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bool:
    """Whether a curve falls by more than a hundredth from its beginning to its end."""
    return bool(values[-1] < 0.99 * values[0])


def _rounded_up(epochs: float) -> int:
    step = 10 if epochs > 30 else 5 if epochs > 10 else 1
    return int(math.ceil(epochs / step) * step)


def _true(column: pd.Series) -> pd.Series:
    return column.astype(str).str.lower() == "true"
