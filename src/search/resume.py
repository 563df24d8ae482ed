"""Opens a run that was killed, stopped or finished, so that its search goes on.

A resumed search is the same search: what could change its trials or their scores must be as it was.
How many trials it has, when it gives up and where it runs may change. Needs no TensorFlow.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.config import Config, load_config
from src.errors import UserError
from src.files import disk_errors, remove, remove_leftovers, write_atomically
from src.search.identity import changed_versions, check_settings, edited_hint
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch, read_search


@dataclass(frozen=True)
class ResumedRun:
    """A run that is locked, and the state of its search."""

    run: RunDirectory  # the run's folder
    lock: RunLock  # held by this process
    # The state to go on from; None if the search was killed before it stored one.
    saved: SavedSearch | None
    config: Config  # the configuration to go on with

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
    run: str | None, source: str | Path | None = None, overrides: Sequence[str] = ()
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
    found = RunDirectory.find(load_config(source, where).run.directory, run)
    _refuse_links(found)
    lock = RunLock(found.lock)
    lock.acquire()
    try:
        saved = read_search(found) if found.has_begun else None
        if saved is not None and not found.config.exists():
            write_atomically(found.config, saved.config_text)
        try:
            config = load_config(found.config if source is None else source, overrides)
        except UserError as error:
            if saved is None or source is not None:
                raise
            raise UserError(f"{error}{edited_hint(saved)}") from error
        if saved is not None:
            check_settings(saved, config)
    except BaseException:
        lock.release()
        raise
    return ResumedRun(found, lock, saved, config)


def delete_leftovers(run: RunDirectory) -> None:
    """Deletes the temporary files of a killed process; a trial that runs again deletes its own.

    Raises:
        DiskError: if something cannot be deleted.
    """
    with disk_errors(run.path):
        remove(run.export)
        remove(run.rows)
        for folder in (run.path, *run.trials.glob("*")):
            remove_leftovers(folder)


def _refuse_links(run: RunDirectory) -> None:
    """A search makes none; a stranger's could lead what is written or deleted out of the run."""
    for folder, folders, files in os.walk(run.path):
        for name in (*folders, *files):
            path = Path(folder) / name
            if path.is_symlink():
                raise UserError(f"{path}: is a link, which no search makes; remove it to resume")
