"""Registries: a wrong name is explained; a user's own errors come through."""

from collections import Counter
from pathlib import Path

import pytest

from src.errors import UserError
from src.registry import load

REGISTRY = {
    "counter": "collections:Counter",
    "packaged": "collections:Counter [pytest]",
    "unpackaged": "collections:Counter [no_such_package]",
}
KNOWN = "Known: counter, packaged, unpackaged"
MESSAGES = {
    "unpackaged": "'unpackaged' needs the package no_such_package, which is not installed: "
    "pip install no_such_package; or choose another",
    "countr": f"'countr' is not known. Did you mean 'counter'? {KNOWN}",
    "xyz": f"'xyz' is not known. {KNOWN}",
}


def test_an_entry_is_loaded() -> None:
    assert load(REGISTRY, "counter", "key") is load(REGISTRY, "packaged", "key") is Counter


@pytest.mark.parametrize("name", MESSAGES)
def test_a_wrong_name_or_a_missing_package_is_explained(name: str) -> None:
    with pytest.raises(UserError) as caught:
        load(REGISTRY, name, "key")
    assert str(caught.value) == f"key: {MESSAGES[name]}"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import registryuser", ModuleNotFoundError),  # its name begins the module's own
        ("from collections import Cuonter", ImportError),
        ("import math\nmath.no_such_function", AttributeError),
        ("Mein = 1", AttributeError),  # not the name in the registry
    ],
)
def test_errors_inside_a_users_module_are_not_swallowed(
    source: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "registryuser_mlp.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(error):
        load({"mine": "registryuser_mlp:Mine"}, "mine", "key")
