"""Penalties on the weights."""

import numpy as np
import pytest

from hypermodels.mlp import MLP
from hypermodels.regularizers import REGULARIZERS
from tests.hypermodels.helpers import PROBLEMS, arrays, build, declared, evaluate


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_the_loss_gains_the_strengths_times_the_norms(regularizer: str) -> None:
    l1, l2 = 0.003, 0.007
    model = build("multiclass", layers=2, regularizer=regularizer, l1=l1, l2=l2)
    hidden = [layer.kernel.numpy() for layer in model.layers[1:-1] if hasattr(layer, "kernel")]
    assert len(hidden) == 2
    absolute = sum(np.abs(kernel).sum() for kernel in hidden)
    squared = sum((kernel**2).sum() for kernel in hidden)
    expected = {
        "none": 0.0,
        "l1": l1 * absolute,
        "l2": l2 * squared,
        "elastic_net": l1 * absolute + l2 * squared,
    }[regularizer]
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)
    logs = evaluate(model, *arrays("multiclass"), "multiclass")
    assert logs["loss"] - logs["log_loss"] == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("regularizer", "active"),
    [("none", set()), ("l1", {"l1"}), ("l2", {"l2"}), ("elastic_net", {"l1", "l2"})],
)
def test_each_kind_activates_its_own_strengths_alone(regularizer: str, active: set[str]) -> None:
    values = declared(MLP(PROBLEMS["binary"]), regularizer=regularizer).values
    assert {"l1", "l2"} & set(values) == active
