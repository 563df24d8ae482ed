"""Lookups in registries."""

import math

import pytest

from callbacks import names

REGISTRY = {
    "root": "math:sqrt",
    "no_module": "callbacks.absent:thing",
    "no_attribute": "math:absent",
}


def test_load_imports_what_the_entry_names() -> None:
    assert names.load(REGISTRY, "root", "function") is math.sqrt


def test_an_unknown_name_gets_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"function 'rot' is not known\. Did you mean 'root'"
    ) as info:
        names.load(REGISTRY, "rot", "function")
    assert "Known: no_attribute, no_module, root" in str(info.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no_module", "there is no module callbacks.absent"),
        ("no_attribute", "math has no 'absent'"),
    ],
)
def test_an_entry_that_leads_nowhere_is_quoted(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as info:
        names.load(REGISTRY, name, "function")
    assert REGISTRY[name] in str(info.value)


def test_nearest_is_silent_where_nothing_is_near() -> None:
    assert names.nearest("xyz", ["cosine", "step"]) == ""
