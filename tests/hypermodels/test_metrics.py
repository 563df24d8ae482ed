"""What an epoch reports is what scikit-learn finds in the predictions."""

from typing import Any

import keras
import numpy as np
import pytest
from sklearn import metrics as judge

from callbacks import TrainingPlan
from hypermodels import epoch_model, metrics
from hypermodels.epoch_model import EpochModel
from hypermodels.mlp import MLP
from hypermodels.reuse import TracedModels
from tests.hypermodels.helpers import FEATURES, PROBLEMS, TASKS, arrays, declared

REQUESTS = ("balanced_accuracy", "f1", "auc", "pr_auc")
NAMES = ("accuracy", "log_loss", *REQUESTS)


def data(task: str, rows: int, seed: int) -> tuple[Any, Any]:
    """Rows of a few kinds, so that many have equal probabilities; most are of class 0."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 3, size=(rows, FEATURES)).astype("float32")
    score = x[:, 0] + 0.3 * x[:, 1] + random.normal(scale=0.7, size=rows)
    edges = [2.2] if task == "binary" else [2.0, 2.9]
    return x, np.digitize(score, edges).astype("int32")


def model_with_all(task: str) -> EpochModel:
    """Logistic regression with every metric of classes."""
    problem = PROBLEMS[task]
    inputs = keras.Input((FEATURES,))
    activation = "sigmoid" if task == "binary" else "softmax"
    outputs = keras.layers.Dense(problem.outputs, activation=activation)(inputs)
    model = EpochModel(inputs, outputs)
    reported = metrics.build_metrics(problem, ("f1", "auc", "balanced_accuracy"))
    loss = "binary_crossentropy" if task == "binary" else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.3), loss=loss, metrics=reported, jit_compile=False)
    model.whole_metrics = metrics.build_whole_metrics(problem, ("f1", "pr_auc", "auc"))
    model.optimizer.build(model.trainable_variables)
    return model


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


class Predictions(keras.callbacks.Callback):
    """Keeps the predictions of rows at the end of each epoch."""

    def __init__(self, x: Any) -> None:
        super().__init__()
        self.x = x
        self.found: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.found.append(np.asarray(self.model(self.x)))


@pytest.mark.parametrize(
    ("task", "stream", "chunk"),
    [
        ("binary", False, 16_384),
        ("binary", True, 64),
        ("multiclass", False, 64),
        ("multiclass", True, 16_384),
    ],
)
def test_every_epochs_validation_is_scikit_learns(
    task: str, stream: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_model, "EVALUATION_ROWS", chunk)
    keras.utils.set_random_seed(3)
    model = model_with_all(task)
    (x, y), (x_validation, y_validation) = data(task, 120, 0), data(task, 250, 1)
    column = (-1, 1) if task == "binary" else (-1,)
    predictions = Predictions(x_validation)
    history = model.fit_epochs(
        (x, y.reshape(column)),
        (x_validation, y_validation.reshape(column)),
        stream=stream,
        epochs=4,
        callbacks=[predictions],
        verbose=0,
    ).history
    assert set(history) == {"loss", "val_loss", *NAMES, *(f"val_{name}" for name in NAMES)}
    for epoch, predicted in enumerate(predictions.found):
        assert len(np.unique(predicted)) < 0.5 * predicted.size
        for name, value in expected(y_validation, predicted).items():
            assert history[f"val_{name}"][epoch] == pytest.approx(value, rel=1e-6), name
    assert len(set(history["val_f1"])) > 1
    assert len(set(history["val_auc"])) > 1


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_training_part_is_of_the_predictions_that_each_batch_was_trained_with(
    task: str, stream: bool
) -> None:
    """With a batch of all rows these are the predictions before the epoch."""
    model = model_with_all(task)
    x, y = data(task, 90, 0)
    before = np.asarray(model(x))
    model.batch_size.assign(0)
    column = (-1, 1) if task == "binary" else (-1,)
    logs = model.fit_epochs((x, y.reshape(column)), stream=stream, verbose=0).history
    for name, value in expected(y, before).items():
        assert logs[name] == [pytest.approx(value, rel=1e-5)], name


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("task", TASKS)
def test_a_plan_asks_for_one_more(task: str, name: str) -> None:
    problem = PROBLEMS[task]
    standard = MLP(problem).metric_names
    hypermodel = MLP(problem, plan=TrainingPlan(3, f"val_{name}", "max"))
    hp = declared(hypermodel, units=8)
    model = hypermodel.build(hp)
    model.run_eagerly = True
    x, y = arrays(task)
    history = hypermodel.fit(hp, model, x, y, validation_data=(x, y)).history
    asked = () if task == "regression" else (name,)
    assert hypermodel.metric_names == (*standard, *asked)
    assert MLP(problem).offered_metrics == (*standard, *(() if task == "regression" else REQUESTS))
    names = ["loss", *hypermodel.metric_names]
    assert sorted(history) == sorted([*names, *(f"val_{name}" for name in names)])
    assert hypermodel.structure(hp) == MLP(problem, plan=hypermodel.plan).structure(hp)
    assert (hypermodel.structure(hp) == MLP(problem).structure(hp)) == (task == "regression")


@pytest.mark.parametrize("name", ["f1", "auc"])
def test_models_that_share_a_trace_report_what_fresh_ones_do(name: str) -> None:
    hypermodel = MLP(PROBLEMS["binary"], plan=TrainingPlan(3, f"val_{name}", "max"))
    x, y = data("binary", 60, 0)
    histories = []
    shared = TracedModels()
    for rate, models in ((0.1, shared), (0.02, shared), (0.02, TracedModels())):
        hp = declared(hypermodel, units=8, layers=1, learning_rate=rate)
        model = models.model(hypermodel, hp, seed=1)
        fitted = hypermodel.fit(hp, model, x, y, validation_data=data("binary", 80, 1), epochs=3)
        histories.append(fitted.history)
    assert histories[1] == histories[2]
    assert histories[0][f"val_{name}"] != histories[1][f"val_{name}"]


def test_certain_and_wrong_predictions_are_as_bad_as_scikit_learn_says() -> None:
    for probabilities in ([[1.0], [1e-9], [0.3]], [[0.0, 1.0], [1.0, 0.0], [0.75, 0.25]]):
        predicted = np.array(probabilities, np.float32)
        metric = metrics.LogLoss(name="log_loss")
        metric.update_state(np.array([0, 1, 0]), predicted)
        value = expected(np.array([0, 1, 0]), predicted)["log_loss"]
        assert float(metric.result()) == pytest.approx(value, rel=1e-5)
        assert value > 10
    metric = metrics.LogLoss(name="log_loss")
    metric.update_state(np.array([0]), np.array([[np.nan]], np.float32))
    assert np.isnan(float(metric.result()))


@pytest.mark.parametrize("cls", [metrics.SparseAccuracy, metrics.LogLoss])
def test_a_mean_over_rows_can_be_loaded_with_a_compiled_model(cls: Any) -> None:
    loaded = cls.from_config(cls(name="mean").get_config())
    loaded.update_state(np.array([0]), np.array([[0.5, 0.4]], np.float32))
    assert (loaded.name, loaded.dtype) == ("mean", "float32")


def test_classes_without_rows_count_as_in_scikit_learn() -> None:
    labels = np.array([0, 0, 1, 1])
    predicted = np.eye(4, dtype="float32")[[0, 2, 1, 1]]  # class 2 is predicted, class 3 never
    for cls, value in (
        (metrics.BalancedAccuracy, 0.75),
        (metrics.MacroF1, judge.f1_score(labels, [0, 2, 1, 1], average="macro")),
    ):
        metric = cls(4, "metric")
        metric.update_state(labels, predicted)
        assert float(metric.result()) == pytest.approx(value, rel=1e-6)


def test_counts_are_exact_beyond_what_float32_can_count() -> None:
    metric = metrics.BalancedAccuracy(2, "metric")
    metric.counts.assign([[2.0**24, 2.0**24], [2.0**25, 2.0**24], [0.0, 0.0]])
    metric.update_state(np.array([0]), np.array([[0.5]], np.float32))  # one half is class 0
    assert metric.counts.numpy()[0].tolist() == [2.0**24 + 1, 2.0**24]


def test_weights_weigh_rows() -> None:
    metric = metrics.BalancedAccuracy(2, "metric")
    labels, predicted = np.array([[1], [1], [0]]), np.array([[0.9], [0.2], [0.1]], np.float32)
    metric.update_state(labels, predicted, np.array([3.0, 1.0, 5.0], np.float32))
    assert float(metric.result()) == (0.75 + 1) / 2


@pytest.mark.parametrize("task", PROBLEMS)
def test_metrics_of_the_rows_are_traced_once_for_all_models(task: str) -> None:
    problem = PROBLEMS[task]
    x, y = arrays(task)
    shared: Any = metrics.row_metrics(problem, ())
    before = shared.experimental_get_tracing_count()
    traces = []
    for units, rows in ((3, 20), (4, 21), (5, 22), (6, 23)):
        hypermodel = MLP(problem)
        hp = declared(hypermodel, units=units)
        model = hypermodel.build(hp)
        training = x[:rows], y[:rows]
        logs = hypermodel.fit(hp, model, *training, validation_data=(x, y)).history
        traces.append(shared.experimental_get_tracing_count() - before)
        label = y.reshape(-1, 1) if problem.outputs == 1 else y
        expected = model.evaluate(x, label, batch_size=len(x), verbose=0, return_dict=True)
        assert {name: logs[f"val_{name}"] for name in expected} == {
            name: [pytest.approx(value, rel=1e-5)] for name, value in expected.items()
        }
    assert traces[0] == traces[-1] <= 2


def test_a_model_compiled_anew_has_the_metrics_of_that() -> None:
    x, y = arrays("multiclass")
    model = MLP(PROBLEMS["multiclass"]).build(declared(MLP(PROBLEMS["multiclass"]), units=3))
    model.compile(
        "sgd",
        "sparse_categorical_crossentropy",
        metrics=["sparse_top_k_categorical_accuracy"],
    )
    for stream in (False, True):
        logs = model.fit_epochs((x, y), stream=stream, verbose=0).history
        assert logs["sparse_top_k_categorical_accuracy"] == [1.0]  # five of three classes
        assert set(logs) == {"loss", "sparse_top_k_categorical_accuracy"}
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    for stream in (True, False):
        logs = model.fit_epochs((x, y), stream=stream, verbose=0).history
        assert set(logs) == {"loss", "accuracy"}
