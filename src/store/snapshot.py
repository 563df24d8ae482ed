"""The search's state as one file, replaced at once after every change; the state before is kept."""

import dataclasses
import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.files import disk_errors, keep_aside, sync, write_atomically
from src.records import (
    Confirmation,
    FitResult,
    Rows,
    TrialRecord,
    TrialResult,
    history_part,
)
from src.store.run_directory import RunDirectory
from src.store.snapshot_schema import problem_in

if TYPE_CHECKING:  # it imports TensorFlow, which reading a snapshot does not need
    from src.search.events import SearchProgress

FORMAT = 3
PACKAGES = ("keras-tuner", "keras", "tensorflow", "numpy", "scikit-learn")
_FILE = re.compile(rb'\{"format":(\d{1,9}),"checksum":"([0-9a-f]{64})","state":(\{.*\})\}\n', re.S)


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@dataclass(frozen=True)
class SavedSearch:
    """What a snapshot holds, as plain data.

    Attributes:
        head: what does not change during a search: the configuration, its text, versions, and the
            fingerprint of everything that a resumed search must have in common with this one.
        end: kind and reason of the last end of the search; empty while it runs.
        exported: `trial_id`, whose model is in `best/`, and `files`, the checksums of those there;
            None without one.
        oracle: the oracle's `get_state()`.
        trials: the states of Keras Tuner's trials, in the order in which they were proposed.
        records: for each trial that has ended its result and the checksum of its epochs, in the
            order in which they ended.
        seconds: that the search had taken.
        notice: what was wrong with the files, if this is not the latest state; else empty.
    """

    head: dict[str, Any]
    end: dict[str, str]
    exported: dict[str, Any] | None
    oracle: dict[str, Any]
    trials: list[dict[str, Any]]
    records: list[dict[str, Any]]
    seconds: float = 0.0
    notice: str = ""


class Snapshot:
    """Writes `search.json`; what cannot change any more is turned into text once.

    Args:
        run: the run's folder.
        head: what does not change during the search; plain data.
        checksum: of the epochs of a trial in history.csv, or of one execution that confirms it.
    """

    def __init__(
        self, run: RunDirectory, head: Mapping[str, Any], checksum: Callable[..., int]
    ) -> None:
        self._run = run
        self._head = _json(head)
        self._checksum = checksum
        self._ended: dict[str, tuple[str, str]] = {}  # by trial: its state and its record

    def write(
        self,
        oracle: Any,
        progress: "SearchProgress",
        end: Mapping[str, str],
        exported: Mapping[str, Any] | None,
    ) -> None:
        """Replaces the file; the state that it held is kept in `search.previous.json`.

        Args:
            oracle: a Keras Tuner oracle; its `get_state()` and the trials' states are kept.
            progress: the trials that have ended.
            end: kind and reason of the search's end; empty while it runs.
            exported: the trial whose model is in `best/`, and the checksums of the files there.

        Raises:
            DiskError: if it cannot be written; the old state is as it was.
        """
        content = self.text(oracle, progress, end, exported)
        write_atomically(self._run.snapshot, content, previous=self._run.previous_snapshot)

    def text(
        self,
        oracle: Any,
        progress: "SearchProgress",
        end: Mapping[str, str],
        exported: Mapping[str, Any] | None,
    ) -> bytes:
        """What `write` writes."""
        for record in progress.records[len(self._ended) :]:
            self.note(oracle, record)
        trials = [
            self._ended[trial_id][0] if trial_id in self._ended else _json(_trial_state(trial))
            for trial_id, trial in oracle.trials.items()
        ]
        records = [record for _, record in self._ended.values()]
        text = (
            f'{{"head":{self._head},"end":{_json(end)},"exported":{_json(exported)},'
            f'"oracle":{_json(_oracle_state(oracle))},'
            f'"trials":[{",".join(trials)}],"records":[{",".join(records)}],'
            f'"seconds":{progress.seconds:.3f}}}'
        ).encode()
        checksum = hashlib.sha256(text).hexdigest()
        start = f'{{"format":{FORMAT},"checksum":"{checksum}","state":'.encode()
        return start + text + b"}\n"

    def note(self, oracle: Any, record: TrialRecord) -> None:
        """Takes over a trial that has ended, or its record in place of an earlier one."""
        trial_id = record.spec.trial_id
        trial = _json(_trial_state(oracle.trials[trial_id]))
        self._ended[trial_id] = (trial, _json(self._record_state(record)))

    def _record_state(self, record: TrialRecord) -> dict[str, Any]:
        result = {
            field.name: getattr(record.result, field.name)
            for field in dataclasses.fields(record.result)
            if field.name not in ("history", "fits", "hyperparameters")
        }
        fits = [dataclasses.asdict(fit) for fit in record.result.fits]
        return {
            "trial_id": record.spec.trial_id,
            "result": result | {"fits": fits},
            "history": self._checksum(record),
            "confirmation": self._confirmation_state(record),
        }

    def _confirmation_state(self, record: TrialRecord) -> dict[str, Any] | None:
        known = record.confirmation
        if known is None:
            return None
        histories = {str(number): self._checksum(record, number) for number in known.trained}
        return {
            "executions": known.executions,
            "fits": [dataclasses.asdict(fit) for fit in known.fits],
            "seconds": known.seconds,
            "reason": known.reason,
            "histories": histories,
        }


def read_snapshot(run: RunDirectory) -> SavedSearch:
    """Reads the latest state that is whole.

    Raises:
        UserError: naming the file, if there is none.
    """
    current, previous = _read(run.snapshot), _read(run.previous_snapshot)
    if isinstance(previous, SavedSearch):
        if isinstance(current, str):
            notice = f"{run.snapshot} {current}; the state before its last change is taken instead"
            return dataclasses.replace(previous, notice=notice)
        if current.head == previous.head and _extent(previous) > _extent(current):
            notice = f"{run.snapshot} is older than {run.previous_snapshot.name}, which is taken"
            return dataclasses.replace(previous, notice=notice)
    if isinstance(current, SavedSearch):
        return current
    if not run.snapshot.exists() and not run.previous_snapshot.exists():
        raise UserError(
            f"{run.path}: its search ended before the first trial and left no {run.snapshot.name}, "
            f"so there is nothing to resume; start it anew: python -m src.tune --config "
            f"{run.config} run.name=auto"
        )
    raise UserError(
        f"{run.snapshot} {current}, and {run.previous_snapshot.name} {previous}, so the search "
        "cannot be resumed. trials.csv and history.csv tell of its trials; put back a copy of "
        f"either file, or start anew: python -m src.tune --config {run.config} run.name=auto"
    )


def settle(run: RunDirectory, saved: SavedSearch) -> None:
    """Gives the state that was read its place, so that it is not the one to be replaced next.

    A damaged file is kept aside.

    Raises:
        DiskError: if a file cannot be renamed.
    """
    if not saved.notice:
        return
    if run.snapshot.exists():
        keep_aside(run.snapshot)
    with disk_errors(run.snapshot):
        run.previous_snapshot.rename(run.snapshot)
        sync(run.path)


def restore_result(state: dict[str, Any], history: Rows) -> TrialResult:
    """Returns the result of a trial from its record in a snapshot, and its epochs."""
    result = dict(state["result"])
    fits = tuple(FitResult(**fit) for fit in result.pop("fits"))
    return TrialResult(**result, fits=fits, history=history)


def history_names(state: dict[str, Any]) -> dict[str, int]:
    """Of a record in a snapshot, the checksum of each part of its epochs, by the part's name."""
    known = state["confirmation"] or {"histories": {}}
    later = {
        history_part(state["trial_id"], int(number)): checksum
        for number, checksum in known["histories"].items()
    }
    return {state["trial_id"]: state["history"]} | later


def lacks_epochs(state: dict[str, Any], epochs: Mapping[str, Rows]) -> bool:
    """Whether some epochs of a record in a snapshot are damaged.

    Args:
        state: the record.
        epochs: those that are whole, by the name of each part.
    """
    return any(name not in epochs for name in history_names(state))


def restore_confirmation(
    state: dict[str, Any], epochs: Mapping[str, Rows] = MappingProxyType({})
) -> Confirmation | None:
    """Returns what confirms a trial from its record in a snapshot, and the epochs by part."""
    known = state["confirmation"]
    if known is None:
        return None
    fits = tuple(FitResult(**fit) for fit in known["fits"])
    parts = [name for name in history_names(state) if name != state["trial_id"]]
    history = tuple(row for name in sorted(parts) for row in epochs.get(name, ()))
    return Confirmation(known["executions"], fits, history, known["seconds"], known["reason"])


def _read(path: Path) -> SavedSearch | str:
    """The state in a file, or what is wrong with it."""
    if not path.exists():
        return "is missing"
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not content:
        return "is empty"
    match = _FILE.fullmatch(content)
    if match is None:
        return "is cut off or is not a snapshot"
    if int(match[1]) != FORMAT:
        return f"has format {int(match[1])}, where this version of the program has {FORMAT}"
    if hashlib.sha256(match[3]).hexdigest() != match[2].decode():
        return "was changed after it was written"
    try:
        state = json.loads(match[3])
    except (ValueError, RecursionError):
        return "is no JSON"
    problem = problem_in(state)
    return f"makes no sense ({problem})" if problem else SavedSearch(**state)


def _extent(saved: SavedSearch) -> tuple[int, int]:
    """How far a search was."""
    return len(saved.records), len(saved.trials)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _oracle_state(oracle: Any) -> dict[str, Any]:
    warm_start = {"warm_start": oracle.warm_start.model_dump()} if oracle.warm_start.text else {}
    return {**oracle.get_state(), **warm_start}


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
