"""Opens a run that was killed, stopped or finished, so that its search goes on.

A resumed search is the same search: what could change its trials or their scores must be as it was.
How many trials it has, when it gives up and where it runs may change.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.config import Config, flat, load_config
from src.errors import UserError
from src.files import disk_errors, remove, remove_leftovers, write_atomically
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory, event_suffix
from src.store.snapshot import SavedSearch, read_snapshot, settle, versions

CHANGEABLE = (
    *("tuner.max_trials", "tuner.hyperband_iterations", "tuner.reevaluate.", "limits.", "run."),
    *("data.path", "data.test_path", "data.columns."),  # the rows themselves are compared
    "training.save_every",
)
"""Settings that a resumed search may change; those that end in a dot stand for a section."""
FIXED = ("run.threads",)  # though it is in such a section: the last digits of scores depend on it


@dataclass(frozen=True)
class ResumedRun:
    """A run that is locked, and the state of its search.

    Attributes:
        run: the run's folder.
        lock: held by this process.
        saved: the state to go on from; None if the search was killed before it wrote one.
        config: the configuration to go on with.
        config_notice: what was wrong with the run's config.yaml; else empty.
    """

    run: RunDirectory
    lock: RunLock
    saved: SavedSearch | None
    config: Config
    config_notice: str = ""

    @property
    def notices(self) -> list[str]:
        """What a user should know before the search goes on, a sentence each."""
        notices = [self.config_notice] if self.config_notice else []
        if self.saved is not None:
            then: dict[str, str] = self.saved.head["versions"]
            changed = [
                f"{name} {then.get(name)} → {now}"
                for name, now in versions().items()
                if then.get(name) != now
            ]
            if self.saved.notice:
                notices.append(self.saved.notice)
            if changed:
                notices.append(
                    f"other versions than before may change scores: {', '.join(changed)}"
                )
        if not self.lock.supported:
            notices.append("this file system has no locks: let no other search use the run")
        return notices


def open_run(
    run: str | None, source: str | Path | None = None, overrides: tuple[str, ...] = ()
) -> ResumedRun:
    """Locks a run, reads its state and settles the configuration.

    Args:
        run: its folder, or its name below `run.directory`; None for the latest.
        source: a preset or file, as for `load_config`; None for what the run was started with.
        overrides: `key=value` texts over that.

    Raises:
        UserError: if there is no such run, it holds links, another process searches in it, its
            state is lost, or the configuration would make it another search.
    """
    # Of the overrides, others may be valid only together with what the run was started with.
    where = [override for override in overrides if override.startswith("run.directory=")]
    directory = load_config(source, where).run.directory
    found = RunDirectory.find(directory, run)
    _refuse_links(found)
    lock = RunLock(found.lock)
    lock.acquire()
    try:
        saved = read_snapshot(found) if found.has_begun else None
        notice = "" if saved is None else _mend_config(found, saved)
        config = _config(found, saved, source, overrides)
    except BaseException:
        lock.release()
        raise
    return ResumedRun(found, lock, saved, config, notice)


def head(config: Config, config_text: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a snapshot says of the search that does not change.

    Args:
        config: its configuration.
        config_text: the text of the run's config.yaml.
        identity: what else makes it this search: rows, space, objective; plain data.
    """
    fixed = {key: value for key, value in _plain(flat(config)).items() if not _may_change(key)}
    text = json.dumps([fixed, identity], sort_keys=True)
    return {
        "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        "config": _plain(flat(config)),
        "config_text": config_text,
        "identity": identity,
        "versions": versions(),
    }


def check_identity(resumed: ResumedRun, identity: Mapping[str, Any]) -> None:
    """Raises `UserError` unless rows, space and objective are what they were."""
    if resumed.saved is None:
        return
    problems = identity_problems(resumed.saved, identity)
    if problems:
        raise UserError(
            f"{resumed.run.path}: this is not the search that it was:\n"
            + "\n".join(problems)
            + "\nBring that back, or start a new run without --resume"
        )


def identity_problems(saved: SavedSearch, identity: Mapping[str, Any]) -> list[str]:
    """Returns a line for each of rows, space and objective that is not what it was."""
    then: dict[str, Any] = saved.head["identity"]
    return [
        f"  {name}: {_difference(then.get(name), now)}"
        for name, now in _plain(identity).items()
        if then.get(name) != now
    ]


def changed_settings(saved: SavedSearch, config: Config) -> list[str]:
    """Returns a line for each setting that would make it another search."""
    then, now = saved.head["config"], _plain(flat(config))
    return [
        f"  {key}: {_difference(then.get(key), now.get(key))}"
        for key in dict.fromkeys([*now, *then])
        if then.get(key) != now.get(key) and not _may_change(key)
    ]


def remove_remains(
    run: RunDirectory, saved: SavedSearch | None, *, keep_running: bool = False
) -> None:
    """Deletes what trials without an end have written, and temporary files of a killed process.

    What is left is the state that was read, and nothing that is not in it.

    Args:
        run: the run's folder.
        saved: the state to go on from; None if no trial has begun.
        keep_running: whether trials that ran then may go on from what they saved.

    Raises:
        DiskError: if something cannot be deleted.
    """
    records = [] if saved is None else saved.records
    ended = {record["trial_id"] for record in records}
    begun = {} if saved is None or not keep_running else {t["trial_id"] for t in saved.trials}
    with disk_errors(run.path):
        if saved is not None:
            settle(run, saved)
        remove_leftovers(run.path)
        remove(run.export)
        for folder in list(run.trials.iterdir()) if run.trials.is_dir() else ():
            runs = folder.name in begun and run.running_state(folder.name).exists()
            if folder.name not in ended and not runs:
                remove(folder)
            elif folder.is_dir():
                remove_leftovers(folder)
        known = tuple(event_suffix(trial_id) for trial_id in ended)
        for path in list(run.tensorboard.rglob(f"*{event_suffix('*')}")):
            if not path.name.endswith(known):
                remove(path)


def _config(
    run: RunDirectory,
    saved: SavedSearch | None,
    source: str | Path | None,
    overrides: tuple[str, ...],
) -> Config:
    if saved is None:  # nothing has been searched that other settings could contradict
        return load_config(run.config if source is None else source, overrides)
    try:
        config = load_config(run.config if source is None else source, overrides)
    except UserError as error:
        if source is not None or not _changed(run, saved):
            raise
        raise UserError(f"{error}\n{_hint(run)}") from error
    changed = changed_settings(saved, config)
    if changed:
        allowed = ", ".join(f"{key}*" if key.endswith(".") else key for key in CHANGEABLE)
        raise UserError(
            f"--resume {run.path}: these settings would make it another search:\n"
            + "\n".join(changed)
            + f"\nA resumed search may change {allowed}, but not {', '.join(FIXED)}; for anything "
            + "else start a new run"
            + (f"\n{_hint(run)}" if source is None and _changed(run, saved) else "")
        )
    return config


def _refuse_links(run: RunDirectory) -> None:
    """A search makes none; a stranger's could lead what is written or deleted out of the run."""
    for folder, folders, files in os.walk(run.path):
        for name in (*folders, *files):
            path = Path(folder) / name
            if path.is_symlink():
                raise UserError(f"{path}: is a link, which no search makes; remove it to resume")


def _mend_config(run: RunDirectory, saved: SavedSearch) -> str:
    """Writes the snapshot's copy where config.yaml is missing or cut off; tells if it was cut."""
    text: str = saved.head["config_text"]
    try:
        there = run.config.read_text()
    except FileNotFoundError:
        write_atomically(run.config, text)
        return ""
    except (OSError, UnicodeDecodeError):  # whoever loads it, says so
        return ""
    if there == text or not text.startswith(there):
        return ""
    write_atomically(run.config, text)
    return f"{run.config} was cut off, and is as it was again"


def _changed(run: RunDirectory, saved: SavedSearch) -> bool:
    try:
        return bool(run.config.read_text() != saved.head["config_text"])
    except (OSError, UnicodeDecodeError):
        return True


def _hint(run: RunDirectory) -> str:
    return (
        f"{run.config} is not as the search left it. If that was not meant, delete it: the run's "
        "snapshot has a copy, which is taken then"
    )


def _may_change(key: str) -> bool:
    named = any(key == name or (name[-1] == "." and key.startswith(name)) for name in CHANGEABLE)
    return named and key not in FIXED


def _difference(then: Any, now: Any) -> str:
    """Both values, or of mappings the entries that differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        names = [name for name in dict.fromkeys([*now, *then]) if then.get(name) != now.get(name)]
        return "; ".join(f"{name} {_difference(then.get(name), now.get(name))}" for name in names)
    return f"{_shown(now)}, but was {_shown(then)}"


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON."""
    return json.loads(json.dumps(value))
