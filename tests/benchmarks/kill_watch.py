"""Sees from the files of a run what its search is doing, and waits for the moment of a kill."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from src.store.run_directory import RunDirectory
from tests.benchmarks.kill_plan import Kill

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
        self._seen = _stamp(run.snapshot)
        self._files = self._trial_files()

    @property
    def searching(self) -> bool:
        """Whether this attempt has got as far as its first snapshot."""
        return _stamp(self._run.snapshot) != self._seen

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
        state = self._state()
        if state.get("end", {}).get("kind") == "finished":
            return "export"
        ended = {record["trial_id"] for record in state.get("records", [])}
        running = {match[1] for path in self._trial_files() if (match := _TRIAL_FILE.search(path))}
        return "in a trial" if running - ended else "between trials"

    def _moment(self, kill: Kill) -> Callable[[], bool]:
        if kill.phase == "export":
            return lambda: self.phase() == "export"
        if kill.phase == "in a trial":
            before = self._trial_files()
            return lambda: self.searching and len(self._trial_files() - before) >= kill.events
        ended: list[int] = []  # how many had, when this attempt had begun

        def reached() -> bool:
            if not self.searching:
                return False
            count = len(self._state().get("records", []))
            ended.append(count)
            return count >= ended[0] + kill.events

        return reached

    def _trial_files(self) -> set[str]:
        return {str(path) for path in self._run.tensorboard.rglob("*.trial*")}

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._run.snapshot.read_bytes())["state"]
        except (OSError, ValueError):
            return {}
        return state


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
