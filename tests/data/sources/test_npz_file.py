"""Arrays from npz files: content, and one clear message for each thing that may be wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from src.config.schema import DataSettings
from src.data.loading import load_data
from src.data.sources.npz_file import npz
from src.errors import UserError

X = np.arange(60, dtype=np.float64).reshape(20, 3)
Y = np.tile([0, 1], 10)
HOLED = X.copy()
HOLED[4, 1] = np.nan
HOLED[7, 2] = np.inf


def saved(folder: Path, **arrays: NDArray[Any]) -> DataSettings:
    np.savez(folder / "rows.npz", allow_pickle=True, **arrays)
    return DataSettings(source="npz", path=str(folder / "rows.npz"))


def test_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = npz(saved(tmp_path, x_train=X, y_train=Y.reshape(20, 1)), seed=0)
    np.savez_compressed(tmp_path / "rows.npz", x_train=X, y_train=Y)
    monkeypatch.setenv("HOME", str(tmp_path))
    packed = npz(DataSettings(source="npz", path="~/rows.npz"), seed=0)
    for dataset in (plain, packed):
        assert (dataset.name, dataset.image_maximum, dataset.x_test) == ("rows", None, None)
        assert dataset.feature_names == ("feature_0", "feature_1", "feature_2")
        assert (str(dataset.x.dtype), dataset.x.flags.c_contiguous) == ("float32", True)
        np.testing.assert_array_equal(dataset.x, X)
        np.testing.assert_array_equal(dataset.y, Y)


def test_images_are_flattened_and_know_their_maximum(tmp_path: Path) -> None:
    for images, maximum in (
        (np.full((20, 2, 2), 9, np.uint8), 255.0),
        (np.full((20, 2, 2), 4095, np.int16), 4095.0),
        (np.full((20, 2, 2), 0.7), 1.0),
    ):
        dataset = npz(saved(tmp_path, x_train=images, y_train=Y), seed=0)
        assert (dataset.x.shape, dataset.image_maximum) == ((20, 4), maximum)
        assert dataset.feature_names == ("pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_1_1")
    colours = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 3), np.uint8)
    dataset = npz(saved(tmp_path, x_train=colours, y_train=Y), seed=0)
    np.testing.assert_array_equal(dataset.x, colours.reshape(20, 36))


def test_labels_of_text(tmp_path: Path) -> None:
    for labels in (np.array(["ja", "nein"]), np.array([b"ja", b"nein"])):
        data = load_data(saved(tmp_path, x_train=X, y_train=labels[Y]), seed=0)
        assert (data.task, data.task_inferred) == ("binary", True)
        assert data.class_names == ("ja", "nein")
        np.testing.assert_array_equal(data.y, Y)


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"labels": Y}, "no y_train; it has labels, x_train"),
        ({"y_train": Y[:19]}, "x_train has 20 rows and y_train has 19"),
        ({"x_test": X[:, :2], "y_test": Y}, "row of x_test has shape (2,)"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "x_train has shape (0, 3)"),
        ({"x_train": X.astype(str)}, "x_train is of type <U32"),
        ({"y_train": np.eye(20)}, "y_train has shape (20, 20)"),
        ({"y_train": Y * 1j}, "y_train is of type complex128"),
        ({"x_train": HOLED}, "2 of 60 values are not finite numbers; the first is nan in row 5"),
        ({"x_train": X * 1e38}, "Valid: numbers within ±3.4e38"),
        ({"y_train": HOLED[:, 1]}, "y_train: 1 of 20 values of the target are not finite"),
        ({"y_train": np.array([None, "a"] * 10, dtype=object)}, "y_train holds Python objects"),
    ],
)
def test_messages_name_the_file_what_was_found_and_what_is_valid(
    arrays: dict[str, NDArray[Any]], part: str, tmp_path: Path
) -> None:
    plain = {"x_train": X} if "labels" in arrays else {"x_train": X, "y_train": Y}
    with pytest.raises(UserError) as raised:
        npz(saved(tmp_path, **plain | arrays), seed=0)
    for found in ("data.path: ", "rows.npz", part):
        assert found in str(raised.value)


def test_files_that_are_not_npz_or_not_there(tmp_path: Path) -> None:
    settings = saved(tmp_path, x_train=X, y_train=Y)
    whole = (tmp_path / "rows.npz").read_bytes()
    np.save(tmp_path / "array.npy", X)
    alone = (tmp_path / "array.npy").read_bytes()
    for content in (whole[:300], whole[:150] + b"0123456789" + whole[160:], b"a,b\n", b"", alone):
        (tmp_path / "rows.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"rows\.npz.* is not a complete npz file.*savez"):
            npz(settings, seed=0)
    for path, message in (
        (None, r"data\.path: data\.source=npz needs it"),
        ("none.npz", r"none\.npz: there is no such file; valid: an npz file"),
        (str(tmp_path), "is a folder"),
    ):
        with pytest.raises(UserError, match=message):
            npz(DataSettings(source="npz", path=path), seed=0)
