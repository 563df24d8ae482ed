"""The search's state as one file, replaced at once after every change."""

import dataclasses
import hashlib
import json
import platform
from importlib.metadata import version
from typing import Any

from src.config.schema import Config
from src.run_directory import RunDirectory, write_atomically
from src.search.events import SearchProgress

FORMAT = 1
PACKAGES = ("keras-tuner", "keras", "tensorflow", "numpy", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def write_snapshot(
    run: RunDirectory, config: Config, oracle: Any, progress: SearchProgress, end: str
) -> None:
    """Writes `search.json`.

    Args:
        run: the run's folder.
        config: the configuration of the search.
        oracle: a Keras Tuner oracle; its `get_state()` and those of its trials are kept.
        progress: the trials that have ended.
        end: why the search stopped; empty while it runs.
    """
    state = {
        "config": config.model_dump(mode="json"),
        "versions": versions(),
        "end": end,
        "oracle": oracle.get_state(),
        "trials": [_trial_state(trial) for trial in oracle.trials.values()],
        "records": [_record_state(record) for record in progress.records],
    }
    text = json.dumps(state, separators=(",", ":"))
    checksum = hashlib.sha256(text.encode()).hexdigest()
    content = f'{{"format":{FORMAT},"checksum":"{checksum}","state":{text}}}\n'
    write_atomically(run.snapshot, content)


def _trial_state(trial: Any) -> dict[str, Any]:
    """A trial's state without the space, which is the oracle's and would be repeated each time."""
    state: dict[str, Any] = trial.get_state()
    return state | {"hyperparameters": {"values": state["hyperparameters"]["values"]}}


def _record_state(record: Any) -> dict[str, Any]:
    result = {
        field.name: getattr(record.result, field.name)
        for field in dataclasses.fields(record.result)
        if field.name not in ("history", "fits", "hyperparameters")
    }
    fits = [dataclasses.asdict(fit) for fit in record.result.fits]
    return {"trial_id": record.spec.trial_id, "result": result | {"fits": fits}}
