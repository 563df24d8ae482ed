"""Everything from the settings to arrays: source, task, split, preprocessing."""

import hashlib
import traceback
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypermodels.problem import Problem, Task
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.preprocessing import Scaling, ScalingKind, fit_scaling, resolve_scaling
from src.data.splits import Labels, Rows, fold_rows, split_rows
from src.data.tables.columns import Table
from src.data.tables.encoding import TableEncoding
from src.data.tables.fitting import fit_encoding
from src.data.tables.raw_rows import RawTableRows
from src.data.task import encode_target
from src.errors import UserError, listed
from src.registry import SOURCES, load


class ScaledRows:
    """`scaling.apply(x[rows])`, computed for a part of the rows when that part is read.

    `x` is float32 `(all rows, features)` and may be mapped; without `scaling`, rows are raw.
    """

    def __init__(
        self, x: NDArray[np.float32], rows: Rows, scaling: Scaling | TableEncoding | None = None
    ) -> None:
        self._x, self._rows, self._scaling = x, rows, scaling
        self.shape = (len(rows), x.shape[1] if scaling is None else scaling.features)
        self.dtype = x.dtype

    def __len__(self) -> int:
        """The number of chosen rows."""
        return len(self._rows)

    def __getitem__(self, key: slice | NDArray[Any]) -> NDArray[np.float32]:
        """The rows of a slice, or of an array of places among the chosen rows."""
        x = self._x[self._rows[key]]
        return x if self._scaling is None else self._scaling.apply(x)


@dataclass(frozen=True, eq=False)
class FitArrays:
    """What one fit trains and validates on; all arrays are C-contiguous."""

    x: Any  # float32 `(rows, features)`, scaled: an array, or `ScaledRows`
    y: NDArray[Any]  # int32 class codes, or float32 `(target − target_mean) / target_scale`
    x_validation: Any
    y_validation: NDArray[Any]
    scaling: Scaling | TableEncoding  # of the inputs, fitted on the training rows
    problem: Problem  # what a HyperModel must know


@dataclass(frozen=True, eq=False)
class Data:
    """All rows of a data set, the task that they pose, and how they are split.

    Fields without a comment are those of `Dataset`.
    """

    name: str
    task: Task
    task_inferred: bool  # whether the labels alone decided the task
    class_names: tuple[str, ...]  # labels as text, in the order of the codes; none for regression
    feature_names: tuple[str, ...]
    x: NDArray[np.float32]  # separate test rows come last
    y: NDArray[Any]  # int32 class codes, or the float64 raw target
    train: Rows  # sorted row numbers
    validation: Rows
    test: Rows  # may be empty
    scaling: ScalingKind  # `data.scaling` once `auto` is resolved
    image_maximum: float | None
    seed: int  # of the split and the folds
    table: Table | None = None
    groups: NDArray[np.int64] | None = None

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that a search depends on: rows, labels, names and the split."""
        digest = hashlib.blake2b(digest_size=16)
        plain = [self.task, self.class_names, self.feature_names, self.scaling, self.image_maximum]
        digest.update(repr(plain).encode())
        for column in () if self.table is None else self.table.inputs:
            facts = [column.kind, column.format, column.input, column.origin, column.categories]
            digest.update(repr(facts).encode("utf-8", "surrogatepass"))
        for array in (self.x, self.y, self.train, self.validation, self.test):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def raw_rows(self, rows: Rows) -> ScaledRows | RawTableRows:
        """Returns rows as an exported model takes them, made piece by piece when asked for."""
        if self.table is None:
            return ScaledRows(self.x, rows)
        return RawTableRows(self.x, rows, self.table.inputs)

    def row_numbers(self, rows: Rows) -> Rows:
        """Returns the numbers that rows have in their source, from 0."""
        if self.table is None or self.table.row_numbers is None:
            return rows
        return self.table.row_numbers[rows]

    @property
    def development(self) -> Rows:
        """Training and validation rows together, sorted."""
        return np.sort(np.concatenate([self.train, self.validation]))

    def folds(self, count: int) -> tuple[tuple[Rows, Rows], ...]:
        """Returns pairs of sorted training and validation rows.

        One fold is the split itself. More are drawn from the development rows, each of which
        validates once. Raises `UserError` if a class has fewer rows than folds.
        """
        if count == 1:
            return ((self.train, self.validation),)
        labels = Labels(self.y, self.class_names, self.groups)
        return fold_rows(labels, self.development, count, self.seed)

    def arrays(self, train_rows: Rows, validation_rows: Rows, *, stream: bool = False) -> FitArrays:
        """Preprocesses the rows of one fit, fitted on `train_rows` alone.

        With `stream`, the rows stay where they are and are scaled when they are read. Raises
        `UserError` if all training rows have the same target, or a table has no usable column.
        """
        scaling = self._scaling(train_rows)
        x: Any = ScaledRows(self.x, train_rows, scaling)
        x_validation: Any = ScaledRows(self.x, validation_rows, scaling)
        if not stream:
            x, x_validation = x[:], x_validation[:]
        y, y_validation = self.y[train_rows], self.y[validation_rows]
        target_mean, target_scale = 0.0, 1.0
        if self.task == "regression":
            if y.min() == y.max():
                raise UserError(
                    f"data: all {len(y)} training rows of '{self.name}' have the same target, "
                    f"{y[0]}. Valid: at least two distinct values to train on"
                )
            target_mean, target_scale = float(y.mean()), float(y.std())
            y = ((y - target_mean) / target_scale).astype(np.float32)
            y_validation = ((y_validation - target_mean) / target_scale).astype(np.float32)
        encoding = scaling if isinstance(scaling, TableEncoding) else None
        problem = Problem(
            task=self.task,
            features=scaling.features,
            classes=len(self.class_names),
            target_mean=target_mean,
            target_scale=target_scale,
            embedded=len(encoding.embedded) if encoding else 0,
            embedded_categories=encoding.embedded_categories if encoding else 0,
        )
        return FitArrays(x, y, x_validation, y_validation, scaling, problem)

    def _scaling(self, train_rows: Rows) -> Scaling | TableEncoding:
        if self.table is None:
            rows = ScaledRows(self.x, train_rows)
            return fit_scaling(rows, self.scaling, self.image_maximum)
        encoding = fit_encoding(self.x, train_rows, self.table.inputs, self.scaling)
        if not encoding.features:
            raise UserError(
                f"data: no category of {listed(column.name for column in self.table.inputs)} is "
                "frequent enough in the training rows to learn from. Valid: a number, or "
                "categories that repeat"
            )
        return encoding


@dataclass(frozen=True, eq=False, kw_only=True)
class MappedData(Data):
    """`Data` with arrays mapped from npy files in a folder; pickled, it refers to that folder."""

    folder: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, (self.folder, _plain(self))


def map_data(data: Data, folder: Path) -> MappedData:
    """Writes the arrays of `data` into a folder, once, and returns the same data mapped from it."""
    plain = _plain(data)
    for name in [field.name for field in fields(Data) if field.name not in plain]:
        np.save(folder / f"{name}.npy", getattr(data, name), allow_pickle=False)
    return _open(folder, plain)


def _plain(data: Data) -> dict[str, Any]:
    values = {field.name: getattr(data, field.name) for field in fields(Data)}
    return {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}


def _open(folder: Path, plain: dict[str, Any]) -> MappedData:
    arrays = {
        path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in folder.glob("*.npy")
    }
    return MappedData(**plain, **arrays, folder=folder)


def load_data(settings: DataSettings, seed: int) -> Data:
    """Loads the source, settles the task and splits the rows.

    The fractions are of all rows that are not separate test rows; where a source brings test rows
    of its own, `data.test_fraction` counts as 0. Raises `UserError` for wrong settings or files.
    """
    dataset = _dataset(settings, seed)
    chosen, key = dataset.task, f"data.task=auto (data.source={settings.source})"
    if settings.task != "auto":
        chosen, key = settings.task, f"data.task={settings.task}"
    task, class_names, y, y_test = encode_target(dataset.y, dataset.y_test, chosen, key)
    labels = Labels(y, class_names, dataset.groups)
    test_fraction = settings.test_fraction if dataset.x_test is None else 0.0
    train, validation, test = split_rows(labels, settings.validation_fraction, test_fraction, seed)
    x = dataset.x
    if dataset.x_test is not None:
        x = np.concatenate([dataset.x, dataset.x_test])
        y = np.concatenate([y, y_test])
        test = np.arange(len(dataset.x), len(x), dtype=np.int64)
    return Data(
        name=dataset.name,
        task=task,
        task_inferred=chosen is None,
        class_names=class_names,
        feature_names=dataset.feature_names,
        x=x,
        y=y,
        train=train,
        validation=validation,
        test=test,
        scaling=resolve_scaling(settings.scaling, dataset),
        image_maximum=dataset.image_maximum,
        seed=seed,
        table=dataset.table,
        groups=dataset.groups,
    )


def _dataset(settings: DataSettings, seed: int) -> Dataset:
    """Calls the source, and checks what it returns, because a user may have written it."""
    where = f"data.source={settings.source}"
    source = load(SOURCES, settings.source, "data.source")
    try:
        dataset = source(settings, seed)
    except UserError:
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{where}: its function raised {type(error).__name__}: {error}\n"
            f"  {frame.filename}:{frame.lineno}: {frame.line}"
        ) from error
    if not isinstance(dataset, Dataset):
        raise UserError(f"{where}: its function gave a {type(dataset).__name__}, not a Dataset")
    if dataset.x.shape != (shape := (len(dataset.y), len(dataset.feature_names))):
        raise UserError(
            f"{where}: x has shape {dataset.x.shape}. Valid: {shape}, as many rows as y and as "
            "many columns as feature_names"
        )
    return dataset
