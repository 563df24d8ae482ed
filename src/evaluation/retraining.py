"""Trains a completed trial anew from several seeds, judges each model on the test rows, exports."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import keras
import pandas as pd

from hypermodels.base import build_controls
from hypermodels.export import plain_network
from src.data.loading import FitArrays
from src.evaluation.export import average_models, export_network, judge, staged, write_facts
from src.evaluation.metrics import Metrics, defined
from src.evaluation.networks import development_arrays, held_out_predictions, refit, refit_seed
from src.evaluation.threshold import Threshold, tune_threshold
from src.evaluation.winner import Winner
from src.execution.executor import RunContext
from src.execution.failures import TrialFailedError
from src.files import sync, write_atomically
from src.records import TrialRecord
from src.signals import TrialInterruptedError
from src.store.run_directory import ExportDirectory, Retrained
from src.tuners.space import restored


@dataclass(frozen=True)
class CompletedTrial:
    """A completed trial, and the exported winner of its search, be it this trial or another."""

    context: RunContext
    record: TrialRecord
    winner: Winner | None


@dataclass(frozen=True)
class Refit:
    """One training: its number from 1, its seed, and test metrics or why the training failed."""

    number: int
    seed: int
    test: Metrics
    reason: str = ""


def threshold_of(trial: CompletedTrial) -> Threshold | None:
    """Returns the decision threshold that the search's settings give a trial; None for 0.5.

    It is tuned on rows that the trial's own fits have not seen, as a refit leaves none. Raises
    `UserError` if the weights of those fits cannot be read.
    """
    context, record, winner = trial.context, trial.record, trial.winner
    if context.config.objective.threshold != "tuned":
        return None
    if winner is not None and winner.record.spec.trial_id == record.spec.trial_id:
        return winner.threshold
    rows, outputs = held_out_predictions(context, record)
    return tune_threshold(context.data.y[rows], outputs, context.plan.monitor)


def left_out(trial: CompletedTrial) -> list[str]:
    """Names of the trial's callbacks that need validation rows."""
    hp = restored(trial.record.spec.hyperparameters)
    controls = build_controls(hp, trial.context.plan).items()
    return [name for name, control in controls if getattr(control, "needs_validation", False)]


def retrain(
    trial: CompletedTrial,
    seeds: int,
    threshold: Threshold | None,
    *,
    ensemble: bool = False,
    on_refit: Callable[[Refit], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[Retrained, dict[str, Any]]:
    """Trains a trial on all development rows, once for each seed, and exports the models.

    The first seed is that of the search's own refit. `ensemble` also exports one model that
    averages those of all seeds. Returns the new folder, which appears whole or not at all, and the
    content of its summary.json. Raises as `export_network` and `refit` do; `TrialFailedError` only
    if every seed fails, or too few are left to average.
    """
    context, record = trial.context, trial.record
    run, trial_id = context.run, record.spec.trial_id
    networks: list[keras.Model] = []
    refits: list[Refit] = []
    try:
        with staged(run.retrained / f".{trial_id}.{os.getpid()}.tmp") as path:
            folder, arrays = Retrained(path), development_arrays(context)
            for number in range(1, seeds + 1):
                seed, test, reason = refit_seed(context, record, number - 1), {}, ""
                try:
                    networks.append(refit(context, record, arrays, seed, stopping))
                    test = _export(trial, folder.seed(number), networks[-1], arrays, threshold)
                except TrialFailedError as error:
                    reason = str(error)
                refits.append(Refit(number, seed, test, reason))
                on_refit(refits[-1])
            if len(networks) < 1 + ensemble:
                reason = next(one.reason for one in refits if one.reason)
                raise TrialFailedError(f"{len(networks)} of {seeds} seeds succeeded: {reason}")
            summary = _summary(trial, refits)
            if ensemble:
                network = average_models(list(map(plain_network, networks)))
                summary["ensemble"] = _export(trial, folder.ensemble, network, arrays, threshold)
            write_atomically(folder.summary, json.dumps(summary, indent=2) + "\n")
            if stopping():
                raise TrialInterruptedError
            return run.new_retrained(trial_id, path), summary
    finally:
        with suppress(OSError):  # empty, if nothing was there before and nothing came
            run.retrained.rmdir()


def _export(
    trial: CompletedTrial,
    folder: ExportDirectory,
    network: keras.Model,
    arrays: FitArrays,
    threshold: Threshold | None,
) -> Metrics:
    """Writes a model and its facts; returns its metrics on the test rows."""
    data, owner = trial.context.data, f"hypermodel.name={trial.context.config.hypermodel.name}"
    folder.path.mkdir()
    model = export_network(folder.model, network, arrays, data, owner)
    test, _ = judge(folder.model, model, data, threshold, owner)
    scores = {"validation": {}, "test": test, "threshold": threshold and asdict(threshold)}
    write_facts(folder, data, trial.record.spec, scores)
    sync(folder.path)
    return test


def _summary(trial: CompletedTrial, refits: Sequence[Refit]) -> dict[str, Any]:
    """Test metrics of each seed, their means and standard deviations where defined."""
    tests = pd.DataFrame([refit.test for refit in refits if not refit.reason], dtype=float)
    summary: dict[str, Any] = {
        "trial_id": trial.record.spec.trial_id,
        "epochs": trial.record.result.best_epoch,
        "seeds": [asdict(refit) for refit in refits],
        "mean": defined(tests.mean(skipna=False)),
        "standard_deviation": defined(tests.std(skipna=False)),
    }
    if (winner := trial.winner) is not None:
        summary["search"] = {"trial_id": winner.record.spec.trial_id, "test": winner.test}
    return summary
