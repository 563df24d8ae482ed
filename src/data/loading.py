"""Everything from the settings to arrays: source, task, split, preprocessing."""

import hashlib
import traceback
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypermodels.problem import Problem, Task
from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.preprocessing import Scaling, ScalingKind, fit_scaling, resolve_scaling
from src.data.scaled_rows import ScaledRows
from src.data.splits import Rows, fold_rows, split_rows
from src.data.tables.columns import Table
from src.data.tables.encoding import TableEncoding
from src.data.tables.fitting import fit_encoding
from src.data.tables.raw_rows import RawTableRows
from src.data.task import encode_target
from src.errors import UserError
from src.registry import SOURCES, load


@dataclass(frozen=True, eq=False)
class FitArrays:
    """What one fit trains and validates on; all arrays are C-contiguous.

    Attributes:
        x: float32 `(training rows, features)`, scaled: an array, or `ScaledRows`.
        y: int32 class codes, or the float32 target `(target − target_mean) / target_scale`.
        x_validation: as `x`, for the validation rows.
        y_validation: as `y`, for the validation rows.
        scaling: what was applied to the inputs, fitted on the training rows: for a table, its
            encoding.
        target_mean: mean of the training target in its own units; 0 for classes.
        target_scale: its standard deviation; 1 for classes.
        problem: what a HyperModel must know.
    """

    x: Any
    y: NDArray[Any]
    x_validation: Any
    y_validation: NDArray[Any]
    scaling: Scaling | TableEncoding
    target_mean: float
    target_scale: float
    problem: Problem


@dataclass(frozen=True, eq=False)
class Data:
    """All rows of a data set, what they pose, and which of them are for what.

    Attributes:
        name: the data set's name.
        task: the task.
        task_inferred: whether the labels alone decided the task.
        class_names: the original labels as text, in the order of the codes; empty for regression.
        feature_names: one a column.
        x: float32 `(rows, features)` in raw units; separate test rows come last. Of a table also
            the codes of texts, and NaN for missing values.
        y: int32 class codes `(rows,)`, or the float64 raw target.
        train: sorted int64 row numbers.
        validation: sorted int64 row numbers.
        test: sorted int64 row numbers; may be empty.
        scaling: `standard`, `robust` or `none`: what `data.scaling: auto` came to.
        image_maximum: the value of a full pixel where rows are flattened images, else None.
        seed: the seed of the split and the folds.
        table: of a table, what its columns are; its inputs are the columns of `x`.
        groups: int64 `(rows,)`: rows with the same number never part; None where each stands alone.
    """

    name: str
    task: Task
    task_inferred: bool
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    x: NDArray[np.float32]
    y: NDArray[Any]
    train: Rows
    validation: Rows
    test: Rows
    scaling: ScalingKind
    image_maximum: float | None
    seed: int
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
        """Returns pairs of training and validation rows, sorted; each row validates once.

        One fold is the split itself; more are drawn from the development rows, stratified for
        classes, the same ones for the same seed.

        Raises:
            UserError: naming `tuner.folds`, if a class has fewer rows than folds.
        """
        if count == 1:
            return ((self.train, self.validation),)
        return fold_rows(self.y, self.development, self.class_names, count, self.seed, self.groups)

    def arrays(self, train_rows: Rows, validation_rows: Rows, *, stream: bool = False) -> FitArrays:
        """Preprocesses the rows of one fit, fitted on `train_rows` alone.

        Args:
            train_rows: row numbers to train on, at least one.
            validation_rows: row numbers to validate on; may be empty.
            stream: leaves the rows where they are and scales them when they are read.

        Raises:
            UserError: if the target of a regression's training rows is constant, or no column of
                a table tells these rows apart.
        """
        x: Any = ScaledRows(self.x, train_rows) if stream or self.table else self.x[train_rows]
        scaling = self._encoding(train_rows) if self.table else self._array_scaling(x)
        if stream or self.table:
            x_validation: Any = ScaledRows(self.x, validation_rows, scaling)
            x = ScaledRows(self.x, train_rows, scaling)
            if not stream:
                x, x_validation = x[:], x_validation[:]
        else:
            x, x_validation = scaling.apply(x), scaling.apply(self.x[validation_rows])
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
        problem = Problem(
            task=self.task,
            features=scaling.features,
            classes=len(self.class_names),
            target_mean=target_mean,
            target_scale=target_scale,
            embedded=len(scaling.embedded) if isinstance(scaling, TableEncoding) else 0,
            embedded_categories=(
                scaling.embedded_categories if isinstance(scaling, TableEncoding) else 0
            ),
        )
        return FitArrays(
            x=x,
            y=y,
            x_validation=x_validation,
            y_validation=y_validation,
            scaling=scaling,
            target_mean=target_mean,
            target_scale=target_scale,
            problem=problem,
        )

    def _array_scaling(self, x: Any) -> Scaling:
        assert self.scaling != "robust"  # `resolve_scaling` keeps it for tables
        return fit_scaling(x, self.scaling, self.image_maximum)

    def _encoding(self, train_rows: Rows) -> TableEncoding:
        assert self.table is not None
        encoding = fit_encoding(self.x, train_rows, self.table.inputs, self.scaling)
        if not encoding.features:
            names = ", ".join(column.name for column in self.table.inputs[:20])
            raise UserError(
                f"data: no category of the columns {names} comes often enough in the training "
                "rows to learn from. Valid: a number, or categories that repeat"
            )
        return encoding


def load_data(settings: DataSettings, seed: int) -> Data:
    """Loads the source, settles the task and splits the rows.

    The fractions are of all rows that are not separate test rows; where a source brings test
    rows of its own, `data.test_fraction` counts as 0. Any integer ≥ 0 is a seed.

    Raises:
        UserError: naming the key and what is valid, for everything that settings or files may
            have wrong.
    """
    dataset = _dataset(settings, seed)
    chosen, key = dataset.task, f"data.task=auto (data.source={settings.source})"
    if settings.task != "auto":
        chosen, key = settings.task, f"data.task={settings.task}"
    target = encode_target(dataset.y, dataset.y_test, chosen, key)
    split = split_rows(
        target.y,
        target.class_names,
        settings.validation_fraction,
        settings.test_fraction if dataset.x_test is None else 0.0,
        seed,
        dataset.groups,
    )
    x, y, test = dataset.x, target.y, split.test
    if dataset.x_test is not None:
        x = np.concatenate([dataset.x, dataset.x_test])
        y = np.concatenate([target.y, target.y_test])
        test = np.arange(len(dataset.x), len(x), dtype=np.int64)
    return Data(
        name=dataset.name,
        task=target.task,
        task_inferred=target.inferred,
        class_names=target.class_names,
        feature_names=dataset.feature_names,
        x=x,
        y=y,
        train=split.train,
        validation=split.validation,
        test=test,
        scaling=resolve_scaling(
            settings.scaling, dataset.image_maximum, is_table=dataset.table is not None
        ),
        image_maximum=dataset.image_maximum,
        seed=seed,
        table=dataset.table,
        groups=dataset.groups,
    )


def _dataset(settings: DataSettings, seed: int) -> Dataset:
    """Calls the source; what one of a user's own raises or returns may be anything."""
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
    rows, columns = dataset.x.shape if dataset.x.ndim == 2 else (-1, -1)
    if len(dataset.y) != rows or len(dataset.feature_names) != columns:
        raise UserError(
            f"{where}: x has shape {dataset.x.shape}, y {len(dataset.y)} rows, feature_names "
            f"{len(dataset.feature_names)} names; valid: x (rows, features), as many labels as "
            "rows, as many names as features"
        )
    return dataset
