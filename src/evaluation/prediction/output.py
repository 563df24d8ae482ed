"""Predictions as CSV, row by row, to a new file or to standard output."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import numpy as np
import pandas as pd

from src.errors import UserError
from src.evaluation.metrics import class_probabilities, predicted_labels
from src.evaluation.prediction.exported import ExportedModel
from src.files import disk_errors, sync

STANDARD_OUTPUT = "-"


class PredictionFile:
    """Where predictions go: a file that is there when it is whole, and never replaces another.

    Args:
        name: of the file; `-` for standard output.

    Raises:
        UserError: if it exists, or its folder does not.
    """

    def __init__(self, name: str) -> None:
        self.path = None if name == STANDARD_OUTPUT else Path(name)
        self._file: TextIO | None = None
        self._begun = False
        if self.path is not None:
            self._check(self.path)

    def __enter__(self) -> Self:
        if self.path is not None:
            with disk_errors(self.path):
                self._file = self._temporary.open("x", encoding="utf-8", newline="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.path is None or self._file is None:
            return
        try:
            with disk_errors(self.path):
                self._file.close()
                if error is None:
                    sync(self._temporary)
                    self._publish(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def write(self, table: pd.DataFrame) -> None:
        """Adds rows; the first ones come after a line with the names of the columns.

        Raises:
            DiskError: if the file cannot be written.
            BrokenPipeError: if nobody reads standard output any more.
        """
        text = table.to_csv(index=False, header=not self._begun, lineterminator="\n")
        self._begun = True
        if self._file is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            assert self.path is not None
            with disk_errors(self.path):
                self._file.write(text)

    @property
    def _temporary(self) -> Path:
        assert self.path is not None
        return self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")

    def _check(self, path: Path) -> None:
        if path.exists():
            raise UserError(f"--output: '{path}' exists, and no file is overwritten; give another")
        if not path.parent.is_dir():
            raise UserError(f"--output: '{path}': there is no folder '{path.parent}'; make it")

    def _publish(self, path: Path) -> None:
        """Gives the file its name, unless another one has taken that meanwhile."""
        try:
            os.link(self._temporary, path)
        except FileExistsError as error:
            raise UserError(
                f"--output: '{path}' was made by somebody else meanwhile, and no file is "
                "overwritten; give another"
            ) from error
        except OSError:  # a file system without hard links
            self._temporary.rename(path)


def prediction_table(
    model: ExportedModel, prediction: np.ndarray[Any, Any], *, probabilities: bool
) -> pd.DataFrame:
    """Returns `prediction`, a label or a value in the target's units, and a row for each row.

    Args:
        model: what is known of the model.
        prediction: what it gives.
        probabilities: adds `probability_<label>` for each label.
    """
    if model.task == "regression":
        return pd.DataFrame({"prediction": prediction.reshape(-1)})
    names = np.asarray(model.class_names, dtype=object)
    table = {"prediction": names[predicted_labels(model.task, prediction, model.threshold)]}
    if probabilities:
        probability = class_probabilities(model.task, prediction)
        for index, name in enumerate(model.class_names):
            table[f"probability_{name}"] = probability[:, index]
    return pd.DataFrame(table)
