"""Models that share a trace train bit for bit as if each had its own."""

from typing import Any

import keras
import numpy as np
import pytest

from hypermodels import reuse
from hypermodels.mlp import MLP
from hypermodels.reuse import TracedModels
from tests.hypermodels.helpers import PROBLEMS, arrays, declared

NET: dict[str, Any] = {
    "layers": 2,
    "units": 8,
    "normalization": "batch",
    "dropout": 0.3,
    "optimizer": "adam",
    "regularizer": "l2",
}
# (seed, values that live in variables or in callbacks)
TRIALS: list[tuple[int, dict[str, Any]]] = [
    (1, {"learning_rate": 0.01, "batch_size": 16}),
    (2, {"learning_rate": 0.05, "batch_size": 7, "schedule": "linear"}),
    (1, {"learning_rate": 0.01, "batch_size": 16}),
    (3, {"learning_rate": 0.01, "batch_size": 0, "plateau": True, "plateau_patience": 2}),
]


def train(models: TracedModels, seed: int, values: dict[str, Any]) -> tuple[Any, Any, Any]:
    keras.utils.set_random_seed(seed)
    hypermodel = MLP(PROBLEMS["multiclass"], seed)
    hp = declared(hypermodel, **NET, **values)
    model = models.reuse(hypermodel.structure(hp), hypermodel.build(hp))
    x, y = arrays("multiclass")
    history = hypermodel.fit(hp, model, x, y, validation_data=(x, y), epochs=4)
    return model, history.history, model.get_weights()


def test_a_reused_model_gives_bit_identical_results_to_a_fresh_one() -> None:
    shared = TracedModels()
    models = set()
    for seed, values in TRIALS:
        model, history, weights = train(shared, seed, values)
        models.add(id(model))
        _, fresh_history, fresh_weights = train(TracedModels(), seed, values)
        assert history == fresh_history
        for one, other in zip(weights, fresh_weights, strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(models) == 1


def test_what_changes_the_graph_changes_the_structure() -> None:
    hypermodel = MLP(PROBLEMS["multiclass"])
    changes: list[dict[str, Any]] = [
        {},
        {"units": 9},
        {"layers": 1},
        {"dropout": 0.2},
        {"optimizer": "adamw"},
        {"regularizer": "none"},
        {"label_smoothing": 0.1},
        {"activation": "tanh"},
    ]
    structures = {
        hypermodel.structure(declared(hypermodel, **{**NET, **changed})) for changed in changes
    }
    assert len(structures) == 8
    alike = [declared(hypermodel, **{**NET, **values}) for _, values in TRIALS]
    assert len({hypermodel.structure(hp) for hp in alike}) == 1
    other = MLP(PROBLEMS["binary"])
    assert other.structure(declared(other, **NET)) not in structures


def test_no_structure_means_no_sharing_and_old_models_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reuse, "MOST_MODELS", 2)
    models = TracedModels()
    built = []
    for _ in range(4):
        hypermodel = MLP(PROBLEMS["binary"])
        built.append(hypermodel.build(declared(hypermodel, **NET)))
    assert models.reuse(None, built[0]) is built[0]
    assert models.reuse("a", built[0]) is built[0]
    assert models.reuse("b", built[1]) is built[1]
    assert models.reuse("a", built[2]) is built[0]
    assert models.reuse("c", built[3]) is built[3]  # drops b, which was used longest ago
    assert models.reuse("a", built[2]) is built[0]
    assert models.reuse("b", built[2]) is built[2]
