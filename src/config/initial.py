"""Reads the file of configurations that `tuner.points_to_evaluate` may name."""

from pathlib import Path

from src.config.schema import Config
from src.config.space import configurations
from src.config.text import shown
from src.config.yaml_text import YamlError, read_yaml
from src.errors import UserError

LARGEST = 1_000_000  # bytes; what is larger was not meant
WINNER = Path("best", "hyperparameters.yaml")


def with_initial(config: Config) -> Config:
    """The configuration with what the file holds in place of its path.

    So that a run's config.yaml repeats it, whatever becomes of the file.

    Raises:
        UserError: if it cannot be read, or holds no configurations.
    """
    initial = config.tuner.points_to_evaluate
    if not isinstance(initial, str):
        return config
    try:
        values, _ = read_yaml(_text(Path(initial)))
        read = configurations(values)
    except (YamlError, ValueError) as error:
        raise UserError(
            f"tuner.points_to_evaluate: {initial}: {error}; it holds one mapping from "
            "hyperparameters to values, or a list of them"
        ) from error
    return config.model_copy(
        update={"tuner": config.tuner.model_copy(update={"points_to_evaluate": read})}
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except IsADirectoryError as error:
        inner = path / WINNER
        hint = f"; did you mean {inner}?" if inner.is_file() else "; give a YAML file"
        raise UserError(f"tuner.points_to_evaluate: {path} is a folder{hint}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(
            f"tuner.points_to_evaluate: {shown(str(path))}: cannot be read: {reason}; give a list "
            "of mappings such as [{units: 128}], or a YAML file such as "
            "RUN/best/hyperparameters.yaml"
        ) from error
    if len(content) > LARGEST:
        raise UserError(f"tuner.points_to_evaluate: {path}: is larger than {LARGEST} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"tuner.points_to_evaluate: {path}: is not UTF-8 text") from error
