"""The search's state as one file, replaced at once after every change."""

import dataclasses
import hashlib
import json
import platform
from functools import cache
from importlib.metadata import version
from typing import Any

from src.config.schema import Config
from src.run_directory import RunDirectory, write_atomically
from src.search.events import SearchProgress
from src.search.trial import TrialRecord

FORMAT = 1
PACKAGES = ("keras-tuner", "keras", "tensorflow", "numpy", "scikit-learn")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


class Snapshot:
    """Writes `search.json`; what cannot change any more is turned into text once.

    Args:
        run: the run's folder.
        config: the configuration of the search.
    """

    def __init__(self, run: RunDirectory, config: Config) -> None:
        self._run = run
        self._head = _json({"config": config.model_dump(mode="json"), "versions": versions()})
        self._ended: dict[str, tuple[str, str]] = {}  # by trial: its state and its record

    def write(self, oracle: Any, progress: SearchProgress, end: str) -> None:
        """Replaces the file.

        Args:
            oracle: a Keras Tuner oracle; its `get_state()` and the trials' states are kept.
            progress: the trials that have ended.
            end: why the search stopped; empty while it runs.
        """
        for record in progress.records[len(self._ended) :]:
            trial_id = record.spec.trial_id
            trial = _json(_trial_state(oracle.trials[trial_id]))
            self._ended[trial_id] = (trial, _json(_record_state(record)))
        trials = [
            self._ended[trial_id][0] if trial_id in self._ended else _json(_trial_state(trial))
            for trial_id, trial in oracle.trials.items()
        ]
        records = [record for _, record in self._ended.values()]
        text = (
            f'{self._head[:-1]},"end":{_json(end)},"oracle":{_json(oracle.get_state())},'
            f'"trials":[{",".join(trials)}],"records":[{",".join(records)}]}}'
        )
        checksum = hashlib.sha256(text.encode()).hexdigest()
        content = f'{{"format":{FORMAT},"checksum":"{checksum}","state":{text}}}\n'
        write_atomically(self._run.snapshot, content)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _trial_state(trial: Any) -> dict[str, Any]:
    """What a Keras Tuner trial's `get_state` gives, without the space, which is the oracle's."""
    return {
        "trial_id": trial.trial_id,
        "hyperparameters": {"values": trial.hyperparameters.values},
        "metrics": trial.metrics.get_config(),
        "score": trial.score,
        "best_step": trial.best_step,
        "status": trial.status,
        "message": trial.message,
    }


def _record_state(record: TrialRecord) -> dict[str, Any]:
    result = {
        field.name: getattr(record.result, field.name)
        for field in dataclasses.fields(record.result)
        if field.name not in ("history", "fits", "hyperparameters")
    }
    fits = [dataclasses.asdict(fit) for fit in record.result.fits]
    return {"trial_id": record.spec.trial_id, "result": result | {"fits": fits}}
