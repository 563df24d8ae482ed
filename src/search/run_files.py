"""What a search keeps in its run's folder: epochs, snapshot, and the weights that still count."""

import dataclasses
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from src.errors import DiskError
from src.files import aside_name, disk_errors, remove
from src.records import Rows, TrialRecord
from src.search.events import SearchEnd, SearchProgress
from src.store.history import HistoryFile
from src.store.run_directory import RunDirectory, is_training_state
from src.store.snapshot import SavedSearch, Snapshot, history_names
from src.tuners.oracle import SearchOracle


class RunFiles:
    """The files of one search that it needs to go on; only its own process writes them.

    Every method raises `DiskError` where a file cannot be written; what is on the disk is then the
    state before.

    Args:
        run: the run's folder.
        head: what the snapshot says of the search that does not change.
        columns: of what is logged, beside the learning rate and the batch size.
        keep_top: so many best trials keep their weights.
        executions: of each trial; later ones confirm it.

    Attributes:
        exported: the trial whose model is in `best/`, and the checksums of the files there.
    """

    def __init__(
        self,
        run: RunDirectory,
        head: Mapping[str, Any],
        columns: Sequence[str],
        keep_top: int,
        executions: int,
    ) -> None:
        self.exported: dict[str, Any] | None = None
        self._run = run
        self._keep_top = keep_top
        self._history = HistoryFile(run.history_table, columns, executions)
        self._snapshot = Snapshot(run, head, self._history.checksum)
        self._kept: deque[tuple[set[str], set[str]]] = deque(maxlen=2)

    def write_state(
        self, oracle: SearchOracle, progress: SearchProgress, end: SearchEnd | None
    ) -> None:
        """Replaces the snapshot.

        Only in the run's folder as the search made it: where somebody has deleted that, no other
        one takes its place.
        """
        if not self._run.config.is_file():
            raise DiskError(f"{self._run.config}: No such file or directory")
        ended = {} if end is None else dataclasses.asdict(end)
        self._snapshot.write(oracle, progress, ended, self.exported)

    def replace_record(self, oracle: SearchOracle, record: TrialRecord) -> None:
        """Takes over the record of a trial that was repaired, for the next snapshot."""
        self._snapshot.note(oracle, record)

    def add_epochs(self, record: TrialRecord) -> None:
        """Appends the epochs of a trial that has ended, before a snapshot says so."""
        self._history.append(record)

    def sort_epochs(self, progress: SearchProgress) -> None:
        """Puts the epochs of trials that ran side by side into the order of the trials."""
        in_order = sorted(progress.records, key=lambda record: record.spec.trial_id)
        if in_order != progress.records:
            self._history.replace(in_order)

    def read_epochs(self, saved: SavedSearch) -> dict[str, Rows]:
        """The epochs of the trials that a snapshot has as ended, as far as they are undamaged."""
        checksums: dict[str, int] = {}
        for record in saved.records:
            checksums |= history_names(record)
        return self._history.read(checksums)

    def replace_epochs(self, progress: SearchProgress) -> None:
        """Writes history.csv anew, in the order of the trials, with those that confirm them."""
        self._history.replace(sorted(progress.records, key=lambda record: record.spec.trial_id))

    def restore_epochs(self, progress: SearchProgress, lost: Sequence[str]) -> None:
        """Writes history.csv anew, without what a killed attempt left.

        Args:
            progress: the trials that have ended; a notice is added if epochs are lost.
            lost: the trials whose epochs are damaged.
        """
        path = self._run.history_table
        aside = aside_name(path) if lost and path.exists() else None
        if progress.records:
            self._history.replace(progress.records, aside)
        else:
            remove(path)
        if lost:
            what = f"was damaged; {aside.name} is what it was" if aside else "was missing"
            progress.notices.append(
                f"{path} {what}. The epochs of {_listed(lost)} are lost, and nothing else"
            )

    def note_needed(self, oracle: SearchOracle, progress: SearchProgress) -> None:
        """Notes whose weights, and whose training states, the state as it is now needs."""
        best = progress.completed[: self._keep_top]
        confirmed = [record for record in progress.records if record.confirmation is not None]
        kept = {record.spec.trial_id for record in (*best, *confirmed)}
        self._kept.append((kept, oracle.continuable()))

    def prune(self, oracle: SearchOracle, progress: SearchProgress, *, ended: bool = False) -> None:
        """Deletes weights of trials that are not among the best, and states not needed any more.

        What the snapshot before the last needs stays too, should that be the one to go on from.

        Args:
            oracle: knows which training states it may need.
            progress: the trials that have ended.
            ended: whether the search has, so that both snapshots have the same trials.
        """
        if ended:
            self._kept.clear()
        self.note_needed(oracle, progress)
        with_weights = set[str]().union(*(best for best, _ in self._kept))
        with_state = set[str]().union(*(continuable for _, continuable in self._kept))
        known = {record.spec.trial_id for record in progress.records}
        trials = self._run.trials
        with disk_errors(trials):
            for folder in list(trials.iterdir()) if trials.is_dir() else ():
                if folder.name not in known:
                    continue
                if folder.name not in with_state | with_weights:
                    remove(folder)
                    continue
                for path in list(folder.iterdir()) if folder.is_dir() else ():
                    kept = with_state if is_training_state(path) else with_weights
                    if folder.name not in kept:
                        remove(path)


def _listed(trial_ids: Sequence[str], most: int = 5) -> str:
    """The first few, and how many more."""
    shown, more = ", ".join(trial_ids[:most]), len(trial_ids) - most
    plural = "" if len(trial_ids) == 1 else "s"
    return f"trial{plural} {shown}" + (f" and {more} more" if more > 0 else "")
