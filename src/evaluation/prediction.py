"""What `src.predict` is made of: finds and loads an exported model, and writes a new file.

Only loading a model needs TensorFlow.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from hypermodels import HYPERMODELS
from hypermodels.problem import Task
from src import registry
from src.data.tables.columns import ModelColumns, read_columns
from src.errors import UserError
from src.files import disk_errors, sync
from src.startup import held_stderr, import_keras
from src.store.run_directory import ExportDirectory, Retrained, RunDirectory

STANDARD_OUTPUT = "-"


@dataclass(frozen=True)
class ExportedModel:
    """What is known of an exported model without loading it."""

    folder: ExportDirectory
    task: Task
    class_names: tuple[str, ...]  # of its outputs, in order; none for regression
    feature_names: tuple[str, ...] = ()  # of a model that takes arrays
    threshold: float | None = None  # where class 1 of two begins; None for 0.5
    table: ModelColumns | None = None  # of a model that takes the columns of a table
    hypermodel: str = ""  # registry name; empty outside a run


def find_model(run: str) -> ExportedModel:
    """Finds the model of a run's folder or name, or of a folder `best` or below `retrained`.

    Raises `UserError` if there is none, saying what to run instead, or its files tell too little.
    """
    folder = _folder(run)
    table = read_columns(folder.columns) if folder.columns.is_file() else None
    runs = map(RunDirectory, folder.path.absolute().parents)
    config = next((owner.config for owner in runs if owner.is_there), None)
    if table is None and config is None:
        raise UserError(
            f"{folder.path}: lies in no run, whose config.yaml would tell what the model takes; "
            "valid: a run's folder, or one that lies in it"
        )
    path = folder.metrics
    try:
        threshold = json.loads(path.read_text()).get("threshold")
        found: dict[str, Any] = {"threshold": threshold and float(threshold["value"])}
        if config is not None:
            path = config
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
            found["hypermodel"] = str(values["hypermodel"]["name"])
        if table is not None:  # tells all; a copy of the folder may lie anywhere
            return ExportedModel(folder, table.task, table.class_names, table=table, **found)
        data = values["recorded"]["data"]
        classes, features = (tuple(map(str, data[key])) for key in ("classes", "features"))
        return ExportedModel(folder, data["task"], classes, features, **found)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as error:
        raise UserError(
            f"{path}: does not tell of the model what a search writes ({error!r}); put back a copy "
            "of the file"
        ) from error


def load_model(model: ExportedModel) -> Any:
    """Loads the model in Keras's safe mode; raises `UserError` if it cannot be loaded.

    A HyperModel's module, which makes its own layers known, is imported only where it is needed.
    """
    import_keras()
    import keras

    path, last = model.folder.model, Exception()
    for needed in ("", model.hypermodel):
        try:
            if needed in HYPERMODELS:
                registry.load(HYPERMODELS, needed, "hypermodel.name")
            with held_stderr():
                return keras.models.load_model(path, safe_mode=True, compile=False)
        except Exception as error:  # damaged archives and unknown layers raise anything
            last = error
    line = next(iter(str(last).strip().splitlines()), "")
    raise UserError(
        f"{path}: cannot be loaded ({type(last).__name__}: {line[:300]}). Put back a copy of the "
        "file, or train a model anew: python -m src.retrain"
    ) from last


def check_output(name: str) -> None:
    """Raises `UserError` if the file exists, or its folder does not."""
    path = Path(name)
    if path.exists() and name != STANDARD_OUTPUT:
        raise UserError(f"--output: '{path}' exists, and no file is overwritten; give another")
    if not path.parent.is_dir():
        raise UserError(f"--output: '{path}': there is no folder '{path.parent}'; make it")


@contextmanager
def prediction_file(name: str) -> Iterator[TextIO]:
    """Opens a new file, or standard output for `-`; raises `DiskError` if it cannot be written."""
    if name == STANDARD_OUTPUT:
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with disk_errors(path):
            with temporary.open("x", encoding="utf-8", newline="") as file:
                yield file
            sync(temporary)
            check_output(name)  # a rename would replace what came meanwhile
            temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _folder(run: str) -> ExportDirectory:
    retrained, found = Retrained(Path(run)), RunDirectory(Path(run))
    if ExportDirectory(found.path).model.is_file():
        return ExportDirectory(found.path)
    if retrained.summary.is_file():
        models = [retrained.ensemble] if retrained.ensemble.model.is_file() else retrained.seeds
        if len(models) != 1:
            valid = f"one of them, such as {found.path / 'seed1'}, or retrain with --ensemble"
            raise UserError(f"'{run}' has {len(models)} models; valid: {valid}")
        return models[0]
    # Only a name, or a run without a model, has to wait for what is imported here.
    if not found.is_there:
        from src.config import load_config

        found = RunDirectory.find(load_config().run.directory, run)
    if not found.model.is_file():
        from src.evaluation.selection import no_export, read_completed_trials

        raise UserError(no_export(found, read_completed_trials(found)))
    return found.exported
