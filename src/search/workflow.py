"""One search from configuration to exported model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner as kt

from callbacks import TrainingPlan
from hypermodels import HYPERMODELS
from hypermodels.losses import LOSS_HYPERPARAMETERS
from src import registry
from src.config import Config, dump_config, load_config
from src.data.loading import Data, load_data
from src.errors import UserError
from src.run_directory import RunDirectory, write_atomically
from src.search import EXECUTORS, TUNERS
from src.search import space as spaces
from src.search.events import SearchEnd, SearchListener, SearchProgress, TrialProgress
from src.search.narrowing import check_effect, check_schedule_unit, narrow
from src.search.objective import resolve_objective
from src.search.oracle import SearchOracle
from src.search.seeds import oracle_seed
from src.search.snapshot import versions
from src.search.trial_runner import RunContext
from src.search.tuner import SearchTuner
from src.search.winner import Winner, check_export, export_winner
from src.startup import start_fork_server, start_tensorflow


@dataclass(frozen=True)
class PreparedSearch:
    """A search that is checked and could begin; nothing has been written.

    Attributes:
        config: its configuration.
        data: its rows.
        hypermodel: a HyperModel for the plain split.
        space: pinned and narrowed as configured.
        passed_over: names in the preset's space that the HyperModel does not have.
        objective: name and direction.
        oracle: proposes the trials.
    """

    config: Config
    data: Data
    hypermodel: Any
    space: kt.HyperParameters
    passed_over: tuple[str, ...]
    objective: kt.Objective
    oracle: SearchOracle

    @property
    def trials(self) -> int | None:
        """How many trials there will be; None if that cannot be known."""
        return self.oracle.total(self.config.tuner.trial_cap)

    @property
    def workers(self) -> int:
        """How many trials run at once; never more than there are."""
        workers = self.config.run.worker_count
        return workers if self.trials is None else min(workers, max(self.trials, 1))

    @property
    def plan(self) -> Sequence[str]:
        """What the search will do, in a few words each."""
        return self.oracle.plan(self.config.tuner.trial_cap)


@dataclass(frozen=True)
class SearchOutcome:
    """What a search left behind.

    Attributes:
        run: the run's folder.
        end: why it stopped.
        progress: all trials.
        winner: the exported model; None without a completed trial, or when interrupted.
    """

    run: RunDirectory
    end: SearchEnd
    progress: SearchProgress
    winner: Winner | None


def prepare(config: Config) -> PreparedSearch:
    """Loads the data, settles space and objective, makes the oracle.

    Raises:
        UserError: for everything in the configuration or the data that would not work.
    """
    start_tensorflow()
    data = load_data(config.data, config.seed)
    data.folds(config.tuner.folds)  # refuses folds that the rows cannot give
    name = config.hypermodel.name
    hypermodel_class = registry.load(HYPERMODELS, name, "hypermodel.name")
    hypermodel = hypermodel_class(data.arrays(data.train, data.validation, stream=True).problem)
    owner = f"hypermodel.name={name} on {data.task} data"
    declared = spaces.discover(hypermodel, owner)
    check_export(hypermodel, owner)
    own_names = [name for name in config.space if name not in config.inherited_space]
    spaces.check_names(declared, [*own_names, *sorted(config.opened_space)], owner)
    space = narrow(declared, config.space, hypermodel_class.limits())
    check_effect(space, own_names)
    check_schedule_unit(space, config.training.schedule_unit)
    objective = resolve_objective(config.objective, data.task, hypermodel.metric_names, space)
    oracle = registry.load(TUNERS, config.tuner.name, "tuner.name").from_config(
        config,
        objective=objective,
        hyperparameters=space.copy(),
        seed=oracle_seed(config.seed),
    )
    # Those of the loss depend on the task, and nobody misses the other task's.
    known = {hp.name for hp in declared.space} | LOSS_HYPERPARAMETERS
    passed_over = tuple(name for name in config.space if name not in known)
    return PreparedSearch(config, data, hypermodel, space, passed_over, objective, oracle)


def search(prepared: PreparedSearch, listeners: Sequence[SearchListener] = ()) -> SearchOutcome:
    """Runs a prepared search in a new folder and exports the winner.

    Raises:
        UserError: if the run's folder cannot be made.
    """
    config, data = prepared.config, prepared.data
    run_settings = config.run
    engine = _engine(config)
    run_directory = RunDirectory.create(
        run_settings.directory, run_settings.name, config.tuner.name
    )
    write_atomically(run_directory.config, _config_text(prepared, run_directory))
    plan = TrainingPlan(
        epochs=config.training.epochs,
        monitor=prepared.objective.name,
        direction=prepared.objective.direction,
        schedule_unit=config.training.schedule_unit,
    )
    context = RunContext(
        seed=config.seed,
        hypermodel=config.hypermodel.name,
        data=data,
        plan=plan,
        run=run_directory,
        stream=config.training.batches == "stream",
    )

    def on_progress(running: TrialProgress) -> None:
        for listener in listeners:
            listener.on_progress(running)

    executor_class = registry.load(EXECUTORS, engine, "run.engine")
    executor = executor_class(context, prepared.workers, on_progress)
    tuner = SearchTuner(
        prepared.oracle,
        prepared.hypermodel,
        config=config,
        run=run_directory,
        executor=executor,
        listeners=listeners,
    )
    try:
        end = tuner.search()
    finally:
        executor.shutdown()
    best = tuner.progress.best
    winner = None
    if best is not None and end.kind != "interrupted":
        try:
            winner = export_winner(context, best)
        except KeyboardInterrupt:
            end = SearchEnd("interrupted", f"{end.reason}; the export was stopped")
        except UserError as error:  # the trials are worth showing all the same
            end = SearchEnd("failing", f"{end.reason}; the best model was not exported: {error}")
    return SearchOutcome(run_directory, end, tuner.progress, winner)


def run(
    config: Config | str | Path | None = None,
    overrides: Sequence[str] = (),
    listeners: Sequence[SearchListener] = (),
) -> SearchOutcome:
    """Runs a search from a notebook or a script: `run("quick", ["tuner.max_trials=3"])`.

    Args:
        config: a `Config`, a preset's name, a file, or None for the default preset.
        overrides: `key=value` texts, as on the command line; only without a `Config`.
        listeners: watch the search, as those of `src.reporting.report_listeners()` do.

    Raises:
        UserError: for a mistake in the configuration or the data.
    """
    if not isinstance(config, Config):
        config = load_config(config, overrides)
    if _engine(config) == "process":
        start_fork_server()  # before all else, so that workers come up meanwhile
    return search(prepare(config), listeners)


def _engine(config: Config) -> str:
    """The registry name of the executor.

    Raises:
        UserError: if worker processes are asked for that could not import the HyperModel.
    """
    settings, name = config.run, config.hypermodel.name
    entry = HYPERMODELS.get(name, "")
    if settings.resolved_engine == "serial" or not entry.startswith("__main__:"):
        return settings.resolved_engine
    if settings.engine == settings.workers == "auto":
        return "serial"
    raise UserError(
        f"run.engine: worker processes cannot import '{entry}' (hypermodel.name={name}) from the "
        "main program; move the class into a file of its own, or set run.engine=serial"
    )


def _config_text(prepared: PreparedSearch, run: RunDirectory) -> str:
    """The run's config.yaml: the settings, and facts about the run."""
    return dump_config(prepared.config, _recorded(prepared), run.config)


def _recorded(prepared: PreparedSearch) -> dict[str, Any]:
    """Facts for the run's config.yaml that no setting states."""
    data = prepared.data
    return {
        "versions": versions(),
        "processors": os.cpu_count(),
        "data": {
            "name": data.name,
            "task": data.task,
            "classes": list(data.class_names),
            "features": list(data.feature_names),
            "rows": {"train": len(data.train), "validation": len(data.validation)}
            | {"test": len(data.test)},
        },
        "objective": {
            "name": prepared.objective.name,
            "direction": prepared.objective.direction,
        },
    }
