"""The built-in configurations: one YAML file a preset, found by its name."""

from pathlib import Path

_FOLDER = Path(__file__).parent


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
