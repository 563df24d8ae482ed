"""Runs a script where some folders lie alone and only some distributions can be imported."""

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

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
    for package in packages:
        shutil.copytree(
            ROOT / package,
            folder / "project" / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    (folder / "elsewhere").mkdir()
    blocked = " ".join(blocked_modules(distributions))
    code = textwrap.dedent(BLOCK) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning:callbacks", "-c", code, blocked],
        cwd=folder / "elsewhere",
        env={
            "PYTHONPATH": str(folder / "project"),
            "PATH": "",
            "HOME": str(folder),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def blocked_modules(distributions: Iterable[str]) -> list[str]:
    """Top-level modules that are installed and belong to none of the distributions' closure."""
    allowed: set[str] = set()
    waiting = [_normal(name) for name in distributions]
    while waiting:
        name = waiting.pop()
        if name in allowed:
            continue
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        allowed.add(name)
        for requirement in map(Requirement, requires):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(_normal(requirement.name))
    return sorted(
        module
        for module, owners in metadata.packages_distributions().items()
        if allowed.isdisjoint(map(_normal, owners))
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
