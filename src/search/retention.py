"""Deletes weights and training states that neither the export nor a promotion can need."""

from collections.abc import Set
from pathlib import Path

from src.files import disk_errors, remove
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory, is_training_state


def delete_unneeded_files(
    run: RunDirectory, progress: SearchProgress, keep_top: int, continuable: Set[str]
) -> None:
    """Keeps the weights of the best and of re-evaluated trials, and states that may be continued.

    The `keep_top` best trials keep their weights, `continuable` trials their training states. Files
    of running trials are not touched.

    Raises:
        DiskError: if a file cannot be deleted.
    """
    best = {record.spec.trial_id for record in progress.completed[:keep_top]}
    weights = best | progress.reevaluated
    with disk_errors(run.trials):
        for folder in _content(run.trials):
            if not progress.has_ended(folder.name):
                continue
            if folder.name not in weights | continuable:
                remove(folder)
                continue
            for path in _content(folder):
                if folder.name not in (continuable if is_training_state(path) else weights):
                    remove(path)


def _content(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
