"""Scalars, read back with TensorBoard's own reader."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from callbacks import LearningRateScheduler, RecordLearningRate, TensorBoard, get_schedule
from tests.callbacks.helpers import BASE, ScriptedMetric, fit, plain_model

SCORES = [0.5, 0.25, 0.125, float("inf")]


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """All scalars below a folder: (step, value) by tag."""
    reader = EventAccumulator(str(directory)).Reload()
    return {
        tag: [(event.step, event.value) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def test_scalars_read_back_exactly(tmp_path: Path) -> None:
    schedule = get_schedule("linear", {"final": 0.5})
    callbacks = [
        ScriptedMetric(SCORES),
        LearningRateScheduler(schedule, 4),
        RecordLearningRate(),
        TensorBoard(tmp_path / "trial"),
    ]
    start = time.time()
    history = fit(plain_model(), callbacks, 4)
    base = float(np.float32(BASE))
    found = scalars(tmp_path / "trial")
    assert found == {
        "loss/train": list(enumerate(history.history["loss"], start=1)),
        "score/validation": list(enumerate(SCORES, start=1)),
        "learning_rate": [
            (epoch, np.float32(base * factor))
            for epoch, factor in enumerate((1.0, 0.875, 0.75, 0.625), start=1)
        ],
    }
    reader = EventAccumulator(str(tmp_path / "trial")).Reload()
    times = [event.wall_time for event in reader.Scalars("loss/train")]
    assert start <= times[0] <= times[-1] <= time.time()


def test_a_continued_fit_adds_a_file_and_goes_on_counting(tmp_path: Path) -> None:
    tensorboard = TensorBoard(tmp_path)
    metric = ScriptedMetric(SCORES)
    fit(plain_model(), [metric, tensorboard], 2)
    assert len(list(tmp_path.iterdir())) == 1
    fit(plain_model(), [metric, TensorBoard(tmp_path)], 4, initial_epoch=2)
    assert len(list(tmp_path.iterdir())) == 2
    assert scalars(tmp_path)["score/validation"] == list(enumerate(SCORES, start=1))


def test_a_suffix_tells_whose_an_event_file_is(tmp_path: Path) -> None:
    fit(plain_model(), [TensorBoard(tmp_path, filename_suffix=".trial0007")], 1)
    fit(plain_model(), [TensorBoard(tmp_path)], 2, initial_epoch=1)
    assert len(list(tmp_path.glob("*.trial0007"))) == 1
    assert [step for step, _ in scalars(tmp_path)["loss/train"]] == [1, 2]


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


def test_after_training_raised_it_can_be_closed_and_used_again(tmp_path: Path) -> None:
    class Fail(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise ArithmeticError

    tensorboard = TensorBoard(tmp_path / "first")
    with pytest.raises(ArithmeticError):
        fit(plain_model(), [ScriptedMetric(SCORES), tensorboard, Fail()], 4)
    tensorboard.close()
    tensorboard.close()
    assert scalars(tmp_path / "first")["score/validation"] == [(1, 0.5), (2, 0.25)]
    fit(plain_model(), [tensorboard], 1)
    assert len(list((tmp_path / "first").iterdir())) == 2


def test_logs_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    tensorboard = TensorBoard(tmp_path)
    tensorboard.on_train_begin()
    logs = {"loss": np.float32(0.5), "rows": 3, "note": "text", "matrix": np.eye(2), "none": None}
    tensorboard.on_epoch_end(6, logs)
    tensorboard.on_train_end()
    assert scalars(tmp_path) == {"loss/train": [(7, 0.5)], "rows/train": [(7, 3.0)]}


def test_without_the_package_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.record_writer", None)
    with pytest.raises(ImportError, match="needs the package tensorboard: pip install tensorboard"):
        TensorBoard(tmp_path)


def test_in_full_it_has_the_graph_and_a_histogram_of_each_weight(tmp_path: Path) -> None:
    model = plain_model()
    fit(model, [TensorBoard(tmp_path / "full", full=True)], 2)
    fit(plain_model(), [TensorBoard(tmp_path / "scalars")], 2)
    reader = EventAccumulator(str(tmp_path / "full")).Reload()
    weights = [weight.path for weight in model.trainable_weights]
    assert set(reader.PluginTagToContent("histograms")) == set(weights)
    (first, last) = reader.Tensors(weights[0])
    assert (first.step, last.step) == (1, 2)
    content = tensor_util.make_ndarray(last.tensor_proto)
    assert content[:, 2].sum() == model.trainable_weights[0].numpy().size
    assert content[0, 0] == pytest.approx(model.trainable_weights[0].numpy().min())
    graph = reader.Tensors("keras")[0].tensor_proto.string_val[0]
    assert json.loads(graph)["config"]["layers"]
    plain = EventAccumulator(str(tmp_path / "scalars")).Reload()
    assert plain.Tags()["tensors"] == []
