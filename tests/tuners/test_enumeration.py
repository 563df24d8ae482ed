"""The points of a space against brute force: counted, numbered and ordered alike."""

import itertools
import time
from typing import Any

import keras_tuner as kt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_tuner.engine.hyperparameters import Choice
from keras_tuner.src.engine.conditions import Parent

from src.tuners.enumeration import Enumeration


def enumeration(space: kt.HyperParameters) -> Enumeration:
    return Enumeration(space.space, lambda hp: tuple(hp.values))


@st.composite
def conditional_spaces(draw: st.DrawFn) -> kt.HyperParameters:
    """Up to six choices, each free or under one or two of the earlier ones."""
    hp = kt.HyperParameters()
    values: dict[str, list[int]] = {}
    for index in range(draw(st.integers(1, 6))):
        parents = draw(st.lists(st.sampled_from(sorted(values)), max_size=2)) if values else []
        conditions = [
            # 99 is no value of any parent.
            Parent(name, draw(st.lists(st.sampled_from([*values[name], 99]), min_size=1)))
            for name in parents
        ]
        name = f"h{index}"
        values[name] = [10 * index + value for value in range(draw(st.integers(1, 3)))]
        # Not with `conditional_scope`, which wants a nested scope's parent declared in the outer.
        hp.merge([Choice(name, values[name], conditions=conditions)])
    return hp


def brute_force(space: kt.HyperParameters) -> list[dict[str, Any]]:
    """Every combination, without what is inactive in it, each once, in lexicographic order."""
    points: dict[tuple[Any, ...], dict[str, Any]] = {}
    for combination in itertools.product(*(hp.values for hp in space.space)):
        active: dict[str, Any] = {}
        for hp, value in zip(space.space, combination, strict=True):
            if all(active.get(c.name) in c.values for c in hp.conditions):
                active[hp.name] = value
        points.setdefault(tuple(active.items()), active)
    return list(points.values())


@settings(max_examples=80, deadline=None)
@given(conditional_spaces())
def test_points_are_those_of_brute_force_in_the_same_order(space: kt.HyperParameters) -> None:
    points = enumeration(space)
    expected = brute_force(space)
    assert points.size == len(expected)
    assert [points.point(index) for index in range(points.size)] == expected


def test_inactive_hyperparameters_are_absent_and_the_last_varies_fastest() -> None:
    hp = kt.HyperParameters()
    hp.Choice("optimizer", ["sgd", "momentum"])
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Choice("momentum", [0.5, 0.9])
    hp.Boolean("bias")
    points = enumeration(hp)
    assert [points.point(index) for index in range(points.size)] == [
        {"optimizer": "sgd", "bias": True},
        {"optimizer": "sgd", "bias": False},
        {"optimizer": "momentum", "momentum": 0.5, "bias": True},
        {"optimizer": "momentum", "momentum": 0.5, "bias": False},
        {"optimizer": "momentum", "momentum": 0.9, "bias": True},
        {"optimizer": "momentum", "momentum": 0.9, "bias": False},
    ]


def test_huge_spaces_are_counted_and_numbered_at_once() -> None:
    hp = kt.HyperParameters()
    for index in range(30):
        hp.Choice(f"h{index}", list(range(10)))
    began = time.perf_counter()
    points = enumeration(hp)
    assert points.size == 10**30
    # The number's digits are the values.
    digits = 123_456_789_012_345_678_901_234_567_890
    assert list(points.point(digits).values()) == [int(digit) for digit in str(digits)]
    assert time.perf_counter() - began < 2


def test_huge_conditional_spaces_are_counted_exactly() -> None:
    hp = kt.HyperParameters()
    for index in range(40):
        hp.Boolean(f"on{index}")
        with hp.conditional_scope(f"on{index}", [True]):
            hp.Choice(f"h{index}", list(range(9)))
    points = enumeration(hp)
    assert points.size == 10**40
    assert points.point(10**40 - 1) == {f"on{index}": False for index in range(40)}


@pytest.mark.parametrize("index", [-1, 6, 10**30])
def test_an_index_outside_is_refused(index: int) -> None:
    hp = kt.HyperParameters()
    hp.Choice("a", [1, 2, 3])
    hp.Boolean("b")
    with pytest.raises(IndexError, match=f"index must be in 0 … 5, but got {index}"):
        enumeration(hp).point(index)


def test_the_empty_space_has_one_point() -> None:
    points = Enumeration([], lambda hp: tuple(hp.values))
    assert points.size == 1
    assert points.point(0) == {}
