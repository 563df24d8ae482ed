"""Opens a run that was killed, stopped or finished, so that its search goes on.

A resumed search is the same search: what could change its trials or their scores must be as it was.
How many trials it has, when it gives up and where it runs may change.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.config import Config, load_config
from src.errors import UserError
from src.files import disk_errors, remove, remove_leftovers, write_atomically
from src.search.identity import (
    CHANGEABLE,
    FIXED,
    changed_settings,
    changed_versions,
    identity_problems,
)
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory, event_suffix
from src.store.saved_search import SavedSearch, read_search


@dataclass(frozen=True)
class ResumedRun:
    """A run that is locked, and the state of its search.

    Attributes:
        run: the run's folder.
        lock: held by this process.
        saved: the state to go on from; None if the search was killed before it stored one.
        config: the configuration to go on with.
    """

    run: RunDirectory
    lock: RunLock
    saved: SavedSearch | None
    config: Config

    @property
    def notices(self) -> list[str]:
        """What a user should know before the search goes on, a sentence each."""
        notices = []
        if self.saved is not None and (changed := changed_versions(self.saved)):
            notices.append(f"other versions than before may change scores: {changed}")
        if not self.lock.supported:
            notices.append("this file system has no locks: let no other search use the run")
        return notices


def open_run(
    run: str | None, source: str | Path | None = None, overrides: tuple[str, ...] = ()
) -> ResumedRun:
    """Locks a run, reads its state and settles the configuration.

    Args:
        run: its folder, or its name below `run.directory`; None for the latest.
        source: a preset or file, as for `load_config`; None for the run's own config.yaml.
        overrides: `key=value` texts over that.

    Raises:
        UserError: if there is no such run, it holds links, another process searches in it, its
            state is damaged, or the configuration would make it another search.
    """
    # The other overrides may be valid only together with the run's configuration.
    where = [override for override in overrides if override.startswith("run.directory=")]
    directory = load_config(source, where).run.directory
    found = RunDirectory.find(directory, run)
    _refuse_links(found)
    lock = RunLock(found.lock)
    lock.acquire()
    try:
        saved = read_search(found) if found.has_begun else None
        if saved is not None and not found.config.exists():
            write_atomically(found.config, saved.config_text)
        config = _config(found, saved, source, overrides)
    except BaseException:
        lock.release()
        raise
    return ResumedRun(found, lock, saved, config)


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


def delete_remains(
    run: RunDirectory, saved: SavedSearch | None, *, keep_running: bool = False
) -> None:
    """Deletes files of trials that have not ended, and temporary files of a killed process.

    Args:
        run: the run's folder.
        saved: the state to go on from; None if no trial has begun.
        keep_running: whether trials that ran then may go on from what they saved.

    Raises:
        DiskError: if something cannot be deleted.
    """
    ended = {record.spec.trial_id for record in saved.records} if saved is not None else set()
    begun = set(saved.specs) if saved is not None and keep_running else set()
    with disk_errors(run.path):
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
    own = run.config if source is None else source
    if saved is None:  # nothing has been searched that other settings could contradict
        return load_config(own, overrides)
    try:
        config = load_config(own, overrides)
    except UserError as error:
        if source is not None or not _was_edited(run, saved):
            raise
        raise UserError(f"{error}\n{_hint(run)}") from error
    if changed := changed_settings(saved, config):
        allowed = ", ".join(f"{key}*" if key.endswith(".") else key for key in CHANGEABLE)
        raise UserError(
            f"--resume {run.path}: these settings would make it another search:\n"
            + "\n".join(changed)
            + f"\nA resumed search may change {allowed}, but not {', '.join(FIXED)}; for anything "
            + "else start a new run"
            + (f"\n{_hint(run)}" if source is None and _was_edited(run, saved) else "")
        )
    return config


def _refuse_links(run: RunDirectory) -> None:
    """A search makes none; a stranger's could lead what is written or deleted out of the run."""
    for folder, folders, files in os.walk(run.path):
        for name in (*folders, *files):
            path = Path(folder) / name
            if path.is_symlink():
                raise UserError(f"{path}: is a link, which no search makes; remove it to resume")


def _was_edited(run: RunDirectory, saved: SavedSearch) -> bool:
    try:
        return bool(run.config.read_text() != saved.config_text)
    except (OSError, UnicodeDecodeError):
        return True


def _hint(run: RunDirectory) -> str:
    return (
        f"{run.config} was edited, or damaged. If that was not meant, delete it: the run's state "
        "has a copy, which is taken then"
    )
