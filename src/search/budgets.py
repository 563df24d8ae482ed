"""When a search has had enough, and how many epochs each trial may have of those that are left."""

import time

from src.config.schema import LimitSettings
from src.records import TrialSpec
from src.search.events import SearchEnd, SearchProgress

ROUNDING = 2.0**-22  # metrics are float32, so that 27 of 30 right is a little less than 0.9


class SearchLimits:
    """Holds a search against `limits.minutes`, `.epochs`, `.target` and
    `.trials_without_improvement`.

    Epochs are shared out so that what each trial gets does not depend on how many run at once: one
    that could not have all that it may need waits until the running ones have given back what they
    left. The trial that has to begin with less is cut short by its allowance.

    Args:
        settings: the section `limits`.
        progress: of the search; its seconds are those of earlier processes.
        shares: whether trials may begin with less than they may need while others run: where rungs
            differ in length, nobody knows what comes next.
    """

    def __init__(
        self, settings: LimitSettings, progress: SearchProgress, *, shares: bool = False
    ) -> None:
        self._settings = settings
        self._progress = progress
        self._shares = shares
        self._sign = 1.0 if progress.objective.direction == "max" else -1.0
        self._began: float | None = None
        self._over: SearchEnd | None = None  # for what does not pass: a target, or idle trials
        self._asked = False
        self._reserved: dict[str, int] = {}  # epochs, by running trial
        self._lost: dict[str, int] = {}  # those of its attempts that failed

    @property
    def stops_trials(self) -> bool:
        """Whether running trials may be ended, so that none should wait for a worker."""
        own = self._settings
        return (own.minutes, own.target, own.trials_without_improvement) != (None, None, None)

    def begin(self) -> None:
        """Starts the clock."""
        self._began = time.monotonic() - self._progress.seconds

    def note_time(self) -> None:
        """Notes in the progress how long the search has taken."""
        if self._began is not None:
            self._progress.seconds = time.monotonic() - self._began

    def stop(self) -> None:
        """Stops the clock: what follows, as the export, is no search, and nothing ends it."""
        self.note_time()
        self._began, self._asked = None, False

    def watch(self) -> None:
        """From now on, trials that run are the search's: `ending` answers."""
        self._asked = True
        self.note_end()

    def ending(self) -> str:
        """Why running trials are to end; empty while they are not. From any thread."""
        end = self._time_is_over() or self._over if self._asked else None
        return "" if end is None else end.reason

    def end(self) -> SearchEnd | None:
        """Why no further trial may start, if so."""
        return self._over or self._time_is_over() or self._epochs_are_used()

    def note_end(self) -> None:
        """Looks at the trials that have ended."""
        self._over = self._over or self._target_is_reached() or self._is_idle()

    def must_wait(self, planned: int) -> bool:
        """Whether a trial has to wait for what running ones may give back.

        Args:
            planned: epochs that it may need.
        """
        if not self._reserved or (left := self._left()) is None:
            return False
        return left < (1 if self._shares else planned)

    def allow(self, spec: TrialSpec) -> int | None:
        """Gives a trial its epochs: as many as it may need, if there are; None without a limit."""
        left = self._left()
        if left is None:
            return None
        self._reserved[spec.trial_id] = allowance = min(spec.planned_epochs, left)
        return allowance

    def leaves(self, spec: TrialSpec, trained: int) -> bool:
        """Whether anything is left for another attempt of a trial that has trained so much."""
        left = self._left()
        return left is None or left + self._reserved[spec.trial_id] > trained

    def allow_again(self, spec: TrialSpec, trained: int) -> int | None:
        """The epochs of a trial's next attempt; None without a limit.

        Args:
            spec: the trial.
            trained: epochs that the attempt trained which has failed.
        """
        self._lost[spec.trial_id] = self._lost.get(spec.trial_id, 0) + trained
        self._reserved.pop(spec.trial_id, None)
        return self.allow(spec)

    def settle(self, trial_id: str) -> int:
        """Takes back what a trial that has ended left, and returns what failed attempts used."""
        self._reserved.pop(trial_id, None)
        return self._lost.pop(trial_id, 0)

    def _used(self) -> int:
        ended = sum(record.result.trained for record in self._progress.records)
        return ended + sum(self._lost.values())

    def _left(self) -> int | None:
        if self._settings.epochs is None:
            return None
        return self._settings.epochs - self._used() - sum(self._reserved.values())

    def _epochs_are_used(self) -> SearchEnd | None:
        most = self._settings.epochs
        if most is None or self._used() < most:
            return None
        return SearchEnd("finished", f"all {most} epochs are used (limits.epochs)", "limits.epochs")

    def _time_is_over(self) -> SearchEnd | None:
        minutes = self._settings.minutes
        if minutes is None or self._began is None:
            return None
        if time.monotonic() - self._began < 60 * minutes:
            return None
        reason = f"{minutes:g} minutes are over (limits.minutes)"
        return SearchEnd("finished", reason, "limits.minutes")

    def _target_is_reached(self) -> SearchEnd | None:
        target = self._settings.target
        if target is None:
            return None
        for record in self._progress.records:
            score = record.result.score
            if score is None or record.ranks_behind:
                continue
            if self._sign * (score - target) < -ROUNDING * abs(target):
                continue
            return SearchEnd(
                "finished",
                f"trial {record.spec.trial_id} has reached the target: "
                f"{self._progress.objective.name} {score:.5g} (limits.target={target:g})",
                "limits.target",
            )
        return None

    def _is_idle(self) -> SearchEnd | None:
        """Looks at the trials in the order of their ids, up to the first that still runs.

        So the search ends with the same trial, however many run at once, where trials do not depend
        on each other. Failed ones count, rejected ones do not.
        """
        most = self._settings.trials_without_improvement
        if most is None:
            return None
        best, idle = float("-inf"), 0
        records = sorted(self._progress.records, key=lambda record: record.spec.trial_id)
        for number, record in enumerate(records):
            if int(record.spec.trial_id) != number:
                break
            if record.result.rejected:
                continue
            score = None if record.ranks_behind else record.result.score
            if score is not None and self._sign * score > best:
                best, idle = self._sign * score, 0
            else:
                idle += 1
            if idle >= most:
                return SearchEnd(
                    "finished",
                    f"{idle} trial{'s' if idle > 1 else ''} in a row, up to "
                    f"{record.spec.trial_id}, brought nothing better "
                    "(limits.trials_without_improvement)",
                    "limits.trials_without_improvement",
                )
        return None


def limits_text(settings: LimitSettings, objective: str) -> str:
    """The limits of the whole search that are set, in words; empty if none is."""
    most = []
    if settings.minutes is not None:
        most.append(f"{settings.minutes:g} minute{'' if settings.minutes == 1 else 's'}")
    if settings.epochs is not None:
        most.append(f"{settings.epochs:,} epochs")
    ends = []
    if settings.target is not None:
        ends.append(f"a trial's {objective} reaches {settings.target:g}")
    if settings.trials_without_improvement is not None:
        count = settings.trials_without_improvement
        plural = "trials in a row bring" if count > 1 else "trial brings"
        ends.append(f"{count} {plural} nothing better")
    parts = [f"at most {', '.join(most)}"] if most else []
    parts += [f"until {' or '.join(ends)}"] if ends else []
    return "; ".join(parts)
