"""Opens a trial that has completed, to train it anew: reads the run, locks and changes nothing."""

import shlex

from src.config import load_config
from src.errors import UserError
from src.evaluation.retraining import CompletedTrial
from src.evaluation.winner import read_winner
from src.records import TrialRecord
from src.search.preparation import prepare
from src.search.restoring import restore_oracle
from src.search.resume import changed_settings, identity_problems
from src.store.run_directory import RunDirectory
from src.store.snapshot import read_snapshot, restore_confirmation, restore_result
from src.text import python_command


def open_trial(run: RunDirectory, trial_id: str) -> CompletedTrial:
    """Loads the rows of a run and one of its completed trials.

    Raises:
        UserError: if settings, rows, space or objective are not those of the search.
    """
    saved, config = read_snapshot(run), load_config(run.config)
    anew = f"{python_command()} -m src.tune --config {shlex.quote(str(run.config))} run.name=auto"
    if changed := changed_settings(saved, config):
        what = f"{run.path}: another version of this program has searched it"
        hint = f"Use that version, or search anew: {anew}"
        if run.config.read_text() != saved.head["config_text"]:
            what = f"{run.config}: is not as the search left it"
            hint = "Bring that back, or delete the file and resume the run, which writes it again"
        raise UserError("\n".join([f"{what}:", *changed, hint]))
    prepared = prepare(config, saved)
    if problems := identity_problems(saved, prepared.identity):
        what = f"{run.path}: this is not what its trials were trained on"
        hint = f"Bring that back, or search anew: {anew}"
        raise UserError("\n".join([f"{what}:", *problems, hint]))
    specs, _ = restore_oracle(prepared.oracle, saved, run, prepared.config, prepared.hypermodel)
    records = {
        state["trial_id"]: TrialRecord(
            specs[state["trial_id"]], restore_result(state, ()), restore_confirmation(state)
        )
        for state in saved.records
    }
    exported = None if saved.exported is None else records[saved.exported["trial_id"]]
    winner = None if exported is None else read_winner(run, exported)
    return CompletedTrial(prepared.context(run), records[trial_id], winner)
