"""Npz files in pieces."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.errors import UserError
from src.evaluation.prediction.npz_rows import npz_rows

X = np.arange(60, dtype=np.int16).reshape(10, 2, 3)
Y = np.arange(10) * 3


def read(folder: Path, rows: int, save: Any = np.savez, **arrays: Any) -> list[Any]:
    save(folder / "rows.npz", **arrays)
    return list(npz_rows(folder / "rows.npz", "FILE: rows.npz", 6, rows))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [1, 4, 100])
def test_pieces_are_the_rows_in_order(tmp_path: Path, save: Any, order: Any, rows: int) -> None:
    pieces = read(tmp_path, rows, save, other=Y, x=np.asarray(X, order=order), y=Y[:, None])
    assert {len(x) for x, _ in pieces[:-1]} <= {rows}
    np.testing.assert_array_equal(np.concatenate([x for x, _ in pieces]), X.reshape(10, 6))
    np.testing.assert_array_equal(np.concatenate([y for _, y in pieces]), Y)
    assert pieces[0][0].dtype == np.float32


def test_test_rows_are_taken_where_there_is_no_x(tmp_path: Path) -> None:
    [(x, y)] = read(tmp_path, 100, x_train=X, x_test=X[:4], y_train=Y)
    assert y is None
    np.testing.assert_array_equal(x, X[:4].reshape(4, 6))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X}, ["no array x or x_test; it has a"]),
        ({"x": X[:, 0]}, ["shape (10, 3)", "(rows, 6)"]),
        ({"x": X.astype(str)}, ["type <U", "numbers"]),
        ({"x": X.astype(object)}, ["type object", "numbers"]),
        ({"x": X, "y": Y.astype(object)}, ["y has shape (10,) of type object"]),
        ({"x": X, "y": Y[:9]}, ["y has shape (9,)", "10 rows"]),
    ],
)
def test_what_cannot_be_taken_is_told(tmp_path: Path, arrays: Any, words: list[str]) -> None:
    with pytest.raises(UserError, match=r"FILE: rows\.npz") as error:
        read(tmp_path, 100, **arrays)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("end", [200, -150])
def test_a_damaged_file_is_told(tmp_path: Path, end: int) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, x=X)
    content = path.read_bytes()
    path.write_bytes(content[:end] if end > 0 else content.replace(b"\x05\x00", b"\x06\x00", 1))
    with pytest.raises(UserError, match="not a complete npz file"):
        list(npz_rows(path, "FILE: rows.npz", 6, 100))
