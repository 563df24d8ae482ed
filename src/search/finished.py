"""Opens a trial that has completed, to train it anew: reads the run, locks and changes nothing."""

from dataclasses import dataclass

from src.config import load_config
from src.evaluation.winner import Winner, read_winner
from src.execution.context import RunContext
from src.records import TrialRecord
from src.search.identity import check_settings
from src.search.preparation import prepare
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch


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
    """Loads the rows of a run and takes over one of its completed trials.

    Raises:
        UserError: if settings, rows, space or objective are not those of the search.
    """
    config = load_config(run.config)
    check_settings(saved, config)
    prepared = prepare(config, saved)
    records = {record.spec.trial_id: record for record in saved.records}
    winner = None
    if saved.exported is not None:
        winner = read_winner(run, records[saved.exported.trial_id])
    return FinishedTrial(prepared.context(run), records[trial_id], winner)
