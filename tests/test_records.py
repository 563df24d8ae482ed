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


def test_score_is_the_mean_of_the_fits_and_its_spread_the_sample_standard_deviation() -> None:
    assert RESULT.score == pytest.approx(0.7)
    assert RESULT.score_std == pytest.approx(0.2)  # √((0.2² + 0² + 0.2²) / 2)


def test_a_single_fit_has_no_spread() -> None:
    single = replace(RESULT, fits=RESULT.fits[:1])
    assert single.score == 0.5
    assert single.score_std is None


def test_metrics_are_means_over_the_fits() -> None:
    assert RESULT.metrics == pytest.approx({"val_accuracy": 0.7, "loss": 1.4})


def test_best_epoch_is_the_rounded_mean() -> None:
    assert RESULT.best_epoch == 5
    assert replace(RESULT, fits=(fit(0.5, 0, 3),)).best_epoch == 1


def test_epochs_are_the_furthest_reached() -> None:
    assert RESULT.epochs == 12
    assert isinstance(RESULT.epochs, int)


def test_a_failed_trial_has_epochs_but_no_score() -> None:
    failed = replace(FAILED, history=({"epoch": 1.0}, {"epoch": 2.0}))
    assert failed.epochs == 2
    assert failed.score is None
    assert failed.score_std is None
    assert failed.best_epoch is None


def test_a_trial_that_failed_before_its_first_epoch() -> None:
    failed = replace(FAILED, fits=(), history=())
    assert failed.epochs == 0
    assert failed.metrics == {}
    assert failed.score is None


def test_a_promotion_that_trained_nothing_keeps_the_epoch_of_its_parent() -> None:
    assert replace(RESULT, fits=(fit(0.5, 3, 9),), history=()).epochs == 9


def test_values_leave_out_keras_tuners_own() -> None:
    assert SPEC.values == {"units": 32, "layers": 0}


def test_specs_and_results_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(SPEC)) == SPEC
    assert pickle.loads(pickle.dumps(RESULT)) == RESULT
