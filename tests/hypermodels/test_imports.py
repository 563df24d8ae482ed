"""Imports point one way: anyone can copy `callbacks/` and `hypermodels/` into their own project."""

import ast
import sys
from pathlib import Path

import pytest

import callbacks
import hypermodels

ALLOWED = {
    "callbacks": {"callbacks", "keras", "tensorflow", "tensorboard", "numpy"},
    "hypermodels": {"hypermodels", "callbacks", "keras", "keras_tuner", "tensorflow", "numpy"},
}
FOLDERS = {
    module.__name__: Path(str(module.__file__)).parent for module in (callbacks, hypermodels)
}
FILES = [path for folder in FOLDERS.values() for path in sorted(folder.rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Top-level names of all that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_is_imported_from_the_rest_of_the_project(path: Path) -> None:
    foreign = imported(path) - set(sys.stdlib_module_names)
    assert foreign <= ALLOWED[path.parent.name]


def test_both_folders_were_read() -> None:
    assert {path.name for path in FILES} >= {"base.py", "epoch_model.py", "learning_rate.py"}


@pytest.mark.parametrize("registry", [callbacks.CALLBACKS, callbacks.SCHEDULES])
def test_the_callbacks_registries_lead_nowhere_else(registry: dict[str, str]) -> None:
    assert {entry.partition(".")[0] for entry in registry.values()} == {"callbacks"}


def test_the_hypermodels_registry_leads_nowhere_else() -> None:
    assert {entry.partition(".")[0] for entry in hypermodels.HYPERMODELS.values()} == {
        "hypermodels"
    }
