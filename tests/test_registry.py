"""Registries: what is wrong with a name or an entry is said; a user's own errors come through."""

from pathlib import Path

import pytest

from src.errors import UserError
from src.registry import check_name, load

REGISTRY = {"ordered": "collections:OrderedDict", "counter": "collections:Counter"}


def test_entries_are_loaded() -> None:
    from collections import Counter

    assert load(REGISTRY, "counter", "tuner.name") is Counter
    check_name(REGISTRY, "counter", "tuner.name")


def test_an_unknown_name_names_the_key_the_nearest_and_all_in_order() -> None:
    with pytest.raises(UserError) as caught:
        load(REGISTRY, "countr", "tuner.name")
    assert str(caught.value) == (
        "tuner.name: 'countr' is not known. Did you mean 'counter'? Known: counter, ordered"
    )


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    with pytest.raises(UserError, match=r"^k: 'xyz' is not known\. Known: counter, ordered$"):
        check_name(REGISTRY, "xyz", "k")


def test_an_entry_with_a_wrong_module_is_named() -> None:
    entries = {"mine": "no_such_package.mine:Mine", "inner": "collections.mine:Mine"}
    with pytest.raises(UserError, match=r"'no_such_package\.mine:Mine' for 'mine'.*not exist"):
        load(entries, "mine", "hypermodel.name")
    with pytest.raises(UserError, match=r"a module that does not exist: collections\.mine"):
        load(entries, "inner", "hypermodel.name")


def test_an_entry_with_a_wrong_attribute_is_named() -> None:
    with pytest.raises(UserError) as caught:
        load({"mine": "collections:Cuonter"}, "mine", "hypermodel.name")
    assert str(caught.value) == (
        "hypermodel.name: the registry entry 'collections:Cuonter' for 'mine' names 'Cuonter', "
        "which collections does not have"
    )


@pytest.mark.parametrize(
    ("module", "source", "error"),
    [
        ("registry_user_a", "import a_package_nobody_has", ModuleNotFoundError),
        # The missing package's name begins the module's own.
        ("registryuser_mlp", "import registryuser", ModuleNotFoundError),
        ("registry_user_b", "from collections import Cuonter", ImportError),
        ("registry_user_c", "import math\nmath.no_such_function", AttributeError),
        ("registry_user_d", "1 / 0", ZeroDivisionError),
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
        load({"mine": f"{module}:Mine"}, "mine", "hypermodel.name")
