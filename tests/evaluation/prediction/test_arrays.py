"""Npz files in pieces."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.errors import UserError
from src.evaluation.prediction.arrays import ArrayFile

X = np.arange(60, dtype=np.int16).reshape(10, 2, 3)
Y = np.arange(10) * 3


def opened(folder: Path, save: Any = np.savez, features: int = 6, **arrays: Any) -> ArrayFile:
    save(folder / "rows.npz", **arrays)
    return ArrayFile(folder / "rows.npz", "FILE: rows.npz", features)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_pieces_are_the_rows_in_order(tmp_path: Path, save: Any, order: Any, rows: int) -> None:
    file = opened(tmp_path, save, other=Y, x=np.asarray(X, order=order), y=Y[:, None])
    assert (file.rows, file.has_target) == (10, True)
    pieces = list(file.chunks(rows))
    assert {len(x) for x, _ in pieces[:-1]} <= {rows}
    np.testing.assert_array_equal(np.concatenate([x for x, _ in pieces]), X.reshape(10, 6))
    np.testing.assert_array_equal(np.concatenate([y for _, y in pieces if y is not None]), Y)
    assert pieces[0][0].dtype == np.float32


def test_test_rows_are_taken_where_there_is_no_x(tmp_path: Path) -> None:
    file = opened(tmp_path, x_train=X, x_test=X[:4], y_train=Y)
    assert (file.rows, file.has_target) == (4, False)
    [(x, y)] = file.chunks(100)
    assert y is None
    np.testing.assert_array_equal(x, X[:4].reshape(4, 6))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X}, ["no array x or x_test; it has a"]),
        ({"x": X[:, 0]}, ["shape (10, 3)", "(rows, 6)"]),
        ({"x": X.astype(str)}, ["type <U", "numbers"]),
        ({"x": X.astype(object)}, ["Python objects", "never loaded"]),
        ({"x": X, "y": Y[:9]}, ["y has shape (9,)", "10 rows"]),
    ],
)
def test_what_cannot_be_taken_is_told(tmp_path: Path, arrays: Any, words: list[str]) -> None:
    with pytest.raises(UserError, match=r"FILE: rows\.npz") as error:
        opened(tmp_path, **arrays)
    for word in words:
        assert word in str(error.value)


def test_a_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, x=X)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="not a complete npz file"):
        ArrayFile(path, "FILE: rows.npz", 6)
