"""One trial: promotion, seeds, one preprocessing for all."""

import functools
from pathlib import Path
from typing import Any

import pytest

from callbacks import TrainingPlan
from src.config import load_config
from src.config.schema import Config, TrainingSettings
from src.errors import DiskError
from src.execution.executor import RunContext
from src.execution.trial_runner import TrialRunner
from src.records import TrialResult, TrialSpec
from src.search.preparation import prepare
from src.store import training_state
from src.store.run_directory import RunDirectory
from tests.conftest import TINY
from tests.selection import slow_but

EPOCHS = 9
VALUES = (
    "space.units=8",
    "space.normalization=batch",
    "space.batch_size=16",
    "space.learning_rate=0.01",
    "space.initializer=glorot_uniform",
)


@functools.cache
def configuration(*overrides: str) -> tuple[Any, Any, dict[str, Any]]:
    """Data, objective and a trial's hyperparameters, the same at once and in rungs."""
    config = load_config("quick", [*TINY, *VALUES, f"training.epochs={EPOCHS}", *overrides])
    prepared = prepare(config)
    hp = prepared.oracle.create_trial("slot0").hyperparameters
    return prepared.data, prepared.objective, hp.get_config()


def run_rungs(
    folder: Path,
    rungs: list[int],
    *overrides: str,
    stream: bool = False,
    unit: Any = "epoch",
    planned: int = EPOCHS,
) -> list[TrialResult]:
    """Trains one configuration in rungs that end at the given epochs."""
    data, objective, hyperparameters = configuration(*overrides)
    plan = TrainingPlan(planned, objective.name, objective.direction, unit)
    batches: Any = "stream" if stream else "memory"
    config = Config(seed=7, training=TrainingSettings(batches=batches))
    context = RunContext(config, data, plan, RunDirectory(folder))
    runner = TrialRunner(context)
    results = []
    reached = 0
    for number, epochs in enumerate(rungs):
        spec = TrialSpec(
            trial_id=f"000{number}",
            root_id="0000",
            parent_id=f"000{number - 1}" if number else None,
            hyperparameters=hyperparameters,
            initial_epoch=reached,
            epochs=epochs,
            keep_state=True,
        )
        results.append(runner.run(spec))
        assert results[-1].status == "COMPLETED", results[-1].reason
        reached = epochs
    return results


def rows(results: list[TrialResult]) -> list[dict[str, Any]]:
    return [row for result in results for row in result.history]


STEP = ("space.schedule=step", "space.schedule_every=2", "space.schedule_factor=0.5")


@pytest.mark.parametrize(
    ("overrides", "unit"),
    [
        (("space.optimizer=nesterov", "space.dropout=0.3", "space.schedule=exponential"), "step"),
        (
            (
                *("space.optimizer=rmsprop", "space.dropout=0.1", "space.plateau=true"),
                *("space.plateau_patience=20", *STEP),
            ),
            "epoch",
        ),
    ],
)
def test_trap_a_promotion_continues_as_if_it_had_never_stopped(
    tmp_path: Path, overrides: tuple[str, ...], unit: str
) -> None:
    pins = ("space.early_stopping_patience=0", "seed=3", *overrides)
    at_once = run_rungs(tmp_path / "at_once", [9], *pins, unit=unit)
    in_rungs = run_rungs(tmp_path / "in_rungs", [1, 3, 9], *pins, unit=unit)
    assert len(rows(at_once)) == 9
    assert rows(in_rungs) == rows(at_once)
    last, whole = in_rungs[-1].fits[0], at_once[0].fits[0]
    assert (last.score, last.best_epoch, last.metrics) == (
        whole.score,
        whole.best_epoch,
        whole.metrics,
    )
    assert in_rungs[-1].epochs == 9
    states = [
        training_state.read(RunDirectory(folder).training_state(trial_id, 0)).state["callbacks"]
        for folder, trial_id in ((tmp_path / "at_once", "0000"), (tmp_path / "in_rungs", "0002"))
    ]
    assert states[0] == states[1]
    assert states[1]["divergence"]["first_loss"] == rows(in_rungs)[0]["loss"]
    if STEP[0] in overrides:  # every second epoch of all nine, not of a rung's
        rates = [row["learning_rate"] for row in rows(in_rungs)]
        assert rates == pytest.approx([0.01 * 0.5 ** (epoch // 2) for epoch in range(9)])


EVERYTHING = (
    *("space.warmup=exponential", "space.warmup_unit=step", "space.warmup_steps=40"),
    *("space.schedule=one_cycle", "space.plateau=true", "space.plateau_patience=2"),
    *(
        "space.plateau_cooldown=1",
        "space.batch_schedule=plateau",
        "space.batch_schedule_patience=3",
    ),
    *(
        "space.batch_schedule_cap=64",
        "space.batch_schedule_factor=1.5",
        "space.regularizer=l2",
        "space.regularization_schedule=gap",
    ),
    *("space.regularization_patience=1", "space.ema=true", "space.ema_momentum=0.9"),
    "space.early_stopping_patience=26",
)


RUNGS = (
    (("space.optimizer=momentum", "space.dropout=0.3", *EVERYTHING), "step"),
    (("space.optimizer=adamw", "space.dropout=0.3", "space.batch_schedule=random"), "epoch"),
    (("space.optimizer=momentum", "space.dropout=0.0", "space.schedule=cosine"), "epoch"),
    (("space.optimizer=adam", "space.dropout=0.0", *EVERYTHING), "epoch"),
    (("space.optimizer=adam", "space.dropout=0.3", "space.schedule=cosine"), "step"),
)


@pytest.mark.parametrize("rungs", slow_but(RUNGS, RUNGS[:2]))
def test_27_epochs_at_once_are_rungs_of_3_9_and_27(tmp_path: Path, rungs: Any) -> None:
    overrides, unit = rungs
    pins = ("space.early_stopping_patience=0", "seed=3", "training.epochs=27", *overrides)
    at_once = run_rungs(tmp_path / "at_once", [27], *pins, unit=unit, planned=27)
    in_rungs = run_rungs(tmp_path / "in_rungs", [3, 9, 27], *pins, unit=unit, planned=27)
    assert len(rows(at_once)) == 27
    assert rows(in_rungs) == rows(at_once)
    last, whole = in_rungs[-1].fits[0], at_once[0].fits[0]
    assert (last.score, last.best_epoch, last.metrics) == (
        whole.score,
        whole.best_epoch,
        whole.metrics,
    )
    files = [
        (run.weights(trial_id, 0, 0).read_bytes(), run.training_state(trial_id, 0).read_bytes())
        for run, trial_id in (
            (RunDirectory(tmp_path / "at_once"), "0000"),
            (RunDirectory(tmp_path / "in_rungs"), "0002"),
        )
    ]
    assert files[0] == files[1]
    if EVERYTHING[0] in overrides:  # all of it has acted, the rate in every rung
        values = {
            name: [row[name] for row in rows(at_once)]
            for name in ("learning_rate", "batch_size", "l2")
        }
        assert all(len(set(found)) > 1 for found in values.values()), values
        rates = values["learning_rate"]
        assert all(len(set(part)) > 1 for part in (rates[:3], rates[3:9], rates[9:]))


def test_a_promotion_of_a_trial_that_stopped_early_trains_nothing_more(tmp_path: Path) -> None:
    # A rate of almost nothing: no epoch after the first is better, and patience ends it at 3.
    pins = ("space.early_stopping_patience=2", "space.learning_rate=1e-9", "space.dropout=0.0")
    for until in (5, 3):  # stopped within the rung, and at its very end
        first, second = run_rungs(
            tmp_path / f"until{until}", [until, 9], *pins, "space.optimizer=adam"
        )
        assert first.epochs == second.epochs == 3
        assert second.history == ()
        assert (second.score, second.best_epoch) == (first.score, first.best_epoch)


def test_histories_tell_the_batch_size_and_the_rate_of_each_epoch(tmp_path: Path) -> None:
    pins = ("space.early_stopping_patience=0", "space.optimizer=adam", "space.batch_size=full")
    schedule = ("space.schedule=linear", "space.schedule_final=0.1")
    result = run_rungs(tmp_path, [9], *pins, *schedule)[0]
    assert {row["batch_size"] for row in result.history} == {90}
    rates = [row["learning_rate"] for row in result.history]
    assert rates == pytest.approx([0.01 * (1 - 0.9 * epoch / 9) for epoch in range(9)])
    assert [row["epoch"] for row in result.history] == list(range(1, 10))


def test_a_schedule_by_the_step_trains_otherwise_and_logs_the_same_rates(tmp_path: Path) -> None:
    pins = ("space.early_stopping_patience=0", "space.optimizer=adam", "space.schedule=cosine")
    by_epoch, by_step = (run_rungs(tmp_path / u, [9], *pins, unit=u) for u in ("epoch", "step"))
    rates, losses = (
        [[row[name] for row in rows(results)] for results in (by_epoch, by_step)]
        for name in ("learning_rate", "loss")
    )
    assert rates[0] == rates[1]
    assert rates[0] == sorted(set(rates[0]), reverse=True)
    assert not set(losses[0]) & set(losses[1])


@pytest.mark.parametrize("content", [None, b"PK\x03\x04"])
def test_a_training_state_that_cannot_be_read_is_the_disks_fault_and_fails_no_trial(
    content: bytes | None, tmp_path: Path
) -> None:
    run_rungs(tmp_path, [1], "space.optimizer=adam")
    state = RunDirectory(tmp_path).training_state("0000", 0)
    state.unlink()
    if content is not None:
        state.write_bytes(content)
    config = load_config("quick", [*TINY, *VALUES, "space.optimizer=adam"])
    prepared = prepare(config)
    hp = prepared.oracle.create_trial("slot0").hyperparameters
    plan = TrainingPlan(EPOCHS, prepared.objective.name, prepared.objective.direction)
    runner = TrialRunner(RunContext(config, prepared.data, plan, RunDirectory(tmp_path)))
    spec = TrialSpec("0001", "0000", "0000", hp.get_config(), 1, 3, keep_state=True)
    with pytest.raises(DiskError, match=r"execution0\.state\.npz: .* cannot be read"):
        runner.run(spec)
