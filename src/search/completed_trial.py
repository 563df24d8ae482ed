"""Opens a trial that has completed, to train it anew: reads the run, locks and changes nothing."""

from collections.abc import Sequence

from src.config import load_config
from src.evaluation.retraining import CompletedTrial
from src.evaluation.winner import read_winner
from src.search.identity import check_settings
from src.search.preparation import prepare
from src.store.run_directory import RunDirectory
from src.store.saved_search import read_search


def open_trial(run: RunDirectory, trial_id: str, overrides: Sequence[str] = ()) -> CompletedTrial:
    """Loads the rows of a run and one of its completed trials; `overrides` say where rows are now.

    Raises:
        UserError: if settings, rows, space or objective are not those of the search.
    """
    saved, config = read_search(run, history=False), load_config(run.config, overrides)
    check_settings(saved, config)
    prepared = prepare(config, saved)
    records = {record.spec.trial_id: record for record in saved.records}
    winner = None
    if saved.exported is not None:
        winner = read_winner(run, records[saved.exported.trial_id])
    return CompletedTrial(prepared.context(run), records[trial_id], winner)
