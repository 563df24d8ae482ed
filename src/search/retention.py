"""Deletes weights and training states that neither the export nor a promotion can need."""

from src.files import disk_errors, remove
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory, is_training_state


def delete_unneeded_files(
    run: RunDirectory, progress: SearchProgress, keep_top: int, continuable: set[str]
) -> None:
    """Keeps the weights of the best trials and the states of trials that may be continued.

    Weights of re-evaluated trials stay too. Files of running trials are not touched.

    Args:
        run: the run's folder.
        progress: the trials that have ended.
        keep_top: how many best trials keep their weights.
        continuable: trials whose training state may be needed.

    Raises:
        DiskError: if a file cannot be deleted.
    """
    weights = {record.spec.trial_id for record in progress.completed[:keep_top]}
    weights |= progress.reevaluated
    with disk_errors(run.trials):
        for folder in list(run.trials.iterdir()) if run.trials.is_dir() else ():
            if not progress.has_ended(folder.name):
                continue
            if folder.name not in weights | continuable:
                remove(folder)
                continue
            for path in list(folder.iterdir()) if folder.is_dir() else ():
                needed = continuable if is_training_state(path) else weights
                if folder.name not in needed:
                    remove(path)
