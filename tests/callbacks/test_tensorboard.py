"""Scalars, read back with TensorBoard's own reader."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks import ScheduleLogger, TensorBoard
from tests.callbacks.helpers import BASE, ScriptedMetric, fit, plain_model

SCORES = [0.5, 0.25, 0.125, float("inf")]


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """All scalars below a folder: (step, value) by tag."""
    reader = EventAccumulator(str(directory)).Reload()
    return {
        tag: [(event.step, event.value) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def write(board: TensorBoard, scores: Sequence[float], start: int = 0) -> None:
    """Epochs with these scores."""
    board.on_train_begin()
    for epoch, score in enumerate(scores, start):
        board.on_epoch_end(epoch, {"val_score": score})
    board.on_train_end()


def test_scalars_of_a_fit_read_back_exactly(tmp_path: Path) -> None:
    callbacks = [ScriptedMetric(SCORES), ScheduleLogger(), TensorBoard(tmp_path / "trial")]
    history = fit(plain_model(), callbacks, 2).history
    assert scalars(tmp_path / "trial") == {
        "loss/train": list(enumerate(history["loss"], start=1)),
        "score/validation": [(1, 0.5), (2, 0.25)],
        "learning_rate": [(1, np.float32(BASE)), (2, np.float32(BASE))],
    }


def test_a_continued_fit_adds_a_file_and_goes_on_counting(tmp_path: Path) -> None:
    # Epochs of another fit may go before.
    write(TensorBoard(tmp_path, earlier=[(0, {"val_score": 0.5})]), SCORES[1:2], start=1)
    assert len(list(tmp_path.iterdir())) == 1
    write(TensorBoard(tmp_path, filename_suffix=".trial0007"), SCORES[2:], start=2)
    assert len(list(tmp_path.iterdir())) == 2
    assert len(list(tmp_path.glob("*.trial0007"))) == 1
    assert scalars(tmp_path)["score/validation"] == list(enumerate(SCORES, start=1))


def test_scalars_can_be_read_while_training_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("callbacks.tensorboard.time.monotonic", lambda: clock[0])
    tensorboard = TensorBoard(str(tmp_path))
    tensorboard.on_train_begin()
    found = []
    for epoch in range(4):
        tensorboard.on_epoch_end(epoch, {"loss": 1.0})
        found.append(len(scalars(tmp_path)["loss/train"]))
        clock[0] += 1.5
    assert found == [1, 1, 3, 3]
    tensorboard.close()
    assert len(scalars(tmp_path)["loss/train"]) == 4


def test_a_full_disk_is_an_os_error_in_the_training(tmp_path: Path) -> None:
    tensorboard = TensorBoard(tmp_path)
    tensorboard.on_train_begin()
    (event_file,) = tmp_path.iterdir()
    assert tensorboard._file is not None
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), tensorboard._file._file.fileno())
    with pytest.raises(OSError, match="No space left"):
        tensorboard.on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(OSError, match="No space left"):
        tensorboard.close()
    tensorboard.close()
    assert event_file.read_bytes() == b""


def test_logs_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    board = TensorBoard(tmp_path)
    board.on_train_begin()
    logs = {"loss": np.float32(0.5), "rows": 3, "note": "text", "matrix": np.eye(2), "none": None}
    board.on_epoch_end(6, logs)
    board.close()
    assert scalars(tmp_path) == {"loss/train": [(7, 0.5)], "rows/train": [(7, 3.0)]}
