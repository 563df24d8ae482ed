"""The trials of a search, between the oracle that proposes them and the loop that runs them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras_tuner as kt
import numpy as np

from src.config import Config
from src.messages import SearchEnd
from src.records import TrialRecord, TrialResult, TrialSpec, structure_key
from src.search.budgets import SearchBudgets
from src.search.preparation import PreparedSearch
from src.search.progress import SearchProgress
from src.search.reevaluation import planned
from src.store.saved_search import SavedSearch
from src.tuners.oracle import SearchOracle
from src.tuners.pruners import Curves
from src.tuners.user_code import asking_oracle


class Proposals:
    """Makes the specification of each trial, and tells the oracle the results.

    Attributes:
        budgets: the limits of the search.
        needs_results: whether a trial should not be proposed before a worker is free for it,
            because the results until then count.
    """

    def __init__(self, prepared: PreparedSearch, progress: SearchProgress) -> None:
        self._config, self._oracle = prepared.config, prepared.oracle
        self._hypermodel, self._progress = prepared.hypermodel, progress
        self._curves = Curves(self._config, self._oracle.objective)
        self._specs: dict[str, TrialSpec] = {}
        self._killed: deque[Any] = deque()  # trials that ran when the search was killed
        limits, has_rungs = self._config.limits, self._oracle.has_rungs
        self.budgets = SearchBudgets(limits, progress, has_rungs=has_rungs)
        self.needs_results = self._oracle.learns or self._curves.prunes or self.budgets.ends_trials

    def restore(self, saved: SavedSearch) -> None:
        """Continues from a saved state.

        Raises:
            ArithmeticError, AttributeError, LookupError, TypeError, ValueError: if this oracle
                cannot have come to that state.
        """
        self._oracle.restore(saved.oracle, saved.trials)
        self._specs = dict(saved.specs)
        self._progress.seconds = saved.seconds
        for record in saved.records:
            self._add(planned(record, self._config.tuner.reevaluate.executions))
        running = self._oracle.ongoing_trials.values()
        self._killed.extend(sorted(running, key=lambda trial: int(trial.trial_id)))

    def next(self) -> TrialSpec | SearchEnd | None:
        """The next trial, why none will follow, or None while a running trial has to end first."""
        if end := self.end():
            return end
        if self.budgets.must_wait(self._planned_epochs):
            return None
        if self._killed:
            return self._spec(self._killed.popleft())
        with asking_oracle(self._oracle, self._config.tuner.name):
            trial = self._oracle.create_trial(f"trial{len(self._oracle.trials)}")
        if trial.status == "STOPPED":
            return SearchEnd("finished", self._oracle.exhausted)
        return None if trial.status == "IDLE" else self._spec(trial)

    def end(self) -> SearchEnd | None:
        """Why no further trial may start, if so."""
        if end := self.budgets.end():
            return end
        most = self._oracle.max_trials
        if self._killed or most is None or len(self._oracle.trials) < most:
            return None
        done = f"all {most} trials are done" if most > 1 else "the trial is done"
        reason = f"{done} (tuner.max_trials)"
        return SearchEnd("finished", reason, "tuner.max_trials")

    def add_result(self, trial_id: str, result: TrialResult) -> TrialRecord:
        """Tells the oracle the result of a trial; returns the record, which is in `progress`."""
        spec, trial = self._specs[trial_id], self._oracle.trials[trial_id]
        if (found := result.hyperparameters) is not None:  # building the model found new ones
            trial.hyperparameters = kt.HyperParameters.from_config(found)
            values = {"values": found["values"]}
            spec = replace(spec, hyperparameters=spec.hyperparameters | values)
        self.budgets.release(trial_id)
        result = replace(result, hyperparameters=None)
        self._specs[trial_id], record = spec, TrialRecord(spec, result)
        trial.status, trial.message = result.status, result.reason
        with asking_oracle(self._oracle, self._config.tuner.name):
            if (score := result.score) is not None:
                # An oracle with rungs compares trials that end there.
                told = score if self._oracle.has_rungs else self._curves.expected_score(record)
                metrics = {self._oracle.objective.name: told}
                self._oracle.update_trial(trial_id, metrics, step=result.best_epoch or 0)
            self._oracle.end_trial(trial)
        self._add(record)
        return record

    def _spec(self, trial: Any) -> TrialSpec:
        spec = trial_spec(trial, self._specs, self._config, self._oracle, self._hypermodel)
        parent = None if spec.parent_id is None else self._progress.record(spec.parent_id)
        if parent is not None and parent.result.stopped_by is not None:
            spec = replace(spec, initial_epoch=0)  # it left no state of its last epoch
        budget = self.budgets.reserve(spec)
        spec = replace(spec, thresholds=self._curves.thresholds(), epoch_budget=budget)
        self._specs[spec.trial_id] = spec
        return spec

    def _add(self, record: TrialRecord) -> None:
        self._progress.add(record)
        self._curves.add(record)
        self.budgets.add(record)

    @property
    def _planned_epochs(self) -> int:
        """The most epochs that the next trial may need."""
        if self._killed:
            return self._specs[self._killed[0].trial_id].planned_epochs
        settings = self._config.tuner
        return self._config.training.epochs * settings.executions_per_trial * settings.folds


def trial_spec(
    trial: Any,
    earlier: Mapping[str, TrialSpec],
    config: Config,
    oracle: SearchOracle,
    hypermodel: Any,
) -> TrialSpec:
    """Returns what is to be trained for a Keras Tuner trial; `earlier` trials have its parent."""
    # Bayesian optimisation proposes NumPy numbers, which YAML and JSON cannot write.
    values = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in trial.hyperparameters.values.items()
    }
    parent = earlier[values["tuner/trial_id"]] if values.get("tuner/trial_id") else None
    return TrialSpec(
        trial_id=trial.trial_id,
        root_id=parent.root_id if parent else trial.trial_id,
        parent_id=parent.trial_id if parent else None,
        hyperparameters={"space": oracle.describe_space(trial.hyperparameters), "values": values},
        initial_epoch=values.get("tuner/initial_epoch", 0),
        epochs=values.get("tuner/epochs", config.training.epochs),
        executions=config.tuner.executions_per_trial,
        folds=config.tuner.folds,
        keep_state=oracle.has_rungs,
        # Keras Tuner notes the newest bracket, though an older one may be running.
        bracket=parent.bracket if parent else values.get("tuner/bracket"),
        rung=values.get("tuner/round"),
        structure=structure_key(hypermodel.structure(trial.hyperparameters)),
    )
