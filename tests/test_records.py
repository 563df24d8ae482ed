"""Score, spread, epochs and values of a trial, whatever became of it."""

import pickle
from dataclasses import replace

import pytest

from src.records import FitResult, TrialResult, TrialSpec


def fit(score: float, best_epoch: int, epochs: int, execution: int = 0) -> FitResult:
    metrics = {"val_accuracy": score, "loss": 2 * score}
    return FitResult(execution, 0, score, best_epoch, epochs, metrics)


RESULT = TrialResult(
    status="COMPLETED",
    fits=(fit(0.5, 3, 10), fit(0.7, 4, 8, execution=1), fit(0.9, 8, 12, execution=2)),
    reason="",
    traceback="",
    history=tuple({"epoch": float(epoch), "loss": 1.0} for epoch in (1, 2, 12, 3)),
    parameters=100,
    started=0.0,
    seconds=1.0,
    worker="main",
)
FAILED = replace(RESULT, status="FAILED", fits=RESULT.fits[:1], reason="the loss was NaN")
SPEC = TrialSpec(
    trial_id="0003",
    root_id="0001",
    parent_id="0001",
    hyperparameters={
        "space": [],
        "values": {"units": 32, "tuner/epochs": 9, "tuner/trial_id": "0001", "layers": 0},
    },
    initial_epoch=3,
    epochs=9,
)


def test_score_and_metrics_are_means_of_the_fits_and_epochs_the_furthest_reached() -> None:
    assert RESULT.score == pytest.approx(0.7)
    assert RESULT.score_std == pytest.approx(0.2)  # √((0.2² + 0² + 0.2²) / 2)
    assert RESULT.metrics == pytest.approx({"val_accuracy": 0.7, "loss": 1.4})
    assert (RESULT.best_epoch, RESULT.epochs) == (5, 12)
    single = replace(RESULT, fits=(fit(0.5, 0, 3),))
    assert (single.score, single.score_std, single.best_epoch) == (0.5, None, 1)
    # A promotion that trained nothing keeps the epoch of its parent.
    assert replace(RESULT, fits=(fit(0.5, 3, 9),), history=()).epochs == 9


def test_a_failed_trial_has_epochs_but_no_score() -> None:
    failed = replace(FAILED, history=({"epoch": 1.0}, {"epoch": 2.0}))
    assert (failed.epochs, failed.score, failed.score_std, failed.best_epoch) == (2, *[None] * 3)
    before = replace(FAILED, fits=(), history=())
    assert (before.epochs, before.score, before.metrics) == (0, None, {})


def test_values_leave_out_keras_tuners_own_and_specs_and_results_can_be_pickled() -> None:
    assert SPEC.values == {"units": 32, "layers": 0}
    assert pickle.loads(pickle.dumps((SPEC, RESULT))) == (SPEC, RESULT)
