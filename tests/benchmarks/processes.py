"""Runs commands and watches the memory of their whole process tree, from Linux's `/proc`."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
REPOSITORY = Path(__file__).resolve().parents[2]
MEGABYTE = 2**20
SAMPLE_SECONDS = 0.5  # reading the memory maps of a process takes some milliseconds of its time


class CommandError(Exception):
    """A command that ended with an exit status other than 0; its message has the last output."""


@dataclass(frozen=True)
class Finished:
    """A command that has ended well.

    Attributes:
        seconds: from its start to its end.
        output: what it wrote to standard output.
        peak_rss: most resident bytes of all its processes together; shared pages count in each.
        peak_pss: the same with shared pages shared out: what the machine needs. None, as is
            `peak_rss`, where there is no `/proc`.
    """

    seconds: float
    output: str
    peak_rss: int | None
    peak_pss: int | None


def run_python(arguments: Sequence[str], checkout: Path = REPOSITORY) -> Finished:
    """Runs this Python in the repository, or another checkout of it, and waits for its end.

    Raises:
        CommandError: if it fails.
    """
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=checkout,
            env=environment,
            stdout=output,
            stderr=errors,
        )
        with _PeakMemory(process.pid) as peak:
            status = process.wait()
            seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        if status != 0:
            last = "\n".join(errors.read().splitlines()[-15:])
            command = " ".join(["python", *arguments])
            raise CommandError(f"{command}\nended with exit status {status}:\n{last}")
        return Finished(seconds, output.read(), peak.rss, peak.pss)


def descendants(pid: int) -> list[int]:
    """The processes that `pid` and its descendants have started and that still run, sorted."""
    children: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything; state and parent follow it.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        children.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        started = children.get(waiting.pop(), [])
        found += started
        waiting += started
    return sorted(found)


def session(leader: int) -> dict[int, str]:
    """The processes of a session that still run, with their command lines."""
    found = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            state, _, _, owner = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue  # it has ended
        if int(owner) == leader and state != "Z":
            found[int(folder.name)] = command
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of one process; 0 if it has ended."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def proportional_bytes(pid: int) -> int:
    """Memory of one process, pages shared with others counted in part; 0 if it has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


class _PeakMemory:
    """Samples the memory of a process tree in a thread while the `with` block runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.rss: int | None = None
        self.pss: int | None = None

    def __enter__(self) -> "_PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while PROC.is_dir() and not self._done.wait(SAMPLE_SECONDS):
            pids = [self._pid, *descendants(self._pid)]
            self.rss = _larger(self.rss, map(resident_bytes, pids))
            self.pss = _larger(self.pss, map(proportional_bytes, pids))


def _larger(peak: int | None, sizes: Iterable[int]) -> int:
    return max(peak or 0, sum(sizes))
