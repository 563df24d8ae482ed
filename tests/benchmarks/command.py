"""What the commands share: numbers on the command line, and the JSON file they write."""

import argparse
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("keras-tuner", "keras", "tensorflow", "numpy", "scikit-learn")


def positive(text: str) -> int:
    """A number of the command line that must be at least 1, for `argparse`."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not at least 1")
    return number


def surroundings() -> dict[str, Any]:
    """What the figures of a benchmark depend on besides the code; `load` tells a busy machine."""
    return {
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def read_searches(path: Path) -> dict[str, dict[str, Any]]:
    """The searches of an earlier run of a benchmark, by key; none where there was none."""
    if not path.exists():
        return {}
    searches: dict[str, dict[str, Any]] = json.loads(path.read_text())["searches"]
    return searches


def write_json(path: Path, report: Mapping[str, Any]) -> None:
    """Writes a benchmark's figures."""
    path.write_text(json.dumps(report, indent=2) + "\n")
