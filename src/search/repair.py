"""Finds files of ended trials that the search needs yet, and that are missing or damaged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

from src.errors import DiskError
from src.files import checksum
from src.run_directory import RunDirectory
from src.search.events import SearchProgress
from src.search.executors import Executor
from src.search.stopping import TrialInterruptedError
from src.search.trial import TrialRecord, TrialResult, TrialSpec

POLL_SECONDS = 0.2  # how long a signal may wait to be seen


def find_damage(
    run: RunDirectory, progress: SearchProgress, continuable: set[str]
) -> dict[str, Path]:
    """Looks at every file that a promotion, or the export, may need yet.

    Args:
        run: the run's folder.
        progress: the trials that have ended; a notice is added for each that must be repaired.
        continuable: the trials that another one may continue.

    Returns:
        A damaged file of each trial that has to be trained again, by trial.
    """
    found: dict[str, Path] = {}
    for record in progress.completed:
        trial_id = record.spec.trial_id
        files = damaged_files(run, record, weights=False) if trial_id in continuable else []
        files += damaged_files(run, record, weights=True) if record is progress.best else []
        if files:
            found[trial_id] = files[0]
            paths = ", ".join(map(str, files))
            progress.notices.append(
                f"{paths}: missing or damaged; trial {trial_id} is trained again for it"
            )
    return found


def damaged_files(run: RunDirectory, record: TrialRecord, *, weights: bool) -> list[Path]:
    """The files of a trial that are not as it left them.

    Args:
        run: the run's folder.
        record: the trial.
        weights: whether to look at its weights; else at its training states.
    """
    trial_id = record.spec.trial_id
    files: Iterable[tuple[Path, int | None]]
    if weights:
        files = (
            (run.weights(trial_id, fit.execution, fit.fold), fit.weights)
            for fit in record.result.fits
        )
    else:
        files = (
            (run.training_state(trial_id, fit.execution), fit.state) for fit in record.result.fits
        )
    return [path for path, written in files if written is not None and not _is(path, written)]


def train_again(
    records: Sequence[TrialRecord],
    damaged: Mapping[str, Path],
    executor: Executor,
    stopping: Callable[[], bool],
) -> dict[int, TrialRecord]:
    """Trains trials again of which files are damaged that others, or the export, need.

    Args:
        records: the trials that have ended.
        damaged: what `find_damage` found.
        executor: trains them.
        stopping: asked whether to give up.

    Returns:
        Their records with the checksums of the new files, by their place in `records`.

    Raises:
        TrialInterruptedError: if it was given up.
        DiskError: if one did not come to the same.
    """
    running = {
        place: executor.submit(whole_training(record))
        for place, record in enumerate(records)
        if record.spec.trial_id in damaged
    }
    while not all(future.done() for future in running.values()):
        wait(running.values(), timeout=POLL_SECONDS)
        if stopping():
            raise TrialInterruptedError
    paths = {place: damaged[records[place].spec.trial_id] for place in running}
    return {
        place: check_repaired(records[place], future.result(), paths[place])
        for place, future in running.items()
    }


def whole_training(record: TrialRecord) -> TrialSpec:
    """The trial from its first epoch, without the parents that it continued.

    Its seed is that of its root, so that it ends exactly where it ended; what was cut short is cut
    after the same epoch of the same fit, whatever had cut it.
    """
    allowance = None
    if record.result.cut is not None:
        allowance = sum(fit.epochs for fit in record.result.fits)
    return replace(record.spec, parent_id=None, initial_epoch=0, bars=(), allowance=allowance)


def check_repaired(record: TrialRecord, result: TrialResult, path: Path) -> TrialRecord:
    """The record with the checksums of the new files.

    Raises:
        DiskError: if training again did not give what the trial gave, as after other versions of a
            package: another trial that builds on it would not be what it should be.
    """
    known, again = record.result, result
    if (again.status, again.score) != (known.status, known.score):
        raise DiskError(
            f"{path}: is missing or damaged, and training trial {record.spec.trial_id} again gave "
            f"{again.score if again.score is not None else again.reason} instead of {known.score}; "
            "put back a copy of the file and resume"
        )
    written = {(fit.execution, fit.fold): fit for fit in again.fits}
    fits = tuple(
        replace(
            fit,
            weights=written[fit.execution, fit.fold].weights,
            state=written[fit.execution, fit.fold].state,
        )
        for fit in known.fits
    )
    return replace(record, result=replace(known, fits=fits))


def _is(path: Path, written: int) -> bool:
    try:
        return checksum(path) == written
    except DiskError:
        return False
