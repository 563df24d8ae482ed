"""A run whose rate, batch size and strengths all change can be followed, epoch by epoch."""

import pytest

from src.reporting import load_history
from src.search import run
from tests.callbacks.test_tensorboard import scalars
from tests.conftest import MakeConfig

CHANGING = (
    *("tuner.max_trials=1", "training.epochs=6", "training.schedule_unit=step"),
    *("space.early_stopping_patience=0", "space.optimizer=adamw", "space.weight_decay=0.01"),
    *("space.learning_rate=0.02", "space.schedule=linear", "space.schedule_final=0.5"),
    *("space.batch_size=8", "space.batch_schedule=step"),
    *("space.batch_schedule_every=0.5", "space.batch_schedule_factor=2.0"),
    *("space.regularizer=l2", "space.l2=0.001", "space.regularization_schedule=linear"),
    "space.regularization_final=7.0",
    *("space.plateau=true", "space.plateau_factor=0.5", "space.plateau_patience=2"),
    *("space.plateau_cooldown=0", "space.plateau_min_delta=1000", "space.plateau_floor=1e-9"),
)
CUTS = [1, 1, 1, 0.5, 0.5, 0.25]  # only the first epoch is an improvement
EXPECTED = {
    "learning_rate": [0.02 * (1 - epoch / 12) * cut for epoch, cut in enumerate(CUTS)],
    "plateau_scale": CUTS,
    "batch_size": [8, 8, 8, 16, 16, 16],
    "l2": [0.001 * (1 + epoch) for epoch in range(6)],
    "weight_decay": [0.01 * (1 + epoch) for epoch in range(6)],
}


def test_in_tensorboard_in_the_history_and_in_the_logs(tiny: MakeConfig) -> None:
    outcome = run(tiny(*CHANGING))
    [record] = outcome.progress.records
    events = scalars(outcome.run.tensorboard / "0000")
    table = load_history(outcome.run)
    keys = ["trial_id", "execution", "fold", "epoch", "learning_rate", "batch_size"]
    assert list(table)[:9] == [*keys, "plateau_scale", "l2", "weight_decay"]
    for name, values in EXPECTED.items():
        assert [row[name] for row in record.result.history] == pytest.approx(values, rel=1e-6)
        assert table[name].tolist() == pytest.approx(values, rel=1e-6)
        assert [step for step, _ in events[name]] == [1, 2, 3, 4, 5, 6]
        assert [value for _, value in events[name]] == pytest.approx(values, rel=1e-6)
    # What is set is no metric of the trial.
    assert not set(EXPECTED) & set(record.result.metrics)


def test_a_schedule_that_is_off_has_no_column(tiny: MakeConfig) -> None:
    pins = ("tuner.max_trials=1", "training.epochs=1", "space.regularizer=none")
    outcome = run(tiny(*pins))
    assert not {"l2", "plateau_scale"} & set(load_history(outcome.run))
