"""Runs a script where some folders lie alone, without the packages that only `src` needs."""

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = """
    import sys

    class Block:
        blocked = {"src", "sklearn", "scipy", "pandas", "yaml", "pydantic", "pyarrow", "optuna"}

        @classmethod
        def find_spec(cls, name, path=None, target=None):
            if name.partition(".")[0] in cls.blocked:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return None

    sys.meta_path.insert(0, Block)
"""


def run_alone(
    folder: Path, script: str, packages: Iterable[str]
) -> subprocess.CompletedProcess[str]:
    """Copies packages of this project into an empty folder and runs a script beside it.

    Args:
        folder: empty; the packages go into `project`, the script runs in `elsewhere`.
        script: Python, may be indented.
        packages: of this project.
    """
    ignored = shutil.ignore_patterns("__pycache__")
    for package in packages:
        shutil.copytree(ROOT / package, folder / "project" / package, ignore=ignored)
    (folder / "elsewhere").mkdir()
    environment = {"PYTHONPATH": str(folder / "project"), "PATH": "", "HOME": str(folder)}
    code = textwrap.dedent(BLOCK) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning:callbacks", "-c", code],
        cwd=folder / "elsewhere",
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
