"""From a configuration to a search that is checked and could begin."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras_tuner as kt

from callbacks import TrainingPlan
from callbacks.registry import first_effects
from hypermodels import HYPERMODELS
from hypermodels.losses import LOSS_HYPERPARAMETERS
from src import registry
from src.config import Config
from src.config.dump import dump_config
from src.config.objectives import COSTS
from src.data.leaks import leak_notices
from src.data.loading import Data, load_data
from src.evaluation.export import check_export
from src.execution.executor import RunContext
from src.records import Objective
from src.registry import PRUNERS, TUNERS
from src.search.identity import check_identity, versions
from src.search.objective import (
    check_task,
    check_validation_classes,
    resolve_objectives,
)
from src.search.rehearsal import rehearse
from src.seeds import oracle_seed
from src.startup import start_tensorflow
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch
from src.tuners import space as spaces
from src.tuners.compatibility import check_compatibility
from src.tuners.oracle import SearchOracle
from src.tuners.space_settings import check_effect, check_points, check_training, narrow
from src.tuners.warm_start import WarmStart, read_warm_start


@dataclass(frozen=True)
class PreparedSearch:
    """A search that is checked and could begin; nothing has been written."""

    config: Config
    data: Data
    hypermodel: Any  # a HyperModel for the plain split
    space: kt.HyperParameters  # pinned and narrowed as configured
    objective: Objective
    secondary: tuple[Objective, ...]  # objectives that are reported beside it
    plan: TrainingPlan
    oracle: SearchOracle
    # Rows, space and objective, which a resumed search must have in common; plain data.
    identity: dict[str, Any]
    # How far each range of the HyperModel may be set, by hyperparameter.
    widest: dict[str, tuple[float, float]]
    passed_over: tuple[str, ...]  # names in the preset's space that the HyperModel does not have
    # What a user should know of the data and the settings, a sentence each.
    notices: tuple[str, ...]

    @property
    def trials(self) -> int | None:
        """How many trials there will be; None if that cannot be known."""
        return self.oracle.total()

    @property
    def epochs(self) -> int | None:
        """How many epochs there will be at most, of all trials, executions and folds."""
        tuner = self.config.tuner
        epochs = self.oracle.epochs(self.config.training.epochs)
        return None if epochs is None else epochs * tuner.executions_per_trial * tuner.folds

    @property
    def workers(self) -> int:
        """How many trials run at once; never more than there are."""
        workers = self.config.worker_count
        return workers if self.trials is None else min(workers, max(self.trials, 1))

    def context(self, run: RunDirectory) -> RunContext:
        """What all trials share."""
        return RunContext(self.config, self.data, self.plan, run)

    def config_text(self, path: Path) -> str:
        """The run's config.yaml at `path`: with the inferred kinds of columns, and `recorded`."""
        config, table, data = self.config, self.data.table, self.config.data
        if table is not None:
            columns = {
                column.name: column.kind if column.is_input else "drop"
                for column in table.columns
                if column.kind != "target" and column.name not in (*data.drop, data.group)
            }
            config = config.model_copy(
                update={"data": data.model_copy(update={"columns": columns})}
            )
        return dump_config(config, self.recorded, path)

    @property
    def recorded(self) -> dict[str, Any]:
        """Facts for the run's config.yaml that no setting states."""
        data = self.data
        facts: dict[str, Any] = {
            "name": data.name,
            "task": data.task,
            "classes": list(data.class_names),
            "features": list(data.feature_names),
        }
        if data.table is not None:
            facts["columns"] = [column.facts for column in data.table.columns]
            facts["file"] = data.table.form.facts
            facts["notices"] = list(data.table.notices)
        splits = {"train": data.train, "validation": data.validation, "test": data.test}
        return {
            "versions": versions(),
            "processors": os.cpu_count(),
            "data": facts | {"rows": {name: len(rows) for name, rows in splits.items()}},
            "objective": vars(self.objective),
            "tuner": {
                "max_trials": self.oracle.max_trials,
                "uses_warm_start": self.oracle.uses_warm_start,
            },
            "limits": {name: list(limits) for name, limits in self.widest.items()},
        }


def prepare(config: Config, saved: SavedSearch | None = None) -> PreparedSearch:
    """Loads the data, settles space and objective, rehearses a model, makes the oracle.

    Raises:
        UserError: for everything in the configuration or the data that would not work, or that
            would make a search that goes on another search.
    """
    oracle_class = registry.load(TUNERS, config.tuner.name, "tuner.name")
    pruner_class = registry.load(PRUNERS, config.pruner.name, "pruner.name")
    check_compatibility(config, oracle_class, pruner_class)
    start_tensorflow(threads=config.run.threads)
    data = load_data(config.data, config.seed)
    check_task(config, data.task)
    data.folds(config.tuner.folds)  # refuses folds that the rows cannot give

    owner = f"hypermodel.name={config.hypermodel.name} on {data.task} data"
    hypermodel_class = registry.load(HYPERMODELS, config.hypermodel.name, "hypermodel.name")
    problem = data.arrays(data.train, data.validation, stream=True).problem
    hypermodel = hypermodel_class(problem)
    declared = spaces.discover(hypermodel, owner)
    spaces.check_names(declared, sorted(config.user_space), owner)
    space = narrow(declared, config.space, hypermodel_class.limits())
    check_effect(space, config.user_space & config.space.keys())
    check_training(space, config.training)

    objective, secondary = resolve_objectives(
        config.objective, data.task, hypermodel.offered_metrics, space
    )
    check_validation_classes(config, data, objective)
    plan = TrainingPlan(
        epochs=config.training.epochs,
        monitor=objective.name,
        direction=objective.direction,
        schedule_unit=config.training.schedule_unit,
        secondary=tuple(other.name for other in secondary if other.name not in COSTS),
    )
    weight = None if config.data.class_weight == "none" else config.data.class_weight
    network, arrays = rehearse(hypermodel_class, data, space, plan, owner, class_weight=weight)
    check_export(network, arrays, data, owner)
    hypermodel = hypermodel_class(problem, plan=plan)  # knows now what it is to report

    oracle: SearchOracle = oracle_class.from_config(
        config,
        objective=kt.Objective(objective.name, objective.direction),
        hyperparameters=space.copy(),
        seed=oracle_seed(config.seed),
    )
    names = [hp.name for hp in declared.space]
    points, unused = check_points(config.tuner.points_to_evaluate, space, names, owner)
    oracle.points_to_evaluate = points
    identity = _identity(data, space, objective, hypermodel.metric_names)
    if saved is not None:
        check_identity(saved, identity)
    if config.tuner.warm_start is not None:
        if saved is not None and "warm_start" in saved.oracle:
            warm_start = WarmStart.model_validate(saved.oracle["warm_start"])
        else:
            warm_start = read_warm_start(config, identity, space, declared)
        oracle.use_warm_start(warm_start)
    notices = [*leak_notices(data), *patience_notices(space, plan), *unused]
    notices += [oracle.warm_start.notice] if oracle.warm_start.notice else []
    # Of the hyperparameters of losses, only those of this task exist.
    known = {*names} | LOSS_HYPERPARAMETERS
    return PreparedSearch(
        config=config,
        data=data,
        hypermodel=hypermodel,
        space=space,
        objective=objective,
        secondary=secondary,
        plan=plan,
        oracle=oracle,
        identity=identity,
        widest=spaces.widest(declared, hypermodel_class.limits()),
        passed_over=tuple(name for name in config.space if name not in known),
        notices=tuple(notices),
    )


def _identity(
    data: Data, space: kt.HyperParameters, objective: Objective, metrics: Sequence[str]
) -> dict[str, Any]:
    rows = {"rows": len(data.x), "features": data.x.shape[1], "task": data.task}
    return {
        "data": {**rows, "content": data.fingerprint},
        "space": {
            hp["config"]["name"]: {"class": hp["class_name"]} | hp["config"]
            for hp in space.get_config()["space"]
        },
        "objective": vars(objective),
        "metrics": list(metrics),
    }


def patience_notices(space: kt.HyperParameters, plan: TrainingPlan) -> list[str]:
    """Names each patience and length of a narrowed space that no trial is long enough for.

    Counters go on from rung to rung of a Hyperband bracket, so that the plan's epochs count.
    """
    first = first_effects(partial(spaces.possible_values, space))
    return [
        f"space.{name}: has no effect in any trial: the earliest would be in epoch {epoch}, but "
        f"training.epochs is {plan.epochs}"
        for name, epoch in first.items()
        if epoch > plan.epochs
    ]
