"""The configuration: every key with its type, range and default. Frozen once validated.

`presets/default.yaml` says what each key is for.
"""

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hypermodels import HYPERMODELS
from src.config import fields
from src.config.fields import BrokenRuleError, Count, Text, known
from src.config.objectives import KNOWN_DIRECTIONS
from src.errors import nearest
from src.registry import EXECUTORS, PRUNERS, SOURCES, TUNERS

PROVENANCE = ("user_space",)
"""Fields of `Config` that loading fills in; a file cannot set them, and a dump leaves them out."""


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, values cannot change after validation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )


class DataSettings(Section):
    """Where the rows come from and how they are split."""

    source: Annotated[str, known(SOURCES, "data.source")] = "digits"
    path: Text | None = None
    test_path: Text | None = None
    database: fields.Database | None = None
    query: Text | None = None
    target: Text | None = None
    drop: fields.Texts = ()
    group: Text | None = None
    columns: fields.Columns = Field(default_factory=dict)
    header: Literal["auto"] | bool = "auto"
    separator: fields.Separator = "auto"
    encoding: fields.Encoding = "auto"
    decimal: Literal["auto", "point", "comma"] = "auto"
    date_order: Literal["auto", "day_first", "month_first"] = "auto"
    missing: fields.Texts = ()
    default_missing: bool = True
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    scaling: Literal["auto", "standard", "robust", "none"] = "auto"
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    class_weight: Literal["none", "balanced"] = "none"


class HyperModelSettings(Section):
    """Which HyperModel defines the models."""

    name: Annotated[str, known(HYPERMODELS, "hypermodel.name")] = "mlp"


class ReevaluateSettings(Section):
    """How many of the best trials are trained again after the search, and how often."""

    trials: Count | None = None
    executions: Count = 3

    @model_validator(mode="after")
    def _executions_need_trials(self) -> "ReevaluateSettings":
        if self.trials is None and self.executions != 3:
            raise BrokenRuleError(
                f"tuner.reevaluate.executions: {self.executions} has no effect while "
                "tuner.reevaluate.trials is null; set tuner.reevaluate.trials=3 too"
            )
        return self


class TunerSettings(Section):
    """How trials are proposed and repeated."""

    name: Annotated[str, known(TUNERS, "tuner.name")] = "random"
    max_trials: Count | Literal["auto"] = "auto"
    points_to_evaluate: fields.Points = ()
    warm_start: Text | None = None
    executions_per_trial: Count = 1
    folds: Count = 1
    factor: fields.Factor = 3
    hyperband_iterations: Count = 1
    grid_points: fields.Factor = 5
    reevaluate: ReevaluateSettings = ReevaluateSettings()


class PrunerSettings(Section):
    """Which trials are stopped early, because they are behind others."""

    name: Annotated[str, known(PRUNERS, "pruner.name")] = "none"
    startup_trials: Count = 5
    first_epoch: Count = 5
    factor: fields.Factor = 3


class ObjectiveSettings(Section):
    """What the search optimises; `auto` is the task's default."""

    name: Text = "auto"
    direction: Literal["auto", "min", "max"] = "auto"
    threshold: Literal["default", "tuned"] = "default"
    secondary: fields.Texts = ()

    @property
    def resolved_direction(self) -> Literal["min", "max"] | None:
        """Which way is better; None while `name` is `auto` and the task decides."""
        if self.name == "auto":
            return None
        return KNOWN_DIRECTIONS[self.name] if self.direction == "auto" else self.direction

    @model_validator(mode="after")
    def _direction_fits_name(self) -> "ObjectiveSettings":
        known = "auto" if self.name == "auto" else KNOWN_DIRECTIONS.get(self.name)
        if known is None and self.direction == "auto":
            raise BrokenRuleError(
                f"objective.direction: 'auto' is not valid with objective.name: '{self.name}'; say "
                f"min or max.{nearest(self.name, KNOWN_DIRECTIONS)} Only these need no direction: "
                + ", ".join(KNOWN_DIRECTIONS)
            )
        if known is not None and self.direction not in ("auto", known):
            raise BrokenRuleError(
                f"objective.direction: '{self.direction}' is a mistake with objective.name: "
                f"'{self.name}', whose direction is '{known}'; leave the direction auto"
            )
        return self


class TrainingSettings(Section):
    """How a trial trains."""

    epochs: Count = 50
    schedule_unit: Literal["epoch", "step"] = "epoch"
    batches: Literal["memory", "stream"] = "memory"
    save_every: Count | None = None


class LimitSettings(Section):
    """When a trial fails, and when the search ends."""

    minutes: Annotated[float, Field(gt=0)] | None = None
    epochs: Count | None = None
    target: float | None = None
    trials_without_improvement: Count | None = None
    consecutive_failures: Count = 5
    trial_seconds: Annotated[float, Field(gt=0)] | None = None
    parameters: Count | None = None


class RunSettings(Section):
    """Where the files of a run go, and how its trials are executed."""

    directory: Text = "logs"
    name: fields.RunName = "auto"
    engine: Annotated[str, known(EXECUTORS, "run.engine", "auto")] = "auto"
    workers: Count | Literal["auto"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    keep_top: Count = 10


class Config(Section):
    """The whole configuration of one search.

    A hyperparameter that `space` does not name is open: the HyperModel's own range is searched.
    """

    seed: Annotated[int, Field(ge=0)] = 42
    data: DataSettings = DataSettings()
    hypermodel: HyperModelSettings = HyperModelSettings()
    space: fields.Space = Field(default_factory=dict)
    tuner: TunerSettings = TunerSettings()
    pruner: PrunerSettings = PrunerSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    training: TrainingSettings = TrainingSettings()
    limits: LimitSettings = LimitSettings()
    run: RunSettings = RunSettings()

    # Names that the user has set, or opened, when `space` lacks them. A HyperModel must have these;
    # it may lack those that come from built-in presets alone.
    user_space: frozenset[str] = Field(
        default_factory=lambda values: frozenset(values["space"]), exclude=True
    )

    @property
    def worker_count(self) -> int:
        """How many trials may run at once: by default, one a processor where workers can run."""
        run, (own, *others) = self.run, EXECUTORS
        if run.workers != "auto":
            return run.workers
        if run.engine == own or (run.engine == "auto" and (self._main_entry or not others)):
            return 1
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))  # containers and `taskset` may restrict them
        return os.cpu_count() or 1

    @property
    def executor(self) -> str:
        """The executor's name; `auto` is the table's first for one worker, else its second."""
        own, *others = EXECUTORS
        several = others[0] if others and self.worker_count > 1 else own
        return several if self.run.engine == "auto" else self.run.engine

    @property
    def in_process(self) -> bool:
        """Whether trials run in this process, as the first executor of the table runs them."""
        return self.executor == next(iter(EXECUTORS))

    @property
    def _main_entry(self) -> str:
        """The registry entry of a HyperModel of the main program; empty for any other."""
        entry = HYPERMODELS.get(self.hypermodel.name, "")
        return entry if entry.startswith("__main__:") else ""

    @model_validator(mode="after")
    def _the_executor_can_run_it(self) -> "Config":
        own, *others = EXECUTORS
        if self.in_process and self.worker_count > 1:
            other = f"set run.engine={others[0]}, or " if others else ""
            raise BrokenRuleError(
                f"run.workers: {self.worker_count} does not go with run.engine: '{own}', which "
                f"runs one trial at a time; {other}leave run.workers auto"
            )
        if self._main_entry and not self.in_process:
            raise BrokenRuleError(
                f"run.engine: workers cannot import '{self._main_entry}' (hypermodel.name="
                f"{self.hypermodel.name}) from the main program; move the class into a file of "
                f"its own, or set run.engine={own}"
            )
        return self

    @model_validator(mode="after")
    def _the_pruner_has_epochs_to_save(self) -> "Config":
        if self.pruner.name != "none" and self.pruner.first_epoch >= self.training.epochs:
            raise BrokenRuleError(
                f"pruner.first_epoch: {self.pruner.first_epoch} leaves nothing of the "
                f"{self.training.epochs} epochs of a trial (training.epochs) to save; set it "
                "lower, or pruner.name=none"
            )
        return self
