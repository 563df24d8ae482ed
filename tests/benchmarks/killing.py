"""Runs the command, kills it at chosen moments, resumes it until its search ends: one campaign."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.run_directory import RunDirectory
from tests.benchmarks.processes import PROC, REPOSITORY, descendants, session
from tests.benchmarks.twins import differences, trial_count

PHASES = ("start-up", "between trials", "in a trial", "export")
LONGEST_DELAY = {"start-up": 7.0, "between trials": 0.03, "in a trial": 0.5, "export": 0.8}  # s
SETTINGS = (
    *("data.source=iris", "training.epochs=4", "space.dropout=0.3", "tuner.max_trials=8"),
    *("space.layers=1", "space.units={min: 4, max: 16}", "space.activation=relu"),
)
GRID = (
    *("tuner.grid_points=3", "space.normalization=none", "space.optimizer=adam"),
    *("space.batch_size=[32, 64]", "space.schedule=[constant, cosine]"),
)
FEW = (  # hyperparameters, as the Gaussian process takes minutes of a processor for many
    *("space.normalization=none", "space.optimizer=adam", "space.batch_size=32"),
    "space.schedule=constant",
)
SEARCHES = {
    "random": ("tuner.name=random", "run.engine=process", "run.workers=1"),
    "bayesian": ("tuner.name=bayesian", *FEW, "run.engine=process", "run.workers=1"),
    "hyperband": ("tuner.name=hyperband", "run.engine=process", "run.workers=1"),
    "grid": ("tuner.name=grid", *GRID, "run.engine=process", "run.workers=1"),
    "random, 2 workers": ("tuner.name=random", "run.workers=2"),
    "grid, 2 workers": ("tuner.name=grid", *GRID, "run.workers=2"),
    "random, serial": ("tuner.name=random", "run.engine=serial"),
    "bayesian, serial": ("tuner.name=bayesian", *FEW, "run.engine=serial"),
    "hyperband, serial": ("tuner.name=hyperband", "run.engine=serial"),
    "grid, serial": ("tuner.name=grid", *GRID, "run.engine=serial"),
}
"""What a campaign searches, by name."""

WORKERS = ("worker", "fork server")  # a search survives their death
SIGKILLS = ("parent", "group", *WORKERS)
SIGNALS = {"SIGINT": "group", "SIGTERM": "parent", "SIGHUP": "group"}  # as they come in life
WAIT_SECONDS = 600.0  # for anything that must happen; a busy machine needs some of it
END_SECONDS = 30.0  # for processes whose parent was killed
POLL_SECONDS = 0.002
_TRIAL_FILE = re.compile(r"\.trial(\d+)$")


@dataclass(frozen=True)
class Kill:
    """A kill that is planned.

    Attributes:
        target: who is killed: one of `SIGKILLS` by that signal, or one of `SIGNALS`.
        phase: what the search is to be doing; one of `PHASES`.
        events: how many events of that phase to wait for: trials begun, or ended.
        delay: seconds after that.
        rival: whether a second command tries to search in the run meanwhile.
    """

    target: str
    phase: str
    events: int
    delay: float
    rival: bool = False


def plan(
    rng: random.Random, kills: int, engine: str, *, export: bool = True, rival: bool = True
) -> list[Kill]:
    """Plans the kills of a campaign; those in the export come last.

    Args:
        rng: chooses.
        kills: how many.
        engine: `serial`, which has neither workers nor a fork server, or `process`.
        export: whether to kill in the export as well.
        rival: whether one of them is accompanied by a second command.
    """
    targets = ["parent", "group", *SIGNALS]
    if engine == "process":
        targets += ["worker", "worker", "fork server"]
    rng.shuffle(targets)
    phases = ["in a trial", "between trials", "start-up", "in a trial"]
    if export:
        phases.append("export")
    planned = []
    for number in range(kills):
        phase = phases[number % len(phases)]
        target = targets[number % len(targets)]
        if target in WORKERS and phase in ("start-up", "export"):
            target = rng.choice(("parent", "group"))  # no trial runs there
        events = 1 if phase in ("start-up", "export") else rng.choice((1, 1, 2))
        delay = rng.uniform(0.0, LONGEST_DELAY[phase])
        planned.append(Kill(target, phase, events, delay, rival and number == 0))
    return sorted(planned, key=lambda kill: kill.phase == "export")


@dataclass
class Report:
    """What a campaign came to.

    Attributes:
        name: of the search.
        kills: target and phase of each kill that took place; the phase is what was found then.
        resumes: how often the search was resumed.
        anew: how often it was killed before there was anything to resume, and began anew.
        rivals: how many second commands were refused.
        trials: compared with the twin's.
        problems: what was not as promised; empty if all was.
    """

    name: str
    kills: list[tuple[str, str]] = field(default_factory=list)
    resumes: int = 0
    anew: int = 0
    rivals: int = 0
    trials: int = 0
    problems: list[str] = field(default_factory=list)


class Campaign:
    """One search that is killed again and again, and its twin that is not.

    Args:
        name: one of `SEARCHES`.
        settings: overrides for both.
        kills: planned.
        folder: where both run; their temporary files go there as well.
    """

    def __init__(
        self, name: str, settings: Sequence[str], kills: Sequence[Kill], folder: Path
    ) -> None:
        self.report = Report(name)
        self._settings = [*SETTINGS, *SEARCHES[name], *settings, "run.name=run"]
        self._kills = list(kills)
        self._folder = folder
        self._run = RunDirectory(folder / "killed" / "run")
        self._twin = RunDirectory(folder / "twin" / "run")
        self._temporary = folder / "tmp"
        self._temporary.mkdir(parents=True)
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self) -> Report:
        """Runs the twin, then the search with all its kills, and compares."""
        self.run_twin()
        self.run_killed()
        self.compare()
        return self.report

    @property
    def twin_settings(self) -> list[str]:
        """Overrides over the preset `quick` with which to run the twin elsewhere."""
        return [*self._settings, f"run.directory={self._twin.path.parent}"]

    def run_twin(self) -> None:
        """Runs the search that nobody touches."""
        with self._noting_problems():
            process = self._start(self._begin(self._twin))
            status = self._wait(process, "the twin")
            if status != 0:
                raise CampaignError(f"the twin's exit status is {status}: {self._output()}")

    def run_killed(self) -> None:
        """Runs the search with all its kills to its end."""
        with self._noting_problems():
            arguments = self._begin(self._run)
            while (status := self._attempt(arguments)) != 0:
                arguments = self._following(status)
            left = [path.name for path in self._temporary.iterdir()]
            if left:
                raise CampaignError(f"left in the temporary folder: {', '.join(left)}")

    def compare(self) -> None:
        """Compares the two, once both have ended."""
        if self._run.trials_table.exists() and self._twin.trials_table.exists():
            self.report.problems += differences(self._run, self._twin)
            self.report.trials = trial_count(self._twin)

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        try:
            yield
        except CampaignError as error:
            self.report.problems.append(str(error))
        finally:
            for process in self._processes:  # whatever went wrong, nothing is left running
                for pid in session(process.pid):
                    os.kill(pid, signal.SIGKILL)
            self._processes.clear()

    def _begin(self, run: RunDirectory) -> list[str]:
        start = [sys.executable, "-m", "src.tune", "--config", "quick"]
        return [*start, *self._settings, f"run.directory={run.path.parent}"]

    def _following(self, status: int) -> list[str]:
        """The command to go on with."""
        if not self._resumable:
            self.report.anew += 1
            if self._run.path.exists():  # or the search would be resumable
                shutil.rmtree(self._run.path)
            return self._begin(self._run)
        self.report.resumes += 1
        printed = re.findall(r"^\s*(\S*python.* --resume .*?)\s*$", self._output(), re.MULTILINE)
        if status == 130 and printed:
            return shlex.split(printed[-1])
        return [sys.executable, "-m", "src.tune", "--resume", str(self._run.path)]

    @property
    def _resumable(self) -> bool:
        return self._run.config.exists()

    def _attempt(self, arguments: Sequence[str]) -> int:
        """Runs the command until it ends or is killed; returns its exit status."""
        watcher = _Watcher(self._run)
        process = self._start(arguments)
        spared = False  # each trial has two attempts, so the next kill must end the parent
        while process.poll() is None:
            kills = (kill for kill in self._kills if not (spared and kill.target in WORKERS))
            kill = next(kills, None)
            if kill is None or not watcher.wait_for(kill, lambda: process.poll() is None):
                break  # what is left is for another attempt, if there will be one
            if kill.rival and watcher.searching:
                self._rival(process)
            before = watcher.phase()
            if not self._strike(process, kill.target):
                self._kills.remove(kill)  # there was nobody
                continue
            if kill.target in WORKERS:
                spared = True
                self._kills.remove(kill)
                self.report.kills.append((kill.target, watcher.phase()))
                continue
            status = self._wait(process, f"a search after {kill.target}")
            if status == 0:
                break  # it came too late
            self._kills.remove(kill)
            # What a signal stops goes on for a while, and tidies up.
            phase = before if kill.target in SIGNALS else watcher.phase()
            self.report.kills.append((kill.target, phase))
            self._check_end(kill.target, status, phase)
            return status
        status = self._wait(process, "a search that is left alone")
        if status != 0:
            raise CampaignError(f"{shlex.join(arguments)}: status {status}: {self._output()}")
        return status

    def _strike(self, process: "subprocess.Popen[bytes]", target: str) -> bool:
        """Kills; whether there was anyone to kill."""
        try:
            if target in SIGNALS:
                number = signal.Signals[target]
                if SIGNALS[target] == "group":
                    os.killpg(process.pid, number)
                else:
                    process.send_signal(number)
            elif target == "parent":
                process.kill()
            elif target == "group":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                servers = [pid for pid in descendants(process.pid) if _is_server(pid)]
                below = {pid for server in servers for pid in descendants(server)}
                victims = sorted(below) if target == "worker" else servers
                if not victims:
                    return False
                os.kill(victims[0], signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _check_end(self, target: str, status: int, phase: str) -> None:
        """Notes what a killed search must not do."""
        if target not in SIGNALS:
            allowed = {-signal.SIGKILL}
        elif phase == "start-up":  # perhaps before the program has said what to do with them
            allowed = {130, -signal.Signals[target]}
        else:
            allowed = {130}
        if status not in allowed:
            self.report.problems.append(
                f"after {target} ({phase}) the exit status is {status}: {self._output()}"
            )
        if status == 130 and self._resumable and "--resume" not in self._output():
            self.report.problems.append(
                f"after {target} ({phase}) no resume command is printed: {self._output()}"
            )
        if status == 130 and self._run.lock.exists():
            self.report.problems.append(f"{target} ({phase}) leaves search.lock")

    def _rival(self, process: "subprocess.Popen[bytes]") -> None:
        """A second search in the run is refused, even while the first one sleeps."""
        command = [sys.executable, "-m", "src.tune", "--resume", str(self._run.path)]
        os.killpg(process.pid, signal.SIGSTOP)
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        os.killpg(process.pid, signal.SIGCONT)
        if done.returncode == 2 and "another process searches in this run" in done.stderr:
            self.report.rivals += 1
        else:
            self.report.problems.append(f"a rival got status {done.returncode}: {done.stderr}")

    def _start(self, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        environment = os.environ | {"TMPDIR": str(self._temporary), "COLUMNS": "400"}
        with (self._folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                arguments,
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _wait(self, process: "subprocess.Popen[bytes]", what: str) -> int:
        """Waits for the end of a command and of all that it has started."""
        try:
            status = process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CampaignError(f"{what} does not end: {self._output()}") from error
        deadline = time.monotonic() + END_SECONDS
        while left := session(process.pid):
            if time.monotonic() > deadline:
                raise CampaignError(f"{what} leaves processes: {left}")
            time.sleep(0.02)
        return status

    def _output(self) -> str:
        """What the last command has printed."""
        return (self._folder / "output.txt").read_text(errors="replace")


class CampaignError(Exception):
    """A campaign that cannot go on; its message says why."""


class _Watcher:
    """Sees from a run's files what its search is doing."""

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


def _is_server(pid: int) -> bool:
    """Whether a process is the fork server itself, and not one that it has forked."""
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes()
        parent = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1]
        above = (PROC / parent / "cmdline").read_bytes()
    except OSError:
        return False
    return b"forkserver" in command and b"forkserver" not in above


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
