"""Runs the command, kills it at chosen moments, resumes it until its search ends: one campaign."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from src.store.run_directory import RunDirectory
from tests.benchmarks.kill_plan import SEARCHES, SETTINGS, SIGNALS, WORKERS, Kill
from tests.benchmarks.kill_watch import WAIT_SECONDS, Watcher
from tests.benchmarks.processes import PROC, REPOSITORY, descendants, session
from tests.benchmarks.twins import differences, trial_count

END_SECONDS = 30.0  # for processes whose parent was killed

MOST_LEFT = 1_000_000  # bytes in the temporary folder: never rows


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
            # A killed process leaves its sockets, or the network that its rehearsal exports.
            left = sum(p.stat().st_size for p in self._temporary.rglob("*") if p.is_file())
            if left > MOST_LEFT:
                raise CampaignError(f"{left:,} bytes are left in the temporary folder")

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
        watcher = Watcher(self._run)
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
        if status == 130 and self._run.lock.read_text():
            self.report.problems.append(f"{target} ({phase}) leaves search.lock held")

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


def _is_server(pid: int) -> bool:
    """Whether a process is the fork server itself, and not one that it has forked."""
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes()
        parent = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1]
        above = (PROC / parent / "cmdline").read_bytes()
    except OSError:
        return False
    return b"forkserver" in command and b"forkserver" not in above
