"""What every trial would meet is told before the search, with the user's own line."""

from pathlib import Path
from typing import Any

import keras
import pytest

from callbacks.registry import CALLBACKS
from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from src.errors import UserError
from src.search.preparation import prepare
from tests.conftest import MakeConfig


class WrongShape(MLP):
    def network(self, hp: Any, x: Any) -> Any:
        return keras.layers.Reshape((28, 28))(x)


class TwoOutputsTooMany(MLP):
    """Builds, but its output does not fit the labels."""

    def build(self, hp: Any) -> Any:
        model = super().build(hp)
        outputs = keras.layers.Dense(7)(model.output)
        wrong = type(model)(model.inputs, [model.output, outputs])
        wrong.compile(optimizer="adam", loss="mse")
        return wrong


class Silent(MLP):
    """Trains without validating, so that the objective is never in the logs."""

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **options: Any) -> Any:
        return super().fit(hp, model, x, y, **(options | {"validation_data": None, "controls": []}))


class BadCallback(keras.callbacks.Callback):
    @classmethod
    def declare(cls, hp: Any) -> None:
        hp.Fixed("bad", 1)

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: Any) -> "BadCallback":
        return cls()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        raise KeyError("momentum_of_nothing")


@pytest.mark.parametrize(
    ("hypermodel", "problem", "line"),
    [
        ("WrongShape", "ValueError", "return keras.layers.Reshape((28, 28))(x)"),
        ("TwoOutputsTooMany", "Error", "class TwoOutputsTooMany"),
        ("Silent", "objective.name: 'val_accuracy' is not among what hypermodel.name=mine", ""),
    ],
)
def test_a_mistake_in_a_hypermodel(
    hypermodel: str,
    problem: str,
    line: str,
    tiny: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(HYPERMODELS, "mine", f"{__name__}:{hypermodel}")
    with pytest.raises(UserError) as caught:
        prepare(tiny("hypermodel.name=mine"))
    assert problem in str(caught.value)
    assert str(caught.value).rstrip().endswith(line)
    if line:
        assert f"{Path(__file__).name}:" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_mistake_in_a_callback(tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLBACKS, "bad", f"{__name__}:BadCallback")
    with pytest.raises(UserError, match="of its first configuration: KeyError") as caught:
        prepare(tiny())
    assert str(caught.value).endswith('raise KeyError("momentum_of_nothing")')


@pytest.mark.parametrize("source", ["iris", "diabetes", "breast_cancer"])
def test_what_is_right_passes_on_every_task(source: str, tiny: MakeConfig) -> None:
    assert prepare(tiny(f"data.source={source}")).objective.name.startswith("val_")
