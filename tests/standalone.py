"""Runs a script where some folders lie alone and only some distributions can be imported."""

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
BLOCK = """
    import sys

    class Block:
        blocked = frozenset(sys.argv[1].split())

        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name.partition(".")[0] in cls.blocked:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return None

    sys.meta_path.insert(0, Block)
"""


def run_alone(
    folder: Path, script: str, packages: Iterable[str], distributions: Iterable[str]
) -> subprocess.CompletedProcess[str]:
    """Copies packages of this project into an empty folder and runs a script beside it.

    Args:
        folder: empty; the packages go into `project`, the script runs in `elsewhere`.
        script: Python, may be indented.
        packages: of this project.
        distributions: that can be imported, with what they require themselves; no others can.
    """
    ignored = shutil.ignore_patterns("__pycache__")
    for package in packages:
        shutil.copytree(ROOT / package, folder / "project" / package, ignore=ignored)
    (folder / "elsewhere").mkdir()
    code = textwrap.dedent(BLOCK) + textwrap.dedent(script)
    blocked = " ".join(blocked_modules(distributions))
    environment = {"PYTHONPATH": str(folder / "project"), "PATH": "", "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning:callbacks", "-c", code, blocked],
        cwd=folder / "elsewhere",
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def blocked_modules(distributions: Iterable[str]) -> list[str]:
    """Top-level modules that are installed and belong to none of the distributions' closure."""
    allowed: set[str] = set()
    waiting = list(distributions)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in allowed:
            continue
        try:
            requirements = map(Requirement, metadata.requires(name) or [])
        except metadata.PackageNotFoundError:  # for another platform
            continue
        allowed.add(name)
        needed = (r for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""}))
        waiting += [requirement.name for requirement in needed]
    owners = metadata.packages_distributions().items()
    return [module for module, names in owners if allowed.isdisjoint(map(canonicalize_name, names))]
