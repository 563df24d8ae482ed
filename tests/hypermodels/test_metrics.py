"""What an epoch reports is what scikit-learn finds in the predictions."""

from typing import Any

import keras
import numpy as np
import pytest
from sklearn import metrics as judge

from callbacks import TrainingPlan
from hypermodels.metrics import log_losses
from hypermodels.mlp import MLP
from tests.hypermodels.helpers import PROBLEMS, TASKS, arrays, build, declared, evaluate

REQUESTS = ("balanced_accuracy", "f1", "auc", "pr_auc")


def expected(labels: Any, probabilities: Any) -> dict[str, float]:
    """By scikit-learn."""
    probabilities = probabilities.astype("float64")
    if probabilities.shape[1] == 1:
        probabilities = np.hstack([1 - probabilities, probabilities])
    found = probabilities.argmax(axis=1)
    classes = range(probabilities.shape[1])
    columns = [(labels == c, probabilities[:, c]) for c in classes]
    columns = columns[1:] if len(columns) == 2 else columns
    normalized = probabilities / probabilities.sum(axis=1, keepdims=True)
    return {
        "accuracy": judge.accuracy_score(labels, found),
        "log_loss": judge.log_loss(labels, normalized, labels=classes),
        "balanced_accuracy": judge.balanced_accuracy_score(labels, found),
        "f1": judge.f1_score(labels, found, average="macro"),
        "auc": np.mean([judge.roc_auc_score(*column) for column in columns]),
        "pr_auc": np.mean([judge.average_precision_score(*column) for column in columns]),
    }


@pytest.mark.parametrize(("task", "stream"), [("binary", True), ("multiclass", False)])
def test_every_epoch_is_scikit_learns(task: str, stream: bool) -> None:
    keras.utils.set_random_seed(3)
    plan = TrainingPlan(
        3, "val_f1", "max", secondary=("val_auc", "val_pr_auc", "val_balanced_accuracy")
    )
    hypermodel = MLP(PROBLEMS[task], plan=plan)
    # Metrics know nothing of label smoothing and penalties.
    values = {"label_smoothing": 0.2, "regularizer": "l1", "l1": 0.1, "learning_rate": 0.1}
    hp = declared(hypermodel, layers=1, units=4, batch_size=0, **values)
    model = hypermodel.build(hp)
    x, y = arrays(task, 60)
    validation = arrays(task, 70, seed=1)
    before = np.asarray(model(x))  # with a batch of all rows, a training step sees these
    options: Any = {"validation_data": validation, "epochs": 3, "stream": stream}
    history = hypermodel.fit(hp, model, x, y, **options).history
    names = ("accuracy", "log_loss", *REQUESTS)
    assert hypermodel.metric_names == hypermodel.offered_metrics == names
    assert set(history) == {"loss", "val_loss", *names, *(f"val_{name}" for name in names)}
    for name, value in expected(y, before).items():
        assert history[name][0] == pytest.approx(value, rel=1e-5), name
    for name, value in expected(validation[1], np.asarray(model(validation[0]))).items():
        assert history[f"val_{name}"][2] == pytest.approx(value, rel=1e-5), name
    assert len(set(history["val_auc"])) == 3
    assert min(np.array(history["loss"]) - history["log_loss"]) > 0.05


@pytest.mark.parametrize("task", TASKS)
def test_a_plan_asks_for_more(task: str) -> None:
    problem = PROBLEMS[task]
    standard = ("rmse", "mae", "r2") if task == "regression" else ("accuracy", "log_loss")
    further = () if task == "regression" else REQUESTS
    assert MLP(problem).metric_names == standard
    assert MLP(problem).offered_metrics == (*standard, *further)
    structures = {MLP(problem).structure(declared(MLP(problem)))}
    for name in further:
        hypermodel = MLP(problem, plan=TrainingPlan(3, f"val_{name}", "max"))
        assert hypermodel.metric_names == (*standard, name)
        structures.add(hypermodel.structure(declared(hypermodel)))
    assert len(structures) == 1 + len(further)


def test_regression_metrics_are_in_the_targets_own_units() -> None:
    problem = PROBLEMS["regression"]
    x, y = arrays("regression")
    model = build("regression")
    logs = evaluate(model, x, y, "regression")
    target, predicted = (
        values.astype("float64") * problem.target_scale + problem.target_mean
        for values in (y, model(x).numpy()[:, 0])
    )
    assert logs["rmse"] == pytest.approx(judge.root_mean_squared_error(target, predicted), rel=1e-5)
    assert logs["mae"] == pytest.approx(judge.mean_absolute_error(target, predicted), rel=1e-5)
    assert logs["r2"] == pytest.approx(judge.r2_score(target, predicted), rel=1e-4)
    assert logs["rmse"] > 10  # of a target whose standard deviation is 25


def test_certain_and_wrong_predictions_are_as_bad_as_scikit_learn_says() -> None:
    for probabilities in ([[1.0], [1e-9], [0.3]], [[0.0, 1.0], [1.0, 0.0], [0.75, 0.25]]):
        predicted, labels = np.array(probabilities, np.float32), np.array([0, 1, 0])
        found = float(np.mean(log_losses(labels, predicted)))
        assert found == pytest.approx(expected(labels, predicted)["log_loss"], rel=1e-5)
        assert found > 10
    assert np.isnan(log_losses(np.array([0]), np.array([[np.nan]], np.float32))).all()
