"""The decision threshold: the best of all there are, and kept in the model's file."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from src.evaluation.metrics import evaluate
from src.evaluation.outputs import predicted_labels
from src.evaluation.threshold import LAYER, tune_threshold, with_threshold


def draw(seed: int) -> tuple[Any, Any]:
    """Labels and probabilities, in every other case with many ties and with zeros and ones."""
    random = np.random.default_rng(seed)
    rows = int(random.integers(5, 120))
    truth = (random.random(rows) < random.uniform(0.05, 0.6)).astype(int)
    truth[:2] = [0, 1]
    probability = 1 / (1 + np.exp(-2 * truth - random.normal(scale=3, size=rows)))
    return truth, probability.round(2 - seed % 2).astype("float32")[:, None]


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1"])
def test_no_threshold_is_better(metric: str) -> None:
    for seed in range(8):
        truth, outputs = draw(seed)
        tuned = tune_threshold(truth, outputs, f"val_{metric}")
        others = [evaluate("binary", truth, outputs, t)[metric] for t in np.linspace(0.01, 1, 34)]
        assert tuned.metric == metric
        assert tuned.score == evaluate("binary", truth, outputs, tuned.value)[metric]
        assert tuned.default_score == evaluate("binary", truth, outputs)[metric]
        assert tuned.score >= max(score for score in others if score is not None)
        if tuned.score == tuned.default_score:
            decided = predicted_labels("binary", outputs, tuned.value)
            assert decided.tolist() == predicted_labels("binary", outputs).tolist()
        assert tune_threshold(truth, outputs, "val_auc").metric == "balanced_accuracy"


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
    outputs = np.array(probabilities, np.float32)[:, None]
    tuned = tune_threshold(np.array([0, 0, 1, 1]), outputs, "val_accuracy")
    assert (tuned.value, tuned.score) == (value, 0.5 if outputs.max() == 0 else 1.0)


def test_a_file_has_the_threshold_and_predicts_the_same(tmp_path: Path) -> None:
    inputs = {name: keras.Input((1,), name=name) for name in ("probability", "identity")}
    total = keras.layers.Add()(list(inputs.values()))
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(total), name="model")
    rows = {name: np.array([[-2.0], [0.1], [3.0]], np.float32) for name in inputs}
    expected = model.predict_on_batch(rows)
    with_threshold(model, float(expected[1, 0])).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict_on_batch(rows), expected)
    layer = loaded.get_layer(LAYER)
    assert type(layer) is keras.layers.Discretization
    assert layer.bin_boundaries == [expected[1, 0]]
    labels = [0, 1, 1]  # a probability of just the threshold is class 1
    assert np.ravel(layer(expected)).tolist() == labels
    assert predicted_labels("binary", expected, float(expected[1, 0])).tolist() == labels
    within = keras.Model(loaded.input, layer.output).predict_on_batch(rows)
    assert np.ravel(within).tolist() == labels
