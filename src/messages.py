"""Messages between workers, the search and its listeners: progress, requests, the end."""

from dataclasses import dataclass, field
from typing import Literal

from src.records import Epochs


@dataclass(frozen=True)
class TrialProgress:
    """How far a running trial is."""

    worker: int  # index of the worker that runs it
    trial_id: str  # the trial
    fit: int  # the execution and fold that is trained, counted from 1
    fits: int  # how many fits the trial has
    epoch: int  # epochs trained in this fit
    epochs: int  # the epoch to train up to
    batch_size: int = 0  # rows of a step
    parameters: int = 0  # of the model
    learning_rate: float | None = None  # of the last epoch; None before the first
    value: float | None = None  # the objective after the last epoch; None before the first
    rows: Epochs = field(default=(), repr=False)  # history of the epochs since the last report


@dataclass(frozen=True)
class EndTrial:
    """Asks a worker to end its trial with the epochs that it has trained."""

    trial_id: str  # the request is ignored when another trial runs by then
    reason: str  # why


@dataclass(frozen=True)
class SearchEnd:
    """Why a search stopped."""

    # `failing` is for too many failures in a row, or a full disk.
    kind: Literal["finished", "failing", "interrupted"]
    reason: str  # the same as a sentence
    # The key whose value ended a finished search, and with another value would let it continue;
    # empty if no setting did.
    setting: str = ""
