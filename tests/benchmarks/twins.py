"""Compares two runs of one search, file by file, with nothing left out but times and workers."""

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import yaml
from google.protobuf.json_format import MessageToJson
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams.metadata import PLUGIN_NAME, parse_experiment_plugin_data
from tensorboard.plugins.hparams.metadata import parse_session_end_info_plugin_data as parse_end
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data as parse_start
from tensorboard.util import tensor_util

from src.store.run_directory import RunDirectory
from tests.benchmarks.state import STATE_FILES, VOLATILE, comparable

_EVENT_FILE = re.compile(r"events\.out\.tfevents\.\d+\..*\.\d+(\.(?:trial\d+|hparams|board))")
# Keras numbers layers by the models built before, and objects by their address in memory.
_NUMBERED = re.compile(r'_\d+(?=")|(?<="shared_object_id": )\d+')


def differences(run: RunDirectory, twin: RunDirectory) -> list[str]:
    """What is not the same in two runs, a line each; empty if they are twins."""
    found = []
    names, expected = _names(run), _names(twin)
    found += [f"{name}: {number} too many" for name, number in (names - expected).items()]
    found += [f"{name}: {number} missing" for name, number in (expected - names).items()]
    for name in sorted(names.keys() & expected.keys()):
        if name in STATE_FILES or not (run.path / name).is_file():
            continue
        contents = _content(run.path / name), _content(twin.path / name)
        if contents[0] != contents[1]:
            found.append(f"{name}: {_first_difference(*contents)}")
    states = comparable(run), comparable(twin)
    if not states[0] or states[0] != states[1]:
        found.append(f"state: {_first_difference(*states)}")
    events, expected_events = Counter(_events(run)), Counter(_events(twin))
    found += [f"{event}: {n} too many" for event, n in (events - expected_events).items()]
    found += [f"{event}: {n} missing" for event, n in (expected_events - events).items()]
    return found


def trial_count(run: RunDirectory) -> int:
    """How many trials the run's table has."""
    return len(pd.read_csv(run.trials_table))


def _names(run: RunDirectory) -> Counter[str]:
    """All files and folders below the run, event files without time, host and process.

    Not what the console writes, which a search from a script does not have.
    """
    paths = (path.relative_to(run.path).as_posix() for path in run.path.rglob("*"))
    return Counter(_EVENT_FILE.sub(r"events\1", path) for path in paths if path != "search.log")


def _content(path: Path) -> Any:
    """What a file says, in a form that can be compared."""
    if path.name == "trials.csv":
        return pd.read_csv(path, dtype=str).drop(columns=[*VOLATILE]).to_csv()
    if path.name == "config.yaml":
        config = yaml.safe_load(path.read_text())
        config["run"].pop("directory")
        return config
    if path.name == "model.keras":
        with zipfile.ZipFile(path) as archive:
            text = archive.read("config.json").decode()
            weights = _arrays(h5py.File(io.BytesIO(archive.read("model.weights.h5"))))
        return _NUMBERED.sub("", text), weights
    if path.suffix == ".h5":
        return _arrays(h5py.File(path))
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in arrays.items()}
    return path.read_text()


def _arrays(file: h5py.File) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = (str(item.dtype), item.shape, np.asarray(item).tobytes())

    with file:
        file.visititems(visit)
    return found


def _events(run: RunDirectory) -> Iterator[tuple[str, ...]]:
    """Every value in the event files, as TensorBoard reads them, but for the times in them.

    What `BoardListener` writes is left out: with several workers, chance orders trials' ends.
    """
    for path in run.tensorboard.rglob("events.out.*"):
        if path.suffix == ".board":
            continue
        folder = path.parent.relative_to(run.path).as_posix()
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                content = _event_content(value)
                if value.tag != "seconds":
                    yield folder, value.tag, str(event.step), content


def _event_content(value: Any) -> str:
    data = value.metadata.plugin_data
    if data.plugin_name != PLUGIN_NAME:
        return repr(tensor_util.make_ndarray(value.tensor).tolist())
    if value.tag.endswith("experiment"):
        message = parse_experiment_plugin_data(data.content)
        message.time_created_secs = 0
    elif value.tag.endswith("session_start_info"):
        message = parse_start(data.content)
        message.start_time_secs = 0
    else:
        message = parse_end(data.content)
        message.end_time_secs = 0
    text: str = MessageToJson(message, sort_keys=True, indent=None)
    return text


def _first_difference(now: Any, then: Any, where: str = "") -> str:
    """The place where two contents part, and both values there, shortened."""
    if isinstance(now, dict) and isinstance(then, dict):
        for key in [*now, *then]:
            if now.get(key) != then.get(key):
                return _first_difference(now.get(key), then.get(key), f"{where}[{key}]")
    if isinstance(now, (list, tuple)) and isinstance(then, (list, tuple)):
        for index, pair in enumerate(zip(now, then, strict=False)):
            if pair[0] != pair[1]:
                return _first_difference(*pair, f"{where}[{index}]")
    if isinstance(now, str) and isinstance(then, str):
        for own, other in zip(now.splitlines(), then.splitlines(), strict=False):
            if own != other:
                return f"{where} {own[:200]!r}, but {other[:200]!r} uninterrupted"
    return f"{where} {str(now)[:200]!r}, but {str(then)[:200]!r} uninterrupted"
