"""Which trial of a run is meant, from its snapshot alone."""

from src.errors import UserError
from src.records import ranking_key
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch
from src.text import resume_command, retrain_command


def completed_trials(saved: SavedSearch) -> list[str]:
    """Returns the ids of the trials that completed, best first, as the search ranks them."""
    direction = saved.identity["objective"]["direction"]
    completed = [record for record in saved.records if record.result.status == "COMPLETED"]
    ranked = sorted(completed, key=lambda record: ranking_key(record, direction))
    return [record.spec.trial_id for record in ranked]


def choose_trial(run: RunDirectory, saved: SavedSearch, trial: str | None) -> str:
    """Returns the id of a trial that has completed.

    Args:
        run: the run's folder.
        saved: the state of its search.
        trial: the number of the trial; None for the one that the search has exported.

    Raises:
        UserError: if there is no such trial, it has not completed, or nothing is exported yet.
    """
    completed = completed_trials(saved)
    if trial is None and saved.exported is not None and run.model.is_file():
        return saved.exported.trial_id
    if not completed:
        raise UserError(
            f"{run.path}: none of its trials has completed. If the search runs, wait for one; else "
            f"go on with it: {resume_command(run.path)}"
        )
    if trial is None:
        raise UserError(
            f"{run.path}: its search has not ended with a best trial yet. Wait for its end or go "
            f"on with it, {resume_command(run.path)}; or train the best trial so far: "
            f"{retrain_command(run.path, completed[0])}"
        )
    number = trial.lstrip("0") or "0"
    known = {record.spec.trial_id: record.result.status for record in saved.records}
    for trial_id in completed:
        if (trial_id.lstrip("0") or "0") == number:
            return trial_id
    what = "is no trial of this run that has ended"
    for trial_id, status in known.items():
        if (trial_id.lstrip("0") or "0") == number:
            what = f"has {status}, so there is nothing to train for"
    shown = ", ".join(completed[:5]) + (", …" if len(completed) > 5 else "")
    raise UserError(
        f"--trial: '{trial}' {what}. Valid: one of the {len(completed)} completed ones, best "
        f"first: {shown}"
    )
