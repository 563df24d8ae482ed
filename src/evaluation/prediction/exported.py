"""Finds an exported model, and reads what is to be known of it; nothing here needs TensorFlow."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hypermodels.problem import Task
from src.data.tables.columns import ModelColumns, read_columns
from src.errors import UserError
from src.store.run_directory import ExportDirectory, Retrained, RunDirectory
from src.text import resume_command, retrain_command


@dataclass(frozen=True)
class ExportedModel:
    """What is known of an exported model without loading it.

    Attributes:
        folder: where it is.
        task: what it predicts.
        class_names: the labels of its outputs, in order; empty for regression.
        feature_names: of a model that takes arrays, one a column of them.
        threshold: where class 1 of two begins; None for 0.5.
        table: of a model that takes the columns of a table, what those are.
        hypermodel: the registry name of its HyperModel; empty where no run tells it.
    """

    folder: ExportDirectory
    task: Task
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    threshold: float | None
    table: ModelColumns | None
    hypermodel: str


@dataclass(frozen=True)
class _Recorded:
    task: Task
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    hypermodel: str


def find_model(run: str) -> ExportedModel:
    """Finds a run's exported model, or one that was retrained.

    Args:
        run: a run's folder or its name, or a folder with a model: `best`, or one below `retrained`.

    Raises:
        UserError: if there is none, saying what to run instead.
    """
    path = Path(run)
    folder = _retrained(path)
    owner = next((p for p in path.absolute().parents if RunDirectory(p).is_there), None)
    if folder is None:
        found = RunDirectory(path) if RunDirectory(path).is_there else _named(run)
        folder, owner = found.exported, found.path
        if not folder.model.is_file():
            raise UserError(_not_exported(found))
    table = read_columns(folder.columns) if folder.columns.is_file() else None
    threshold = _threshold(folder)
    recorded = None if owner is None else _read_config(RunDirectory(owner).config)
    if table is not None:  # tells all; a copy of the folder may lie anywhere
        hypermodel = "" if recorded is None else recorded.hypermodel
        return ExportedModel(
            folder, table.task, table.class_names, (), threshold, table, hypermodel
        )
    if recorded is None:
        raise UserError(
            f"{folder.path}: what its model takes and predicts stands in the run that it is of, "
            "and this folder lies in none; valid: a run's folder, or one that lies in it"
        )
    return ExportedModel(
        folder,
        recorded.task,
        recorded.class_names,
        recorded.feature_names,
        threshold,
        None,
        recorded.hypermodel,
    )


def _retrained(path: Path) -> ExportDirectory | None:
    """The model in a folder, of several the one that stands for all of them; None without one."""
    if ExportDirectory(path).model.is_file():
        return ExportDirectory(path)
    retrained = Retrained(path)
    if not retrained.summary.is_file():
        return None
    if retrained.ensemble.model.is_file():
        return retrained.ensemble
    models = [folder for folder in retrained.seeds if folder.model.is_file()]
    if len(models) == 1:
        return models[0]
    raise UserError(
        f"'{path}' has {len(models)} models; valid: one of them, such as {path / 'seed1'}"
        + "; src.retrain --ensemble makes one of all"
    )


def _named(run: str) -> RunDirectory:
    from src.config import load_config  # for a path, nothing that it imports is needed

    return RunDirectory.find(load_config().run.directory, run)


def _not_exported(run: RunDirectory) -> str:
    """Why a run has no model, and what to do."""
    # For a model that is there, nothing that these import is needed.
    from src.evaluation.choosing import completed_trials
    from src.store.saved_search import read_search

    saved = read_search(run, history=False)  # raises if there was no trial yet
    completed = completed_trials(saved)
    if completed:
        why = "the best trial's model is exported when the search ends"
    else:
        why = "none of its trials has completed"
    message = (
        f"{run.path}: has no {run.model.relative_to(run.path)}: {why}. If the search runs, wait "
        f"for its end; else go on with it: {resume_command(run.path)}"
    )
    if completed:
        best = retrain_command(run.path, completed[0])
        message += f"\nOr train the best trial so far anew: {best}"
    return message


def _read_config(config: Path) -> _Recorded:
    """What a run's configuration tells of all models in it."""
    try:
        values: dict[str, Any] = yaml.safe_load(config.read_text(encoding="utf-8"))
        data = values["recorded"]["data"]
        return _Recorded(
            task=data["task"],
            class_names=tuple(map(str, data["classes"])),
            feature_names=tuple(map(str, data["features"])),
            hypermodel=str(values["hypermodel"]["name"]),
        )
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise UserError(
            f"{config}: does not tell what the model takes and predicts ({error!r}), as a search "
            "writes it under `recorded`; put back a copy of the file"
        ) from error


def _threshold(folder: ExportDirectory) -> float | None:
    try:
        scores: dict[str, Any] = json.loads(folder.metrics.read_text())
        return float(scores["threshold"]["value"]) if "threshold" in scores else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{folder.metrics}: does not tell whether the model has a decision threshold of its "
            f"own ({error!r}); put back a copy of the file"
        ) from error
