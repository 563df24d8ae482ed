"""Finds files of ended trials that the search needs yet, and that are missing or damaged."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from src.errors import DiskError
from src.execution.serial import Executor, run_all
from src.files import checksum
from src.records import TrialRecord, TrialResult, TrialSpec
from src.search.events import SearchProgress
from src.store.run_directory import RunDirectory


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
        exported = record is progress.best and record.confirmed is None
        files += damaged_files(run, record, weights=True) if exported else []
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
    return [
        path for path, written in files if written is not None and not is_as_written(path, written)
    ]


def train_again(
    records: Sequence[TrialRecord],
    damaged: Mapping[str, Path],
    executor: Executor,
    stopping: Callable[[], bool],
) -> Iterator[TrialRecord]:
    """Trains trials again of which files are damaged that others, or the export, need.

    Args:
        records: of these trials.
        damaged: what `find_damage` found.
        executor: trains them.
        stopping: asked whether to give up.

    Yields:
        Their records with the checksums of the new files.

    Raises:
        TrialInterruptedError: if it was given up.
        DiskError: if one did not come to the same.
    """
    known = {record.spec.trial_id: record for record in records}
    specs = [whole_training(record) for record in records]
    for spec, result in run_all(executor, specs, stopping):
        yield check_repaired(known[spec.trial_id], result, damaged[spec.trial_id])


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


def is_as_written(path: Path, written: int) -> bool:
    """Whether a file has the CRC-32 that it was written with."""
    try:
        return checksum(path) == written
    except DiskError:
        return False
