"""One search from configuration to exported model."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras_tuner as kt

from callbacks import TrainingPlan
from hypermodels import HYPERMODELS
from hypermodels.losses import LOSS_HYPERPARAMETERS
from src import registry
from src.config import Config, dump_config, load_config
from src.data.leaks import leak_notices
from src.data.loading import Data, load_data
from src.data.tables.columns import Table
from src.data.tables.encoding import TableEncoding
from src.errors import DiskError, UserError
from src.files import disk_errors, write_atomically
from src.run_directory import RunDirectory
from src.run_lock import RunLock
from src.search import EXECUTORS, TUNERS
from src.search import space as spaces
from src.search.events import SearchEnd, SearchListener, SearchProgress, TrialProgress
from src.search.export import check_export
from src.search.imbalance import check_task, check_validation_classes
from src.search.narrowing import check_effect, check_training, narrow
from src.search.objective import resolve_objective
from src.search.oracle import SearchOracle
from src.search.patience import patience_notices
from src.search.pruning import check_pruner, pruner_notices
from src.search.rehearsal import rehearse
from src.search.resuming import ResumedRun, check_identity, head, open_run, remove_remains
from src.search.seeds import oracle_seed
from src.search.snapshot import versions
from src.search.stopping import StopRequest, TrialInterruptedError
from src.search.trial_runner import RunContext
from src.search.tuner import SearchTuner
from src.search.winner import Winner, export_checksums, export_winner, read_winner
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
        notices: what a user should know of the data and the settings, a sentence each.
        objective: name and direction.
        oracle: proposes the trials.
        widest: how far each range of the HyperModel may be set, by hyperparameter.
    """

    config: Config
    data: Data
    hypermodel: Any
    space: kt.HyperParameters
    passed_over: tuple[str, ...]
    notices: tuple[str, ...]
    objective: kt.Objective
    oracle: SearchOracle
    widest: dict[str, tuple[float, float]]

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
    def steps(self) -> Sequence[str]:
        """What the search will do, in a few words each."""
        return self.oracle.plan(self.config.tuner.trial_cap)

    @property
    def plan(self) -> TrainingPlan:
        """How long a trial trains, and what its callbacks monitor."""
        return _plan(self.config, self.objective)

    def context(self, run: RunDirectory) -> RunContext:
        """What all trials share.

        Args:
            run: the run's folder.
        """
        config = self.config
        return RunContext(
            seed=config.seed,
            hypermodel=config.hypermodel.name,
            data=self.data,
            plan=self.plan,
            run=run,
            stream=config.training.batches == "stream",
            limits=config.limits,
            class_weight=_class_weight(config),
            tune_threshold=config.objective.threshold == "tuned",
            average=config.tuner.export == "average",
            baselines=config.run.baselines,
            save_interval=config.training.save_interval,
            full_board=config.run.tensorboard == "full",
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it this search, beside its configuration; plain data."""
        data = self.data
        return {
            "data": {
                "rows": len(data.x),
                "features": data.x.shape[1],
                "task": data.task,
                "content": data.fingerprint,
            },
            "space": {
                hp["config"]["name"]: {"class": hp["class_name"]} | hp["config"]
                for hp in self.space.get_config()["space"]
            },
            "objective": {"name": self.objective.name, "direction": self.objective.direction},
            "metrics": list(self.hypermodel.metric_names),
        }

    @property
    def recorded(self) -> dict[str, Any]:
        """Facts for the run's config.yaml that no setting states."""
        data = self.data
        return {
            "versions": versions(),
            "processors": os.cpu_count(),
            "data": {
                "name": data.name,
                "task": data.task,
                "classes": list(data.class_names),
                "features": list(data.feature_names),
                **_table_facts(data),
                "rows": {"train": len(data.train), "validation": len(data.validation)}
                | {"test": len(data.test)},
            },
            "objective": {"name": self.objective.name, "direction": self.objective.direction},
            "limits": {name: list(limits) for name, limits in self.widest.items()},
        }


def _table_facts(data: Data) -> dict[str, Any]:
    if data.table is None:
        return {}
    columns = [column.facts for column in data.table.columns]
    return {"columns": columns, "notices": list(data.table.notices)}


@dataclass(frozen=True)
class SearchOutcome:
    """What a search left behind.

    Attributes:
        run: the run's folder.
        end: why it stopped.
        progress: all trials.
        winner: the exported model; None without a completed trial, or when interrupted.
        resumed_trials: how many trials had ended when the search was resumed; None for a new one.
    """

    run: RunDirectory
    end: SearchEnd
    progress: SearchProgress
    winner: Winner | None
    resumed_trials: int | None = None


def prepare(config: Config) -> PreparedSearch:
    """Loads the data, settles space and objective, makes the oracle.

    Raises:
        UserError: for everything in the configuration or the data that would not work.
    """
    start_tensorflow()
    data = load_data(config.data, config.seed)
    if data.table is not None:
        config = _with_columns(config, data.table)
    check_task(config, data.task)
    data.folds(config.tuner.folds)  # refuses folds that the rows cannot give
    name = config.hypermodel.name
    hypermodel_class = registry.load(HYPERMODELS, name, "hypermodel.name")
    problem = data.arrays(data.train, data.validation, stream=True).problem
    hypermodel = hypermodel_class(problem)
    owner = f"hypermodel.name={name} on {data.task} data"
    declared = spaces.discover(hypermodel, owner)
    own_names = [name for name in config.space if name not in config.inherited_space]
    spaces.check_names(declared, [*own_names, *sorted(config.opened_space)], owner)
    space = narrow(declared, config.space, hypermodel_class.limits())
    check_effect(space, own_names)
    check_training(space, config.training)
    objective = resolve_objective(config.objective, data.task, hypermodel.offered_metrics, space)
    check_validation_classes(config, data, objective)
    plan = _plan(config, objective)
    class_weight = _class_weight(config)
    network, arrays = rehearse(
        hypermodel_class, data, space, plan, owner, class_weight=class_weight
    )
    columns = () if data.table is None else data.table.inputs
    encoding = arrays.scaling if isinstance(arrays.scaling, TableEncoding) else None
    check_export(network, arrays.problem, owner, encoding, columns)
    hypermodel = hypermodel_class(problem, plan=plan)  # knows now what it is to report
    oracle_class = registry.load(TUNERS, config.tuner.name, "tuner.name")
    check_pruner(config, oracle_class)
    oracle = oracle_class.from_config(
        config,
        objective=objective,
        hyperparameters=space.copy(),
        seed=oracle_seed(config.seed),
    )
    # Those of the loss depend on the task, and nobody misses the other task's.
    known = {hp.name for hp in declared.space} | LOSS_HYPERPARAMETERS
    passed_over = tuple(name for name in config.space if name not in known)
    notices = (
        *(*leak_notices(data), *patience_notices(space, config), *pruner_notices(config)),
        *oracle.notices(config.tuner.trial_cap),
    )
    widest = spaces.widest(declared, hypermodel_class.limits())
    return PreparedSearch(
        *(config, data, hypermodel, space, passed_over, notices, objective, oracle, widest)
    )


def search(
    prepared: PreparedSearch,
    listeners: Sequence[SearchListener] = (),
    resumed: ResumedRun | None = None,
) -> SearchOutcome:
    """Runs a prepared search and exports the winner.

    Args:
        prepared: the search.
        listeners: watch it.
        resumed: the run to go on with; None for a new folder.

    Raises:
        UserError: if the run's folder cannot be made, or the run was another search.
        DiskError: if the first files cannot be written.
    """
    config, settings = prepared.config, prepared.config.run
    engine = _engine(config)

    def on_progress(running: TrialProgress) -> None:
        for listener in listeners:
            listener.on_progress(running)

    def on_stopping() -> None:
        for listener in listeners:
            listener.on_stopping(stop.signal_name)

    stop = StopRequest(on_stopping)
    with stop:
        if resumed is None:
            run = RunDirectory.create(settings.directory, settings.name, config.tuner.name)
            lock = RunLock(run.lock)
        else:
            run, lock = resumed.run, resumed.lock
        with lock:
            saved = None if resumed is None else resumed.saved
            if resumed is not None:
                check_identity(resumed, prepared.identity)
                saves = config.training.save_every is not None
                remove_remains(run, saved, keep_running=saves)
            text = dump_config(config, prepared.recorded, run.config)
            write_atomically(run.config, text)
            context = prepared.context(run)
            executor_class = registry.load(EXECUTORS, engine, "run.engine")
            tuner: SearchTuner
            executor = executor_class(
                *(context, prepared.workers, on_progress, lambda: stop.requested),
                ending=lambda: tuner.limits.ending(),  # asked while trials run
            )
            try:
                tuner = SearchTuner(
                    prepared.oracle,
                    prepared.hypermodel,
                    config=config,
                    run=run,
                    executor=executor,
                    stop=stop,
                    head=head(config, text, prepared.identity),
                    saved=saved,
                    listeners=listeners,
                )
                before = None if resumed is None else len(tuner.progress.records)
                end = tuner.search()
            finally:
                with suppress(KeyboardInterrupt):  # asked again; workers end with this process
                    executor.shutdown()
            winner, end = _winner(context, tuner, end)
            if winner is not None:
                end = _tell_export(listeners, run, winner, end)
            return SearchOutcome(run, end, tuner.progress, winner, before)


def _winner(
    context: RunContext, tuner: SearchTuner, end: SearchEnd
) -> tuple[Winner | None, SearchEnd]:
    """Exports the best trial's model, unless `best/` has it; and why the search stopped."""
    best, stop = tuner.progress.best, tuner.stop
    if best is None or end.kind == "interrupted" or tuner.disk_failed:
        return None, end
    stopped = SearchEnd("interrupted", f"{end.reason}; the export was stopped")
    winner = None
    try:
        if stop.requested:  # after the last trial
            return None, stopped
        if tuner.exported is not None and tuner.exported["trial_id"] == best.spec.trial_id:
            winner = read_winner(context.run, best, tuner.exported["files"])
        if winner is None:
            winner = export_winner(context, best, lambda: stop.requested)
            tuner.note_export(best.spec.trial_id, export_checksums(context.run))
    except (KeyboardInterrupt, TrialInterruptedError):
        return None, stopped
    except Exception as error:
        if stop.requested:  # from a second signal, as TensorFlow passes it on
            return None, stopped
        if not isinstance(error, (UserError, DiskError)):
            raise
        # The trials are worth showing all the same.
        reason = f"{end.reason}; the best model was not exported: {error}"
        return winner, SearchEnd("failing", reason)
    return winner, end


def _tell_export(
    listeners: Sequence[SearchListener], run: RunDirectory, winner: Winner, end: SearchEnd
) -> SearchEnd:
    """Tells the listeners; and why the search stopped."""
    for listener in listeners:
        try:
            with disk_errors(run.path):
                listener.on_export(run, winner)
        except KeyboardInterrupt:
            return SearchEnd("interrupted", f"{end.reason}; the last files were stopped")
        except DiskError as error:
            return SearchEnd("failing", f"{end.reason}; {error}")
        except Exception as error:  # whatever is wrong with a picture, the search is done
            problem = f"{type(error).__name__}: {error}"
            end = SearchEnd(end.kind, f"{end.reason}; not all could be shown: {problem}")
    return end


def run(
    config: Config | str | Path | None = None,
    overrides: Sequence[str] = (),
    listeners: Sequence[SearchListener] = (),
    resume: str | None = None,
) -> SearchOutcome:
    """Runs a search from a notebook or a script: `run("quick", ["tuner.max_trials=3"])`.

    Args:
        config: a `Config`, a preset's name, a file, or None for the default preset.
        overrides: `key=value` texts, as on the command line; only without a `Config`.
        listeners: watch the search, as those of `src.reporting.report_listeners()` do.
        resume: a run's folder or name, to go on with its search; only without a `Config`.

    Raises:
        UserError: for a mistake in the configuration or the data.
        DiskError: if the first files cannot be written.
    """
    resumed = None
    if isinstance(config, Config):
        if resume is not None:
            raise UserError("resume: give a preset, a file or overrides with it, not a Config")
    elif resume is not None:
        resumed = open_run(resume, config, tuple(overrides))
        config = resumed.config
    else:
        config = load_config(config, overrides)
    try:
        if _engine(config) == "process":
            start_fork_server()  # before all else, so that workers come up meanwhile
        return search(prepare(config), listeners, resumed)
    finally:
        if resumed is not None:
            resumed.lock.release()


def _with_columns(config: Config, table: Table) -> Config:
    """The configuration with what was inferred of the columns, so that its run can be repeated."""
    columns = {
        column.name: column.kind if column.is_input else "drop"
        for column in table.columns
        if column.kind != "target" and column.name not in (*config.data.drop, config.data.group)
    }
    return config.model_copy(update={"data": config.data.model_copy(update={"columns": columns})})


def _plan(config: Config, objective: kt.Objective) -> TrainingPlan:
    return TrainingPlan(
        epochs=config.training.epochs,
        monitor=objective.name,
        direction=objective.direction,
        schedule_unit=config.training.schedule_unit,
        baseline=config.training.early_stopping_baseline,
        batch_memory=config.training.batch_memory,
        batch_share=config.training.batch_share,
    )


def _class_weight(config: Config) -> Literal["balanced"] | None:
    return None if config.data.class_weight == "none" else config.data.class_weight


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
