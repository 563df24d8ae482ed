"""The points of a space against brute force: counted, numbered and ordered alike."""

import itertools
import time
from typing import Any

import keras_tuner as kt
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_tuner.engine.hyperparameters import Choice
from keras_tuner.src.engine.conditions import Parent

from src.tuners.enumeration import Enumeration, size_text


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


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(conditional_spaces())
def test_points_are_those_of_brute_force_in_the_same_order(space: kt.HyperParameters) -> None:
    points = Enumeration(space.space)
    expected = brute_force(space)
    assert points.size == len(expected)
    assert list(points) == expected


def test_huge_spaces_are_counted_and_numbered_at_once() -> None:
    hp = kt.HyperParameters()
    for index in range(40):
        hp.Boolean(f"on{index}")
        with hp.conditional_scope(f"on{index}", [True]):
            hp.Choice(f"h{index}", list(range(9)))
    began = time.perf_counter()
    points = Enumeration(hp.space)
    assert points.size == 10**40
    # In each digit 0 to 8 is the value in the branch, 9 the other branch.
    assert points.point(10**40 - 1) == {f"on{index}": False for index in range(40)}
    assert points.point(123)["h38"] == 2
    assert time.perf_counter() - began < 2


def test_size_counts_branches_where_they_are_active_and_names_what_is_continuous() -> None:
    hp = kt.HyperParameters()
    hp.Int("units", 16, 512, sampling="log")
    hp.Choice("optimizer", ["sgd", "momentum"])
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.5, 0.99)
    hp.Boolean("plateau")
    with hp.conditional_scope("plateau", [True]):
        hp.Int("patience", 2, 20)
    # units × optimizers × (plateau off, or on with patience)
    assert size_text(hp) == f"{497 * 2 * (1 + 19):,} combinations × 1 continuous (momentum)"
    assert size_text(kt.HyperParameters()) == "1 combination"
