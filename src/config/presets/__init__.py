"""The built-in configurations: one YAML file a preset, found by its name."""

import functools
import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_SETTING = re.compile(r"(?P<indent> *)(?P<key>\w+):.*?(?:  # (?P<comment>.*))?")


def preset_names() -> dict[str, str]:
    """Returns every preset's name, sorted, with the one line that says what it is for.

    A preset opens with a comment line that holds the command that runs it; what it is for is the
    comment line after that.
    """
    names = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        names[path.stem] = lines[1].removeprefix("#").strip()
    return names


def preset_path(name: str) -> Path:
    """Returns where the preset called `name` lies; the file need not exist."""
    return _FOLDER / f"{name}.yaml"


@functools.cache
def setting_comments() -> dict[tuple[str, ...], str]:
    """Returns the comments of `default.yaml`, which open with the valid values, by their keys."""
    comments = {}
    path: tuple[str, ...] = ()
    for line in preset_path("default").read_text(encoding="utf-8").splitlines():
        if match := _SETTING.fullmatch(line):
            path = (*path[: len(match["indent"]) // 2], match["key"])
            if match["comment"]:
                comments[path] = match["comment"]
    return comments
