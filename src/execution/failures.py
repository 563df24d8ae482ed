"""Why a trial fails without an exception of its own, in words that tell a user what to do."""

import time

from src.config.schema import LimitSettings
from src.records import Epochs, TrialResult


class TrialFailedError(Exception):
    """A trial is given up; the message is the reason."""


class RejectedError(TrialFailedError):
    """A trial is not run because its model is larger than `limits.parameters`."""


def check_parameters(parameters: int, limits: LimitSettings) -> None:
    """Raises `RejectedError` for a model with more parameters than `limits.parameters`."""
    if limits.parameters is not None and parameters > limits.parameters:
        raise RejectedError(
            f"rejected: {parameters:,} parameters, more than limits.parameters={limits.parameters}"
        )


def too_slow(limits: LimitSettings) -> str:
    """The reason of a trial that took longer than `limits.trial_seconds`."""
    return f"took longer than limits.trial_seconds={limits.trial_seconds:g}"


def out_of_memory(batch_size: int, parameters: int) -> str:
    """The reason of a trial for which there was not enough memory; 0 parameters for no model."""
    size = f"{parameters:,} parameters" if parameters else "a model that could not be built"
    return f"out of memory, with batch size {batch_size:,} and {size}"


def failed_result(
    reason: str,
    started: float,
    worker: int,
    traceback: str = "",
    history: Epochs = (),
    parameters: int = 0,
) -> TrialResult:
    """The result of a trial that began at `started` (seconds since 1970), whose worker gave none.

    `history` and `parameters` are what is known of it.
    """
    return TrialResult(
        status="FAILED",
        fits=(),
        reason=reason,
        traceback=traceback,
        history=history,
        parameters=parameters,
        started=started,
        seconds=time.time() - started,
        worker=str(worker),
        trained=len(history),
    )
