"""How long a search will go on, learned from the trials that have ended."""

from collections.abc import Mapping

REMEMBERED = 20  # trials: what Hyperband's later rungs take says little of its first


class TimeLeft:
    """Estimates the time left from what the last trials took.

    Args:
        workers: trials at once; as many as were seen at once, where that is more.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._seconds: list[float] = []

    def note_end(self, seconds: float) -> None:
        """A trial has ended that took so long."""
        self._seconds = [*self._seconds[1 - REMEMBERED :], seconds]

    def estimate(self, left: int | None, running: Mapping[int, float]) -> float | None:
        """Seconds until the last trial ends; None as long as nobody can tell.

        Args:
            left: trials that have not ended, those that run included; None if not known.
            running: seconds since each of those that run began, by worker.
        """
        self.workers = max(self.workers, len(running))
        if left is None or not self._seconds:
            return None
        each = sum(self._seconds) / len(self._seconds)
        begun = sum(min(seconds, each) for seconds in running.values())
        work = max(left * each - begun, 0.0)
        last = max((each - seconds for seconds in running.values()), default=0.0)
        return max(work / min(self.workers, max(left, 1)), last, 0.0)


def in_words(seconds: float | None) -> str:
    """`1:05:09`, `5:09`, or `–`."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
