"""Messages between workers, the search and its listeners: progress, requests, the end."""

from dataclasses import dataclass, field
from typing import Literal

from src.records import Epochs


@dataclass(frozen=True)
class TrialProgress:
    """How far a running trial is.

    Attributes:
        worker: index of the worker that runs it.
        trial_id: the trial.
        fit: the execution and fold that is trained, counted from 1.
        fits: how many fits the trial has.
        epoch: epochs trained in this fit.
        epochs: the epoch to train up to.
        batch_size: rows of a step.
        parameters: of the model.
        learning_rate: of the last epoch; None before the first.
        value: the objective after the last epoch; None before the first.
        rows: history of the epochs since the last report.
    """

    worker: int
    trial_id: str
    fit: int
    fits: int
    epoch: int
    epochs: int
    batch_size: int = 0
    parameters: int = 0
    learning_rate: float | None = None
    value: float | None = None
    rows: Epochs = field(default=(), repr=False)


@dataclass(frozen=True)
class EndTrial:
    """Asks a worker to end its trial with the epochs that it has trained.

    Attributes:
        trial_id: the trial; the request is ignored when another trial runs by then.
        reason: why.
    """

    trial_id: str
    reason: str


@dataclass(frozen=True)
class SearchEnd:
    """Why a search stopped.

    Attributes:
        kind: `finished`, `failing` (too many failures in a row, or a full disk) or `interrupted`.
        reason: the same as a sentence.
        setting: the key whose value ended a finished search, and with another value would let it
            continue; empty if no setting did.
    """

    kind: Literal["finished", "failing", "interrupted"]
    reason: str
    setting: str = ""
