"""Registries: a wrong name or entry is explained; a user's own errors come through."""

from collections import Counter
from pathlib import Path

import pytest

from src.errors import UserError
from src.registry import check_name, load

REGISTRY = {
    "ordered": "collections:OrderedDict",
    "counter": "collections:Counter",
    "packaged": "collections:Counter [pytest]",
    "unpackaged": "collections:Counter [no_such_package]",
    "no_package": "no_such_package.mine:Mine",
    "no_module": "collections.mine:Mine",
    "no_class": "collections:Cuonter",
}
KNOWN = "Known: counter, no_class, no_module, no_package, ordered, packaged, unpackaged"
ENTRY = "key: the registry entry "


def test_entries_are_loaded() -> None:
    assert load(REGISTRY, "counter", "key") is Counter
    assert load(REGISTRY, "packaged", "key") is Counter
    check_name(REGISTRY, "counter", "key")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("countr", f"key: 'countr' is not known. Did you mean 'counter'? {KNOWN}"),
        ("xyz", f"key: 'xyz' is not known. {KNOWN}"),
        (
            "unpackaged",
            "key: 'unpackaged' needs the package no_such_package, which is not installed: "
            "pip install no_such_package; or choose another",
        ),
        (
            "no_package",
            f"{ENTRY}'no_such_package.mine:Mine' for 'no_package' names a module that does not "
            "exist: no_such_package.mine",
        ),
        (
            "no_module",
            f"{ENTRY}'collections.mine:Mine' for 'no_module' names a module that does not exist: "
            "collections.mine",
        ),
        (
            "no_class",
            f"{ENTRY}'collections:Cuonter' for 'no_class' names 'Cuonter', which collections does "
            "not have",
        ),
    ],
)
def test_a_wrong_name_or_entry_is_explained(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(REGISTRY, name, "key")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("module", "source", "error"),
    [
        # The missing package's name begins the module's own.
        ("registryuser_mlp", "import registryuser", ModuleNotFoundError),
        ("registry_user_b", "from collections import Cuonter", ImportError),
        ("registry_user_c", "import math\nmath.no_such_function", AttributeError),
    ],
)
def test_errors_inside_a_users_module_are_not_swallowed(
    module: str,
    source: str,
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / f"{module}.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(error):
        load({"mine": f"{module}:Mine"}, "mine", "key")
