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
FOLDERS = [Path(str(module.__file__)).parent for module in (callbacks, hypermodels)]


def imported(path: Path) -> set[str]:
    """All modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.name))
def test_nothing_is_imported_from_the_rest_of_the_project(folder: Path) -> None:
    files = sorted(folder.rglob("*.py"))
    assert len(files) > 15
    for path in files:
        foreign = {name.partition(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
        assert foreign <= ALLOWED[folder.name], path
        if "training" not in path.parts:  # that folder may be deleted
            assert not any(name.startswith("hypermodels.training") for name in imported(path)), path
