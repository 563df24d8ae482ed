"""Sees from the files of a run what its search is doing, and waits for the moment of a kill."""

import re
import time
from collections.abc import Callable

from src.store.run_directory import RunDirectory
from tests.benchmarks.kill_plan import Kill
from tests.benchmarks.state import end_kind, ended, stamp

WAIT_SECONDS = 600.0  # for anything that must happen; a busy machine needs some of it
POLL_SECONDS = 0.002
_TRIAL_FILE = re.compile(r"\.trial(\d+)$")


class Watcher:
    """Of one attempt, which begins now.

    Args:
        run: the run's folder; need not be there yet.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._seen = stamp(run)

    @property
    def searching(self) -> bool:
        """Whether this attempt has got as far as its first state."""
        return stamp(self._run) != self._seen

    def wait_for(self, kill: Kill, alive: Callable[[], bool]) -> bool:
        """Waits for the moment of a kill; whether it came while the command ran."""
        deadline = time.monotonic() + WAIT_SECONDS
        if kill.phase != "start-up":
            reached = self._moment(kill)
            while not reached():
                if not alive() or time.monotonic() > deadline:
                    return False
                time.sleep(POLL_SECONDS)
        until = time.monotonic() + kill.delay
        while time.monotonic() < until:
            if not alive():
                return False
            time.sleep(POLL_SECONDS)
        return alive()

    def phase(self) -> str:
        """What the search was doing when it was killed."""
        if not self.searching:
            return "start-up"
        if end_kind(self._run) == "finished":
            return "export"
        running = {match[1] for path in self._trial_files() if (match := _TRIAL_FILE.search(path))}
        return "in a trial" if running - ended(self._run) else "between trials"

    def _moment(self, kill: Kill) -> Callable[[], bool]:
        if kill.phase == "export":
            return lambda: self.phase() == "export"
        if kill.phase == "in a trial":
            before = self._trial_files()
            return lambda: self.searching and len(self._trial_files() - before) >= kill.events
        counts: list[int] = []  # of trials that had ended; the first when this attempt had begun

        def reached() -> bool:
            if not self.searching:
                return False
            counts.append(len(ended(self._run)))
            return counts[-1] >= counts[0] + kill.events

        return reached

    def _trial_files(self) -> set[str]:
        return {str(path) for path in self._run.tensorboard.rglob("*.trial*")}
