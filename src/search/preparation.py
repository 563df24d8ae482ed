"""From a configuration to a search that is checked and could begin."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import keras_tuner as kt

from callbacks import TrainingPlan
from hypermodels import HYPERMODELS
from hypermodels.losses import LOSS_HYPERPARAMETERS
from src import registry
from src.config import Config
from src.config.objectives import COSTS
from src.data.leaks import leak_notices
from src.data.loading import Data, load_data
from src.data.tables.columns import Table
from src.errors import UserError
from src.evaluation.export import check_export
from src.execution.trial_runner import RunContext
from src.registry import TUNERS
from src.search.imbalance import check_task, check_validation_classes
from src.search.objective import resolve_also, resolve_objective
from src.search.patience import patience_notices
from src.search.rehearsal import rehearse
from src.seeds import oracle_seed
from src.startup import start_tensorflow
from src.store.run_directory import RunDirectory
from src.store.snapshot import SavedSearch, versions
from src.tuners import space as spaces
from src.tuners.oracle import SearchOracle
from src.tuners.points_to_evaluate import check_initial
from src.tuners.pruners import check_pruner, pruner_notices
from src.tuners.space_settings import check_effect, check_training, narrow
from src.tuners.warm_start import Knowledge, read_knowledge


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
        also: what counts beside the objective.
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
    also: tuple[kt.Objective, ...] = ()

    @property
    def trials(self) -> int | None:
        """How many trials there will be; None if that cannot be known."""
        return self.oracle.total(self.config.tuner.trial_cap)

    @property
    def epochs(self) -> int | None:
        """How many epochs there will be at most, of all trials, executions and folds."""
        tuner = self.config.tuner
        epochs = self.oracle.epochs(tuner.trial_cap, self.config.training.epochs)
        return None if epochs is None else epochs * tuner.executions_per_trial * tuner.folds

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
            save_interval=config.training.save_interval,
            full_board=config.run.tensorboard == "full",
            time_predictions="prediction_seconds" in config.objective.also,
            threads=config.run.threads,
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


def prepare(config: Config, saved: SavedSearch | None = None) -> PreparedSearch:
    """Loads the data, settles space and objective, makes the oracle.

    Args:
        config: the configuration.
        saved: the state of a search that goes on: what an earlier run told it stands there.

    Raises:
        UserError: for everything in the configuration or the data that would not work.
    """
    start_tensorflow(threads=config.run.threads)
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
    also = resolve_also(config.objective, objective, data.task, hypermodel.offered_metrics, space)
    check_validation_classes(config, data, objective)
    plan = _plan(config, objective)
    class_weight = _class_weight(config)
    network, arrays = rehearse(
        hypermodel_class, data, space, plan, owner, class_weight=class_weight
    )
    check_export(network, arrays, data, owner)
    hypermodel = hypermodel_class(problem, plan=plan)  # knows now what it is to report
    oracle_class = registry.load(TUNERS, config.tuner.name, "tuner.name")
    check_pruner(config, oracle_class)
    oracle = oracle_class.from_config(
        config,
        objective=objective,
        hyperparameters=space.copy(),
        seed=oracle_seed(config.seed),
    )
    own = [hp.name for hp in declared.space]
    initial = check_initial(config.tuner.configurations, space, own, owner)
    if initial.values and not oracle.takes_initial:
        raise UserError(
            f"tuner.initial: tuner.name={config.tuner.name} has an order of its own, in which "
            "nothing comes first; choose another tuner, or give its points with space.<name>"
        )
    oracle.initial = initial.values
    # Those of the loss depend on the task, and nobody misses the other task's.
    known = {*own} | LOSS_HYPERPARAMETERS
    passed_over = tuple(name for name in config.space if name not in known)
    notices = (
        *(*leak_notices(data), *patience_notices(space, config)),
        *pruner_notices(config, oracle.total(config.tuner.trial_cap)),
        *initial.notices,
        *oracle.notices(config.tuner.trial_cap),
    )
    widest = spaces.widest(declared, hypermodel_class.limits())
    prepared = PreparedSearch(
        *(config, data, hypermodel, space, passed_over, notices, objective, oracle, widest),
        also=also,
    )
    if config.tuner.knowledge is None:
        return prepared
    return _with_knowledge(prepared, declared, saved)


def _with_knowledge(
    prepared: PreparedSearch, declared: kt.HyperParameters, saved: SavedSearch | None
) -> PreparedSearch:
    """Gives the oracle what an earlier run tells."""
    config, oracle = prepared.config, prepared.oracle
    if not oracle.uses_knowledge:
        raise UserError(
            f"tuner.knowledge: {config.tuner.knowledge}: tuner.name={config.tuner.name} cannot "
            "learn from the trials of another run; choose one that does, such as gp, or let that "
            "run's best configuration run first: tuner.initial=RUN/best/hyperparameters.yaml"
        )
    if saved is not None and "knowledge" in saved.oracle:
        knowledge = Knowledge.from_state(saved.oracle["knowledge"])
    else:
        knowledge = read_knowledge(config, prepared.identity, prepared.space, declared)
    oracle.learn(knowledge)
    told = (knowledge.notice,) if knowledge.notice else ()
    return replace(prepared, notices=(*prepared.notices, *told))


def _table_facts(data: Data) -> dict[str, Any]:
    if data.table is None:
        return {}
    columns = [column.facts for column in data.table.columns]
    return {"columns": columns, "notices": list(data.table.notices)}


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
        also=tuple(name for name in config.objective.also if name not in COSTS),
    )


def _class_weight(config: Config) -> Literal["balanced"] | None:
    return None if config.data.class_weight == "none" else config.data.class_weight
