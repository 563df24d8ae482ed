"""Why a trial fails that did not raise, in words that tell a user what to do."""

from src.config.schema import LimitSettings


class TrialFailedError(Exception):
    """A trial is given up; the message is the reason."""


class RejectedError(TrialFailedError):
    """A trial is not run because a limit of the user's forbids it."""


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
    """The reason of a trial for which there was not enough memory.

    Args:
        batch_size: rows of a step.
        parameters: of its model; 0 if that could not be built.
    """
    size = f"{parameters:,} parameters" if parameters else "a model that could not be built"
    return f"out of memory, with batch size {batch_size:,} and {size}"
