"""What a snapshot must look like, however it came to be: files are edited, mixed up, made up.

A checksum tells that a file is as it was written, not that this program wrote it. Ids become parts
of paths, so that here they are checked before anything else is done with them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

TrialId = Annotated[str, Field(pattern=r"^[0-9]{4,9}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | int | float | str


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Values(_Part):
    values: dict[str, Scalar]


class _Trial(_Part):
    trial_id: TrialId
    hyperparameters: _Values
    metrics: dict[str, Any]
    score: Finite | None
    best_step: Count | None
    status: Literal["RUNNING", "COMPLETED", "FAILED"]
    message: str | None

    @model_validator(mode="after")
    def _scored(self) -> "_Trial":
        if (self.score is not None) != (self.status == "COMPLETED"):
            raise ValueError(f"trial {self.trial_id} is {self.status} with score {self.score}")
        return self


class _Fit(_Part):
    execution: Count
    fold: Count
    score: Finite
    best_epoch: Count
    epochs: Count
    metrics: dict[str, float]
    weights: Count | None = None
    state: Count | None = None


class _Result(_Part):
    status: Literal["COMPLETED", "FAILED"]
    fits: list[_Fit]
    reason: str
    traceback: str
    parameters: Count
    started: Annotated[Finite, Field(ge=0, lt=1e11)]  # what a date can show
    seconds: Annotated[Finite, Field(ge=0, lt=1e11)]
    worker: str
    rejected: bool
    attempt: Count
    cut: Literal["pruned", "ended"] | None
    trained: Count

    @model_validator(mode="after")
    def _fitted(self) -> "_Result":
        if self.status == "COMPLETED" and not self.fits:
            raise ValueError("a trial completed without a fit")
        if self.cut is not None and (self.status == "FAILED" or not self.reason):
            raise ValueError(f"a trial that is {self.status} was {self.cut} for no reason")
        if any(fit.metrics.keys() != self.fits[0].metrics.keys() for fit in self.fits):
            raise ValueError("the fits of a trial have other metrics each")
        return self


class _Confirmation(_Part):
    executions: Annotated[int, Field(ge=1)]
    fits: list[_Fit]
    seconds: Annotated[Finite, Field(ge=0, lt=1e11)]
    reason: str
    histories: dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Count]

    @model_validator(mode="after")
    def _logged(self) -> "_Confirmation":
        if {str(fit.execution) for fit in self.fits} != self.histories.keys():
            raise ValueError("the trainings that confirm a trial and their epochs do not agree")
        return self


class _Record(_Part):
    trial_id: TrialId
    result: _Result
    history: Count
    confirmation: _Confirmation | None

    @model_validator(mode="after")
    def _apart(self) -> "_Record":
        own = {fit.execution for fit in self.result.fits}
        later = self.confirmation.fits if self.confirmation is not None else []
        if any(fit.execution in own for fit in later):
            raise ValueError(f"trial {self.trial_id} is confirmed by a training of its own")
        return self


class _Head(_Part):
    fingerprint: str
    config: dict[str, Any]
    config_text: str
    identity: dict[str, Any]
    versions: dict[str, str]


class _End(_Part):
    kind: str = ""
    reason: str = ""
    setting: str = ""


class _Export(_Part):
    trial_id: TrialId
    confirmed: Count
    files: dict[str, Count]


class _State(_Part):
    head: _Head
    end: _End
    exported: _Export | None
    oracle: dict[str, Any]
    trials: list[_Trial]
    records: list[_Record]
    seconds: Annotated[Finite, Field(ge=0, lt=1e11)]

    @model_validator(mode="after")
    def _agrees(self) -> "_State":
        ids = [trial.trial_id for trial in self.trials]
        if ids != [f"{number:04d}" for number in range(len(ids))]:
            raise ValueError("the ids of the trials do not count from 0000")
        status = {trial.trial_id: trial.status for trial in self.trials}
        ended = {record.trial_id: record.result.status for record in self.records}
        found = {name: state for name, state in status.items() if state != "RUNNING"}
        if len(ended) != len(self.records) or ended != found:
            raise ValueError("trials and results do not agree which have ended, and how")
        for trial in self.trials:
            parent = trial.hyperparameters.values.get("tuner/trial_id")
            if parent is not None and (
                not isinstance(parent, str) or parent >= trial.trial_id or parent not in ended
            ):
                raise ValueError(f"trial {trial.trial_id} continues {parent}")
        if self.exported is not None and self.exported.trial_id not in ended:
            raise ValueError("the exported trial has not ended")
        return self


def problem_in(state: Any) -> str:
    """What is wrong with a snapshot's state, in a few words; empty if nothing is."""
    try:
        _State.model_validate(state)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg']}" if place else first["msg"]
    return ""
