"""Random search spaces for property tests, and what a valid point of one is."""

from collections.abc import Mapping
from typing import Any

import keras_tuner as kt
from hypothesis import strategies as st
from keras_tuner.engine.hyperparameters import Boolean, Choice, Fixed, Int

LEAF_KINDS = ("int", "log int", "float", "log float", "choice", "boolean", "fixed")
TEXTS = st.text("abcé ,\"'", min_size=1, max_size=3)


@st.composite
def spaces(draw: st.DrawFn, most: int = 4, finite: bool = False) -> kt.HyperParameters:
    """One to `most` hyperparameters at the top, below some of them scopes, nested at most twice."""
    space = kt.HyperParameters()
    for number in range(draw(st.integers(1, most))):
        _declare(draw, space, f"h{number}", finite, depth=0)
    return space


def check_point(space: kt.HyperParameters, values: Mapping[str, Any]) -> None:
    """Asserts that every active hyperparameter, and no other, has a value of its range."""
    active = {hp.name: hp for hp in space.space if all(c.is_active(values) for c in hp.conditions)}
    assert set(active) == {name for name in values if not name.startswith("tuner/")}
    for name, hp in active.items():
        value = values[name]
        if isinstance(hp, Boolean):
            assert value is True or value is False
        elif isinstance(hp, Fixed):
            assert value == hp.value
        elif isinstance(hp, Choice):
            assert value in hp.values
        else:
            assert hp.min_value <= value <= hp.max_value
            assert isinstance(value, int) == isinstance(hp, Int)


def _declare(draw: st.DrawFn, space: Any, name: str, finite: bool, depth: int) -> None:
    kinds = [kind for kind in LEAF_KINDS if not (finite and kind.endswith("float"))]
    kind = draw(st.sampled_from(kinds))
    parents: list[Any] = []
    if kind.endswith("int"):
        low = draw(st.integers(1, 40) if kind == "log int" else st.integers(-40, 40))
        high = low + draw(st.integers(0, 3 if finite else 300))
        log = kind == "log int"
        step = draw(st.none() | st.integers(2, 5)) if log else draw(st.integers(1, 7))
        space.Int(name, low, high, step=step, sampling="log" if log else "linear")
    elif kind == "float":
        low_float = draw(st.floats(-1e6, 1e6))
        high_float = low_float + draw(st.floats(0, 1e6))
        width = high_float - low_float
        step_float = width / draw(st.integers(2, 9)) if width and draw(st.booleans()) else None
        space.Float(name, low_float, high_float, step=step_float)
    elif kind == "log float":
        low_float = draw(st.floats(1e-8, 1e3))
        high_float = low_float * draw(st.floats(1, 1e6))
        step_log = draw(st.none() | st.floats(1.5, 10))
        space.Float(name, low_float, high_float, step=step_log, sampling="log")
    elif kind == "choice":
        kinds_of_values = [TEXTS, st.integers(-5, 5)]
        if not finite:
            kinds_of_values.append(st.floats(-5, 5).map(lambda value: value + 0.0))
        values = draw(
            st.one_of(*(st.lists(v, min_size=1, max_size=4, unique=True) for v in kinds_of_values))
        )
        space.Choice(name, values)
        parents = values
    elif kind == "boolean":
        space.Boolean(name)
        parents = [True, False]
    else:
        space.Fixed(name, draw(st.integers(-3, 3) | TEXTS | st.booleans()))
    if parents and depth < 2 and draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(parents), min_size=1, unique=True))
        with space.conditional_scope(name, chosen):
            for number in range(draw(st.integers(1, 2))):
                _declare(draw, space, f"{name}_{number}", finite, depth + 1)
