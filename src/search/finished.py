"""Opens a trial that has completed, to train it anew: reads the run, locks and changes nothing."""

import shlex
from dataclasses import dataclass

from src.config import load_config
from src.errors import UserError
from src.evaluation.winner import Winner, read_winner
from src.execution.context import RunContext
from src.records import TrialRecord
from src.search.identity import changed_settings, identity_problems
from src.search.preparation import prepare
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch
from src.text import python_command


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that has completed, and what its search shared.

    Attributes:
        context: what the trials shared.
        record: the trial.
        winner: what the search has exported, of this trial or another; None before.
    """

    context: RunContext
    record: TrialRecord
    winner: Winner | None


def open_trial(run: RunDirectory, saved: SavedSearch, trial_id: str) -> FinishedTrial:
    """Loads the rows of a run and takes over one of its trials.

    Args:
        run: the run's folder.
        saved: the state of its search.
        trial_id: of a trial that has completed.

    Raises:
        UserError: if settings, rows, space or objective are not those of the search.
    """
    config = load_config(run.config)
    changed = changed_settings(saved, config)
    if changed:
        edited = run.config.read_text() != saved.config_text
        raise UserError(
            (
                f"{run.config}: is not as the search left it:\n"
                if edited
                else f"{run.path}: another version of this program has searched it:\n"
            )
            + "\n".join(changed)
            + (
                "\nBring that back, or delete the file and resume the run, which writes it again"
                if edited
                else f"\nUse that version, or search anew: {_anew(run)}"
            )
        )
    prepared = prepare(config, saved)
    problems = identity_problems(saved, prepared.identity)
    if problems:
        raise UserError(
            f"{run.path}: this is not what its trials were trained on:\n"
            + "\n".join(problems)
            + f"\nBring that back, or search anew: {_anew(run)}"
        )
    records = {record.spec.trial_id: record for record in saved.records}
    winner = None
    if saved.exported is not None:
        winner = read_winner(run, records[saved.exported.trial_id])
    return FinishedTrial(prepared.context(run), records[trial_id], winner)


def _anew(run: RunDirectory) -> str:
    return f"{python_command()} -m src.tune --config {shlex.quote(str(run.config))} run.name=auto"
