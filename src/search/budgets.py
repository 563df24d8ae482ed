"""The limits of a search: when it ends, and how many epochs each trial may train."""

import time

from src.config.schema import LimitSettings
from src.messages import SearchEnd
from src.records import TrialRecord, TrialSpec
from src.search.progress import SearchProgress

ROUNDING = 2.0**-22  # metrics are float32: 27 of 30 right is a little less than 0.9


class SearchBudgets:
    """Checks the limits of the whole search.

    The epochs that a trial gets do not depend on how many trials run at once: a trial that might
    need more epochs than are left waits until running trials return what they did not use. The
    last trial may begin with fewer, and ends when its epoch budget is used.

    Where the tuner has rungs, nobody knows how many epochs the next trial needs, and it begins with
    what is left while others run.
    """

    def __init__(
        self, settings: LimitSettings, progress: SearchProgress, *, has_rungs: bool = False
    ) -> None:
        self._settings, self._progress, self._has_rungs = settings, progress, has_rungs
        self._sign = 1.0 if progress.objective.direction == "max" else -1.0
        self._began: float | None = None  # None while the clock stands
        self._reached: SearchEnd | None = None  # the target, or too many trials without improvement
        self._reserved: dict[str, int] = {}  # epochs, by running trial
        self._waiting: dict[int, TrialRecord] = {}  # by number; see `_count_idle`
        self._seen = self._idle = 0
        self._best = float("-inf")

    @property
    def ends_trials(self) -> bool:
        """Whether running trials may be ended, so that none should wait for a worker."""
        own = self._settings
        return (own.minutes, own.target, own.trials_without_improvement) != (None, None, None)

    def start(self) -> None:
        """Starts the clock; from now on `trial_end_reason` answers."""
        self._began = time.monotonic() - self._progress.seconds

    def update_seconds(self) -> None:
        """Updates `progress.seconds`."""
        if self._began is not None:
            self._progress.seconds = time.monotonic() - self._began

    def stop(self) -> None:
        """Stops the clock: what follows, such as the export, is not limited."""
        self.update_seconds()
        self._began = None

    def trial_end_reason(self) -> str:
        """Why running trials are to end; empty if they are not. May be called from any thread."""
        end = self._time_is_over() or self._reached if self._began is not None else None
        return "" if end is None else end.reason

    def end(self) -> SearchEnd | None:
        """Why no further trial may start, if so."""
        return self.failing() or self._reached or self._time_is_over() or self._epochs_are_used()

    def failing(self) -> SearchEnd | None:
        """The end of a search in which too many trials in a row failed, if they did."""
        most = self._settings.consecutive_failures
        if self._progress.consecutive_failures < most:
            return None
        return SearchEnd("failing", f"{most} trials in a row failed (limits.consecutive_failures)")

    def add(self, record: TrialRecord) -> None:
        """Takes a trial that has ended into account."""
        self._waiting[record.spec.number] = record
        self._reached = self._reached or self._target_is_reached(record) or self._count_idle()

    def must_wait(self, planned: int) -> bool:
        """Whether a trial that may need so many epochs waits for what running trials may return."""
        if not self._reserved or (left := self._epochs_left()) is None:
            return False
        return left < (1 if self._has_rungs else planned)

    def reserve(self, spec: TrialSpec) -> int | None:
        """Reserves and returns the epoch budget of a trial; None without a limit."""
        left = self._epochs_left()
        if left is None:
            return None
        self._reserved[spec.trial_id] = budget = min(spec.planned_epochs, left)
        return budget

    def release(self, trial_id: str) -> None:
        """Releases what a trial reserved."""
        self._reserved.pop(trial_id, None)

    def _epochs_left(self) -> int | None:
        if self._settings.epochs is None:
            return None
        return self._settings.epochs - self._progress.epochs - sum(self._reserved.values())

    def _epochs_are_used(self) -> SearchEnd | None:
        most = self._settings.epochs
        if most is None or self._progress.epochs < most:
            return None
        return _finished(f"all {most} epochs are used", "limits.epochs")

    def _time_is_over(self) -> SearchEnd | None:
        minutes, began = self._settings.minutes, self._began
        if minutes is None or began is None or time.monotonic() - began < 60 * minutes:
            return None
        return _finished(f"{minutes:g} minutes are over", "limits.minutes")

    def _target_is_reached(self, record: TrialRecord) -> SearchEnd | None:
        target, score = self._settings.target, record.result.score
        if target is None or score is None or not record.comparable:
            return None
        if self._sign * (score - target) < -ROUNDING * abs(target):
            return None
        reason = (
            f"trial {record.spec.trial_id} has reached the target: "
            f"{self._progress.objective.name} {score:.5g}"
        )
        return _finished(reason, "limits.target", f"={target:g}")

    def _count_idle(self) -> SearchEnd | None:
        """Counts trials without improvement in the order of their ids, up to the first that runs.

        So the same trial ends the search, however many trials run at once. Failed trials count,
        rejected ones do not.
        """
        most = self._settings.trials_without_improvement
        while (record := self._waiting.pop(self._seen, None)) is not None:
            self._seen += 1
            if record.result.rejected:
                continue
            score = record.result.score if record.comparable else None
            if score is not None and self._sign * score > self._best:
                self._best, self._idle = self._sign * score, 0
            else:
                self._idle += 1
            if most is not None and self._idle >= most:
                trials = f"{self._idle} trial{'s' if self._idle > 1 else ''} in a row"
                reason = f"{trials}, up to {record.spec.trial_id}, brought no improvement"
                return _finished(reason, "limits.trials_without_improvement")
        return None


def _finished(reason: str, setting: str, value: str = "") -> SearchEnd:
    return SearchEnd("finished", f"{reason} ({setting}{value})", setting)
