"""The configuration: every key with its type, range and default. Frozen once validated."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)

from src.config.objectives import KNOWN_DIRECTIONS
from src.config.separators import SEPARATORS
from src.config.space import (
    Scalar,
    SpaceValue,
    batch_words_to_numbers,
    configurations,
    space_name,
    space_value,
)
from src.errors import nearest
from src.store.run_directory import RUN_NAME_RULE, is_run_name

PROVENANCE = ("inherited_space", "opened_space")
"""Fields of `Config` that loading fills in; a file cannot set them and a dump leaves them out."""


class BrokenRuleError(ValueError):
    """Keys that do not go together; its message names them and stands on its own."""


def _usable_processors() -> int:
    """The processors that this process may use, which containers and `taskset` may restrict."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run_name(name: str) -> str:
    if not is_run_name(name):
        raise ValueError("not the name of a folder that is safe everywhere")
    return name


Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Interval = Annotated[
    Count | Annotated[str, Field(pattern=r"^\d{1,9}(\.\d{1,9})?s$")] | None,
    Field(description="a number of epochs of at least 1, seconds such as 30s, or null"),
]
RunName = Annotated[
    str,
    AfterValidator(_run_name),
    Field(description=f"auto, or {RUN_NAME_RULE}"),
]
Space = Annotated[
    Mapping[
        Annotated[str, AfterValidator(space_name)],
        Annotated[SpaceValue, PlainValidator(space_value)],
    ],
    BeforeValidator(batch_words_to_numbers),
    Field(description="a mapping from the names of hyperparameters to their values, or open"),
]


def _initial(given: object) -> tuple[dict[str, Scalar], ...] | str:
    if isinstance(given, str) and given:
        return given
    return configurations(given)


Initial = Annotated[
    tuple[dict[str, Scalar], ...] | str,
    PlainValidator(_initial),
    Field(
        description="a list of mappings from hyperparameters to values, such as "
        "[{units: 128, learning_rate: 1e-3}], or the path of a YAML file that holds one or more"
    ),
]


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, values cannot change after validation."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )


COLUMN_KINDS = ("numeric", "boolean", "categorical", "date", "drop")
"""What `data.columns` may say of a column."""


class SyntheticSettings(Section):
    """Shape of `data.source: synthetic` (scikit-learn's `make_classification`)."""

    rows: Annotated[int, Field(ge=20)] = 1000
    features: Annotated[int, Field(ge=2)] = 10
    classes: Annotated[int, Field(ge=2)] = 2


def _columns(given: object) -> object:
    """Names of columns may have dots, which overrides take for further keys."""
    if not isinstance(given, dict):
        return given
    flat: dict[object, object] = {}
    for name, kind in given.items():
        if isinstance(kind, dict):
            flat |= {f"{name}.{rest}": inner for rest, inner in dict(_columns(kind)).items()}  # type: ignore[call-overload]
        else:
            flat[name] = kind
    return flat


Columns = Annotated[
    Mapping[Text, Literal["numeric", "boolean", "categorical", "date", "drop"]],
    BeforeValidator(_columns),
    Field(description=f"a mapping from names of columns to one of {', '.join(COLUMN_KINDS)}"),
]


def _separator(given: str) -> str:
    if given == "auto" or given in SEPARATORS:
        return given
    is_byte = len(given) == 1 and given.isascii()  # pandas takes no character of more than one
    if not is_byte or given.isalnum() or given in "\"'.+-_ \r\n\0":
        raise ValueError("neither a name nor one ASCII character that can separate fields")
    return given


def _encoding(given: str) -> str:
    if given != "auto":
        try:
            "".encode(given)
        except (LookupError, ValueError) as error:
            raise ValueError("not known to Python as an encoding of text") from error
    return given


def _missing(given: object) -> object:
    """Numbers are texts in a file; true, false and null are mistakes of YAML's."""
    if not isinstance(given, list | tuple):
        return given
    return [
        str(text) if isinstance(text, int | float) and not isinstance(text, bool) else text
        for text in given
    ]


Separator = Annotated[
    str,
    AfterValidator(_separator),
    Field(description=f"auto, {', '.join(SEPARATORS)}, or one ASCII character such as ^"),
]
Encoding = Annotated[
    str,
    AfterValidator(_encoding),
    Field(description="auto, or an encoding that Python knows, such as utf-8, cp1252 or utf-16"),
]
MissingTexts = Annotated[
    tuple[Text, ...],
    BeforeValidator(_missing),
    Field(strict=False, description="a list of texts and numbers, such as [-999, unknown]"),
]


class DataSettings(Section):
    """Where the rows come from and how they are split."""

    source: str = "digits"
    path: Text | None = None
    test_path: Text | None = None
    target: Text | None = None
    drop: Annotated[tuple[Text, ...], Field(strict=False)] = ()  # YAML has lists, not tuples
    group: Text | None = None
    columns: Columns = Field(default_factory=dict)
    header: Literal["auto", True, False] = "auto"
    separator: Separator = "auto"
    encoding: Encoding = "auto"
    decimal: Literal["auto", "point", "comma"] = "auto"
    date_order: Literal["auto", "day_first", "month_first"] = "auto"
    missing: MissingTexts = ()
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto"
    scaling: Literal["auto", "standard", "robust", "none"] = "auto"
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    class_weight: Literal["none", "balanced"] = "none"
    synthetic: SyntheticSettings = SyntheticSettings()

    @model_validator(mode="after")
    def _rows_are_left_to_train_on(self) -> "DataSettings":
        if self.validation_fraction + self.test_fraction >= 1:
            raise BrokenRuleError(
                f"data.validation_fraction: {self.validation_fraction} and data.test_fraction: "
                f"{self.test_fraction} leave no rows to train on; their sum must be below 1"
            )
        return self


class HyperModelSettings(Section):
    """Which HyperModel defines the models."""

    name: str = "mlp"


class ConfirmSettings(Section):
    """How many of the best trials are trained again after the search, and how often each."""

    trials: Count | None = None
    executions: Count = 3

    @property
    def trainings(self) -> int:
        """How many there are in all, with folds each on all of those."""
        return (self.trials or 0) * self.executions

    @model_validator(mode="after")
    def _executions_are_of_trials(self) -> "ConfirmSettings":
        default = type(self).model_fields["executions"].default
        if self.trials is None and self.executions != default:
            raise BrokenRuleError(
                f"tuner.confirm.executions: {self.executions} has no effect while "
                "tuner.confirm.trials is null; set tuner.confirm.trials=3 too"
            )
        return self


class TunerSettings(Section):
    """How trials are proposed and repeated."""

    name: str = "random"
    max_trials: Count | Literal["auto"] = "auto"
    initial: Initial = ()
    knowledge: Text | None = None
    executions_per_trial: Count = 1
    folds: Count = 1
    factor: Annotated[int, Field(ge=2)] = 3
    hyperband_iterations: Count = 1
    grid_points: Annotated[int, Field(ge=2)] = 5
    export: Literal["refit", "average"] = "refit"
    confirm: ConfirmSettings = ConfirmSettings()

    @property
    def configurations(self) -> tuple[dict[str, Scalar], ...]:
        """Those of `initial`; once loaded, the ones of a file too."""
        return () if isinstance(self.initial, str) else self.initial

    @model_validator(mode="after")
    def _an_average_has_folds(self) -> "TunerSettings":
        if self.export == "average" and self.folds == 1:
            raise BrokenRuleError(
                "tuner.export: 'average' is of the models of several folds, and tuner.folds: 1 has "
                "one; set tuner.folds=5, or leave tuner.export refit"
            )
        return self


class PrunerSettings(Section):
    """Which trials are not trained to their end."""

    name: str = "none"
    startup_trials: Count = 5
    first_epoch: Count = 5
    factor: Annotated[int, Field(ge=2)] = 3


class ObjectiveSettings(Section):
    """What the search optimises; `auto` takes the task's own."""

    name: Text = "auto"
    direction: Literal["auto", "min", "max"] = "auto"
    threshold: Literal["default", "tuned"] = "default"
    also: Annotated[tuple[Text, ...], Field(strict=False)] = ()  # YAML has lists, not tuples

    @property
    def resolved_direction(self) -> Literal["min", "max"] | None:
        """Which way is better; None while `name` is `auto` and the task decides."""
        if self.name == "auto":
            return None
        return KNOWN_DIRECTIONS[self.name] if self.direction == "auto" else self.direction

    @model_validator(mode="after")
    def _direction_fits_name(self) -> "ObjectiveSettings":
        if self.name == "auto":
            if self.direction != "auto":
                raise BrokenRuleError(
                    f"objective.direction: '{self.direction}' needs objective.name; with "
                    "objective.name: 'auto' the task sets both, so leave the direction auto"
                )
        elif self.name not in KNOWN_DIRECTIONS:
            if self.direction == "auto":
                raise BrokenRuleError(
                    f"objective.direction: 'auto' is not valid with objective.name: "
                    f"'{self.name}'; say min or max.{nearest(self.name, KNOWN_DIRECTIONS)} Only "
                    f"these need no direction: {', '.join(KNOWN_DIRECTIONS)}"
                )
        elif self.direction not in ("auto", KNOWN_DIRECTIONS[self.name]):
            raise BrokenRuleError(
                f"objective.direction: '{self.direction}' is a mistake with objective.name: "
                f"'{self.name}', where '{KNOWN_DIRECTIONS[self.name]}' is better; leave the "
                "direction auto"
            )
        return self


class TrainingSettings(Section):
    """How a trial trains."""

    epochs: Count = 50
    schedule_unit: Literal["epoch", "step"] = "epoch"
    batches: Literal["memory", "stream"] = "memory"
    batch_memory: Annotated[float, Field(gt=0)] = 256.0
    batch_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    early_stopping_baseline: float | None = None
    save_every: Interval = None

    @property
    def save_interval(self) -> tuple[int | None, float | None]:
        """After how many epochs, or seconds, the state of a running trial is saved."""
        if not isinstance(self.save_every, str):
            return self.save_every, None
        return None, float(self.save_every.removesuffix("s"))


class LimitSettings(Section):
    """When a trial, or the search, is given up."""

    minutes: Annotated[float, Field(gt=0)] | None = None
    epochs: Count | None = None
    target: float | None = None
    trials_without_improvement: Count | None = None
    consecutive_failures: Count = 5
    retries: Annotated[int, Field(ge=0)] = 0
    trial_seconds: Annotated[float, Field(gt=0)] | None = None
    parameters: Count | None = None
    divergence: Annotated[float, Field(gt=1)] | None = 1000.0


class RunSettings(Section):
    """Where a run's files go and what is kept of them."""

    directory: Text = "logs"
    name: RunName = "auto"
    engine: Literal["auto", "serial", "process"] = "auto"
    workers: Count | Literal["auto"] = "auto"
    threads: Count = 1
    keep_top: Count = 10
    baselines: bool = True
    tensorboard: Literal["scalars", "full"] = "scalars"

    @property
    def worker_count(self) -> int:
        """How many trials may run at once: by default, one for each processor."""
        if self.workers != "auto":
            return self.workers
        return 1 if self.engine == "serial" else _usable_processors()

    @property
    def resolved_engine(self) -> Literal["serial", "process"]:
        """How trials are run; `auto` needs no processes for one worker."""
        if self.engine != "auto":
            return self.engine
        return "process" if self.worker_count > 1 else "serial"

    @model_validator(mode="after")
    def _serial_is_one_worker(self) -> "RunSettings":
        if self.engine == "serial" and self.workers not in ("auto", 1):
            raise BrokenRuleError(
                f"run.workers: {self.workers} does not go with run.engine: 'serial', which runs "
                "one trial at a time; set run.engine=process, or leave run.workers auto"
            )
        return self


class Config(Section):
    """The whole configuration of one search.

    A hyperparameter that `space` does not name is open: the HyperModel's own range is searched.

    Attributes:
        inherited_space: the names in `space` that come from built-in presets alone. A HyperModel
            that has no such hyperparameter skips them; any other unknown name is a mistake.
        opened_space: names whose inherited value the user took back with `open`. They are not in
            `space`, and a HyperModel that does not have them is a mistake too.
    """

    seed: Annotated[int, Field(ge=0)] = 42
    data: DataSettings = DataSettings()
    hypermodel: HyperModelSettings = HyperModelSettings()
    space: Space = Field(default_factory=dict)
    tuner: TunerSettings = TunerSettings()
    pruner: PrunerSettings = PrunerSettings()
    objective: ObjectiveSettings = ObjectiveSettings()
    training: TrainingSettings = TrainingSettings()
    limits: LimitSettings = LimitSettings()
    run: RunSettings = RunSettings()

    inherited_space: frozenset[str] = Field(default=frozenset(), exclude=True)
    opened_space: frozenset[str] = Field(default=frozenset(), exclude=True)

    @model_validator(mode="after")
    def _the_pruner_has_epochs_to_save(self) -> "Config":
        if self.pruner.name != "none" and self.pruner.first_epoch >= self.training.epochs:
            raise BrokenRuleError(
                f"pruner.first_epoch: {self.pruner.first_epoch} leaves nothing of the "
                f"{self.training.epochs} epochs of a trial (training.epochs) to save; set it "
                "lower, or pruner.name=none"
            )
        return self
