"""Made-up runs: real files, written by the project's own classes, of trials that nobody trained."""

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import keras_tuner as kt
import numpy as np
import pandas as pd
import pytest

import callbacks
from src.config import Config, load_config
from src.config.dump import dump_config
from src.messages import SearchEnd
from src.records import FitResult, TrialRecord, TrialResult, TrialSpec
from src.search import preparation
from src.search.identity import search_state
from src.search.listener import Listeners
from src.search.preparation import PreparedSearch
from src.search.progress import SearchProgress
from src.seeds import oracle_seed
from src.store.database import Exported, Store, oracle_state
from src.store.run_directory import RunDirectory, event_suffix
from tests.conftest import report_listeners

Score = Callable[[dict[str, Any]], float | None]
STARTED = 1.7e9  # seconds since 1970
SETTINGS = ("run.workers=1", "data.source=iris", "run.name=run")


def learning_rate_decides(values: dict[str, Any]) -> float | None:
    """Best at a rate of 0.003; a rate above 0.02 fails."""
    rate = float(values["learning_rate"])
    if rate > 0.02:
        return None
    return 0.97 - 0.08 * math.log10(rate / 0.003) ** 2


def make_run(
    folder: Path,
    *overrides: str,
    trials: int = 20,
    epochs: int = 6,
    score: Score = learning_rate_decides,
    end: Literal["finished", "failing", "interrupted"] | None = "finished",
    scalars: bool = False,
) -> RunDirectory:
    """Writes a run into `folder/run` as a search would, and returns it.

    Args:
        folder: of all runs.
        overrides: of the configuration.
        trials: how many have ended.
        epochs: of each trial.
        score: of the hyperparameters; None for a failure.
        end: its kind; None for a search that was killed.
        scalars: whether TensorBoard's scalars are written too.
    """
    prepared = _prepared((*SETTINGS, *overrides, f"training.epochs={epochs}"))
    config = prepared.config.model_copy(
        update={"run": prepared.config.run.model_copy(update={"directory": str(folder)})}
    )
    run = RunDirectory.create(str(folder), "run", config.tuner.name)
    text = dump_config(config, prepared.recorded, run.config)
    run.config.write_text(text)
    oracle = type(prepared.oracle).from_config(
        config,
        objective=kt.Objective(prepared.objective.name, prepared.objective.direction),
        hyperparameters=prepared.space.copy(),
        seed=oracle_seed(config.seed),
    )
    progress = SearchProgress(prepared.objective, trials)
    metrics = prepared.hypermodel.metric_names
    logged = [f"{split}{name}" for split in ("", "val_") for name in ("loss", *metrics)]
    listeners = Listeners(report_listeners(), run)
    state = search_state(config, text, prepared.identity)
    with Store.create(run.database, state, oracle.get_state()) as store:
        with store.transaction():
            store.set({"space": oracle.describe_space(oracle.hyperparameters)})
        listeners.begin(prepared.space, metrics, progress)
        for number in range(trials):
            trial = oracle.create_trial("slot")
            hyperparameters = trial.hyperparameters.get_config()
            spec = TrialSpec(trial.trial_id, trial.trial_id, None, hyperparameters, 0, epochs)
            record = _record(spec, score(spec.values), epochs, prepared.objective.name, logged)
            result = record.result
            trial.status, trial.message = result.status, result.reason
            if result.score is not None:
                oracle.update_trial(trial.trial_id, {prepared.objective.name: result.score})
            oracle.end_trial(trial)
            with store.transaction():
                store.begin_trial(spec)
                store.end_trial(record, trial.score, number)
                store.set(oracle_state(oracle.get_state()))
            listeners.tell("on_trial_begin", spec, progress)
            if scalars:
                _write_scalars(run, record)
            progress.add(record)
            listeners.tell("on_trial_end", record, progress)
        if progress.best is not None:
            _write_winner(run, prepared)
            with store.transaction():
                store.set({"exported": Exported(progress.best.spec.trial_id, 0)})
        if end is not None:
            ended = SearchEnd(end, "all trials are done")
            with store.transaction():
                store.set({"end": ended})
            listeners.tell("on_search_end", ended, progress)
    return run


@cache
def _prepared(overrides: tuple[str, ...]) -> PreparedSearch:
    return prepare_untried(load_config(None, overrides))


def prepare_untried(config: Config) -> PreparedSearch:
    """Like `prepare`, but trains and exports no model on trial."""
    with pytest.MonkeyPatch.context() as patch:
        rehearse_nothing(patch)
        return preparation.prepare(config)


def rehearse_nothing(patch: pytest.MonkeyPatch) -> None:
    """Lets searches begin without a model that is trained and exported on trial."""
    patch.setattr(preparation, "rehearse", lambda *_, **__: (None, None))
    patch.setattr(preparation, "check_export", lambda *_: None)


def _record(
    spec: TrialSpec, score: float | None, epochs: int, objective: str, columns: Sequence[str]
) -> TrialRecord:
    number = int(spec.trial_id)
    rows = []
    for epoch in range(1, epochs + 1):
        value = (score or 0.1) * (1 - 0.5 / epoch) / (1 - 0.5 / epochs)
        row: dict[str, float] = {"execution": 0, "fold": 0, "epoch": epoch, "batch_size": 32}
        row |= {"learning_rate": float(spec.values["learning_rate"])}
        for name in columns:
            row[name] = value if name.endswith("accuracy") else 1.2 - value
        row["accuracy"] = min(1.0, value + 0.01)
        rows.append(row)
    metrics = {name: rows[-1][name] for name in columns}
    fits: tuple[FitResult, ...] = ()
    if score is not None:
        metrics[objective] = score
        fits = (FitResult(0, 0, score, epochs, epochs, metrics),)
    return TrialRecord(
        spec,
        TrialResult(
            status="FAILED" if score is None else "COMPLETED",
            fits=fits,
            reason="loss became nan in epoch 2" if score is None else "",
            traceback="",
            history=tuple(rows),
            parameters=1000 + 10 * number,
            started=STARTED + 3.0 * (number // 2),
            seconds=2.5,
            worker=str(number % 2),
        ),
    )


def _write_scalars(run: RunDirectory, record: TrialRecord) -> None:
    trial_id = record.spec.trial_id
    board = callbacks.TensorBoard(run.tensorboard / trial_id, event_suffix(trial_id))
    board.on_train_begin()
    hidden = ("execution", "fold", "epoch")
    for epoch, row in enumerate(record.result.history):
        board.on_epoch_end(epoch, {name: v for name, v in row.items() if name not in hidden})
    board.on_train_end()


def _write_winner(run: RunDirectory, prepared: PreparedSearch) -> None:
    """Predictions that are right in nine rows of ten."""
    run.best.mkdir()
    generator = np.random.default_rng(0)
    names, size = np.array(prepared.data.class_names), 100
    tables = []
    for split in ("validation", "test"):
        target = np.arange(size) % len(names)
        predicted = np.where(np.arange(size) % 10, target, (target + 1) % len(names))
        noise = generator.dirichlet(np.ones(len(names)), size) * 0.4
        noise[np.arange(size), predicted] += 0.6
        table: dict[str, Any] = {"split": split, "row": range(size)}
        table |= {"target": names[target], "prediction": names[predicted]}
        table |= {f"probability_{name}": noise[:, i] for i, name in enumerate(names)}
        tables.append(pd.DataFrame(table))
    pd.concat(tables).to_csv(run.predictions, index=False)
    scores, guess = {"accuracy": 0.9, "f1": 0.9}, {"accuracy": 0.125, "f1": 0.125}
    content = {
        **{"validation": scores, "test": scores},
        "test_interval": {name: [value * 0.97, value * 1.01] for name, value in scores.items()},
        "baselines": [{"name": "dumb guess", "validation": guess, "test": guess}],
    }
    run.metrics.write_text(json.dumps(content))
