"""Which trial of a run a command means, read from the state of the search alone."""

from dataclasses import dataclass

from src.errors import UserError, listed
from src.records import ranking_key
from src.store.run_directory import RunDirectory
from src.store.saved_search import read_search
from src.text import command, resume_command


@dataclass(frozen=True)
class CompletedTrials:
    """The completed trials of a run, best first, and the one whose model is in `best/`, by id."""

    completed: tuple[str, ...]
    exported: str | None = None


def read_completed_trials(run: RunDirectory) -> CompletedTrials:
    """Reads them, also while the search writes; raises `UserError` without a readable state."""
    saved = read_search(run, history=False)
    direction = saved.identity["objective"]["direction"]
    completed = [record for record in saved.records if record.result.status == "COMPLETED"]
    ranked = sorted(completed, key=lambda record: ranking_key(record, direction))
    exported = saved.exported.trial_id if saved.exported and run.model.is_file() else None
    return CompletedTrials(tuple(record.spec.trial_id for record in ranked), exported)


def choose_trial(run: RunDirectory, trials: CompletedTrials, number: str | None) -> str:
    """Returns the id of the completed trial with a number; without one, of the exported trial.

    Raises `UserError` if there is no such trial, it has not completed, or nothing is exported yet.
    """
    if number is None and trials.exported is not None:
        return trials.exported
    if number is None or not trials.completed:
        raise UserError(no_export(run, trials))
    for trial_id in trials.completed:
        if number.isdecimal() and int(trial_id) == int(number):
            return trial_id
    raise UserError(
        f"--trial: '{number}' is no trial that has completed. Valid, best first: "
        + listed(trials.completed)
    )


def no_export(run: RunDirectory, trials: CompletedTrials) -> str:
    """Says why a run has no exported model, and which commands make one."""
    why, other = "none of its trials has completed", ""
    if trials.completed:
        why = "its search has not ended"
        train = f"{command('retrain', run.path)} --trial {trials.completed[0]}"
        other = f"\nOr train its best trial: {train}"
    return (
        f"{run.path}: has no best/model.keras: {why}. If the search runs, wait; else go on with "
        f"it: {resume_command(run.path)}{other}"
    )
