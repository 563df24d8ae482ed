"""The decision threshold: the best of all there are, and kept in the model's file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from src.evaluation import metrics
from src.evaluation.threshold import LAYER, tune_threshold, with_threshold

OBJECTIVES = ("val_accuracy", "val_balanced_accuracy", "val_f1")

READ = """
import sys, json, keras, numpy as np
try:
    import src
except ImportError:
    model = keras.models.load_model(sys.argv[1], safe_mode=True)
    probability = model.predict(np.load(sys.argv[2]), verbose=0)
    layer = model.get_layer("decision_threshold")
    labels = keras.Model(model.input, layer.output).predict(np.load(sys.argv[2]), verbose=0)
    found = [layer.bin_boundaries[0], probability.tolist(), np.asarray(layer(probability)).tolist()]
    print(json.dumps([*found, labels.tolist()]))
"""


def draw(seed: int) -> tuple[Any, Any]:
    """Labels and probabilities, in every other case with many ties and with zeros and ones."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(5, 120))
    truth = (random.random(rows) < random.uniform(0.05, 0.6)).astype(int)
    truth[:2] = [0, 1]
    probability = 1 / (1 + np.exp(-2 * truth - random.normal(scale=3, size=rows)))
    return truth, probability.round(2 - seed % 2).astype("float32")[:, None]


def score(name: str, truth: Any, found: Any) -> float:
    """The metric by its definition; fast enough for many thresholds."""
    if name == "accuracy":
        return float((truth == found).mean())
    if name == "balanced_accuracy":
        return float(np.mean([(found[truth == label] == label).mean() for label in (0, 1)]))
    shares = [
        2
        * ((truth == label) & (found == label)).sum()
        / ((truth == label).sum() + (found == label).sum())
        for label in (0, 1)
    ]
    return float(np.mean(shares))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_threshold_is_better(objective: str) -> None:
    name = objective.removeprefix("val_")
    for seed in range(40):
        truth, prediction = draw(seed)
        tuned = tune_threshold(truth, prediction, objective)
        assert tuned.metric == name
        decided = metrics.predicted_labels("binary", prediction, tuned.value)
        default = metrics.predicted_labels("binary", prediction)
        assert tuned.score == pytest.approx(score(name, truth, decided), abs=1e-12)
        assert tuned.default_score == pytest.approx(score(name, truth, default), abs=1e-12)
        others = [score(name, truth, prediction[:, 0] >= t) for t in np.linspace(0.005, 0.995, 100)]
        assert tuned.score >= max(others) - 1e-12
        assert tuned.score >= tuned.default_score
        if tuned.score == tuned.default_score:
            assert decided.tolist() == default.tolist()
    expected = metrics.evaluate("binary", truth, prediction, tuned.value)[name]
    assert tuned.score == pytest.approx(expected)


@pytest.mark.parametrize("objective", ["val_auc", "val_pr_auc", "val_log_loss", "val_loss"])
def test_objectives_without_a_threshold_take_balanced_accuracy(objective: str) -> None:
    truth, prediction = draw(0)
    expected = tune_threshold(truth, prediction, "val_balanced_accuracy")
    assert tune_threshold(truth, prediction, objective) == expected


@pytest.mark.parametrize(
    ("probabilities", "value"),
    [
        ([0.1, 0.2, 0.3, 0.375], 0.25),  # the middle of the two
        ([0.1, 0.4, 0.6, 0.9], 0.5),  # where 0.5 is as good, it stays
        ([0.5, 0.5, 0.75, 0.75], float(np.nextafter(np.float32(0.5), np.float32(1)))),
        ([0.0, 0.0, 1.0, 1.0], 0.5),
        ([0.0, 0.0, 0.0, 0.0], 0.5),
        ([0.25, 0.25, np.nextafter(np.float32(0.25), np.float32(1)), 1.0], 0.25 + 2.0**-25),
    ],
)
def test_by_hand(probabilities: list[float], value: float) -> None:
    prediction = np.array(probabilities, np.float32)[:, None]
    tuned = tune_threshold(np.array([0, 0, 1, 1]), prediction, "val_accuracy")
    assert tuned.value == value
    assert tuned.score == (0.5 if prediction.max() == 0 else 1.0)


@pytest.mark.slow
def test_the_file_alone_tells_the_threshold_and_predicts_what_it_did(tmp_path: Path) -> None:
    inputs = keras.Input((3,), name="features")
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs), name="model")
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    expected = model.predict(rows, verbose=0)
    threshold = float(np.sort(expected[:, 0])[19:21].mean())
    decided = with_threshold(model, threshold)
    np.testing.assert_array_equal(decided.predict(rows, verbose=0), expected)
    decided.save(tmp_path / "model.keras")
    np.save(tmp_path / "rows.npy", rows)
    done = subprocess.run(
        [sys.executable, "-I", "-c", READ, "model.keras", "rows.npy"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    found, probability, of_layer, labels = json.loads(done.stdout.splitlines()[-1])
    assert found == threshold
    np.testing.assert_allclose(probability, expected, rtol=1e-6)
    assert sum(map(sum, labels)) == 30
    own = metrics.predicted_labels("binary", expected, threshold)
    np.testing.assert_array_equal(np.ravel(labels), own)
    np.testing.assert_array_equal(np.ravel(of_layer), own)
    assert LAYER in READ


def test_inputs_keep_their_names() -> None:
    inputs = {name: keras.Input((1,), name=name) for name in ("probability", "identity")}
    total = keras.layers.Add()(list(inputs.values()))
    model = with_threshold(keras.Model(inputs, keras.layers.Activation("sigmoid")(total)), 0.25)
    rows = {name: np.array([[-2.0], [3.0]], np.float32) for name in inputs}
    np.testing.assert_allclose(model(rows), 1 / (1 + np.exp([[4.0], [-6.0]])), rtol=1e-5)
    assert np.ravel(model.get_layer(LAYER)(model(rows))).tolist() == [0, 1]


def test_a_probability_of_just_the_threshold_is_class_1() -> None:
    inputs = keras.Input((1,))
    model = with_threshold(keras.Model(inputs, keras.layers.Identity()(inputs)), 0.3)
    threshold = np.float32(0.3)
    rows = np.array([[np.nextafter(threshold, np.float32(0))], [threshold]], np.float32)
    assert np.ravel(model.get_layer(LAYER)(model(rows))).tolist() == [0, 1]
    assert metrics.predicted_labels("binary", rows, 0.3).tolist() == [0, 1]
