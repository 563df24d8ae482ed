"""The terminal and the log show a search as it runs: in a terminal, in a file, in a notebook."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner as kt
import pytest
from rich.console import Console

from src.console.listener import ConsoleListener
from src.console.log import LogListener
from src.messages import SearchEnd, TrialProgress
from src.records import FitResult, Objective, Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory


def ended(trial_id: str, *scores: float, reason: str = "", **more: Any) -> TrialRecord:
    """A trial with a score for each of its executions; without one, it failed."""
    spec = TrialSpec(trial_id, trial_id, None, {"space": [], "values": {}}, 0, 50)
    fits = tuple(FitResult(n, 0, score, 4, 9, {}) for n, score in enumerate(scores))
    result = TrialResult("COMPLETED", fits, reason, "", (), 10, 0.0, 2.0, "0", **more)
    return TrialRecord(spec, result if scores else replace(result, status="FAILED"))


class Watched:
    """Listeners whose search has begun, and what they print."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.file, self.clock = io.StringIO(), 0.0
        console = Console(file=self.file, width=100, get_time=lambda: self.clock, **settings)
        self.console_listener = ConsoleListener(console)
        self.listeners = [self.console_listener, LogListener()]
        self.progress = SearchProgress(Objective("val_accuracy", "max"), 9)
        self.run = RunDirectory(folder)
        self.tell("on_search_begin", self.run, kt.HyperParameters(), ["accuracy"], self.progress)

    def tell(self, event: str, *arguments: Any) -> None:
        for listener in self.listeners:
            getattr(listener, event)(*arguments)

    def end(self, record: TrialRecord) -> None:
        self.progress.add(record)
        self.tell("on_trial_end", record, self.progress)

    def run_some_trials(self) -> None:
        self.end(ended("0000", 0.9))
        self.end(ended("0001", 0.8766))
        self.end(ended("0002", reason="ValueError: two\nlines \x1b[2J"))
        self.end(ended("0003", 0.94, 0.96))
        self.end(ended("0006", 0.2, reason="pruned at epoch 9 of 50: 0.2", stopped_by="pruner"))
        self.tell("on_reevaluation_begin", 1, self.progress)
        best = self.progress.record("0003")
        again = Reevaluation(1, (FitResult(2, 0, 0.93, 4, 9, {}),))
        result = ended("0003", 0.93).result
        self.tell("on_reevaluation", replace(best, reevaluation=again), result, self.progress)
        self.tell("on_search_end", SearchEnd("finished", "all done"), self.progress)

    @property
    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.file.getvalue().splitlines()]


def test_each_trial_has_a_line_and_the_log_too_which_grows(tmp_path: Path) -> None:
    for _ in range(2):
        watched = Watched(tmp_path)
        watched.run_some_trials()
    log = (tmp_path / "search.log").read_text().splitlines()
    logged = [" ".join(line[21:].split()) for line in log[len(log) // 2 :]]
    lines = [
        "0000 0.9 epoch 4 of 9 2.0 s best so far",
        "0001 0.8766 epoch 4 of 9 2.0 s best 0000: 0.9",
        "0002 failed: ValueError: two lines [2J",
        "0003 0.95 ± 0.01 epoch 4 of 9 2.0 s best so far",
        "0006 0.2 2.0 s pruned at epoch 9 of 50",
        "0003 re-evaluation 0.93 epoch 4 of 9 2.0 s mean 0.93",
    ]
    end = "search ends, finished: all done; best 0.95 ± 0.01"
    assert logged == [f"search of {tmp_path.name} begins", *lines, end]
    assert [line for line in watched.lines if line[:4].isdigit()] == lines
    assert "re-evaluation the best trials train from new seeds, trainings: 1" in watched.lines
    assert "\x1b" not in "".join(watched.lines)  # no terminal, no bar and no colours


def test_the_display_shows_the_workers_and_the_time_left(tmp_path: Path) -> None:
    watched = Watched(tmp_path)

    def drawn() -> list[str]:
        console = Console(file=io.StringIO(), width=100)
        console.print(watched.console_listener.draw())
        assert isinstance(console.file, io.StringIO)
        return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]

    rate = {"learning_rate": 1.25e-3, "value": 0.9531}
    watched.tell("on_progress", TrialProgress(1, "0007", 1, 1, 10, 50, **rate))  # type: ignore[arg-type]
    watched.tell("on_progress", TrialProgress(0, "0008", 2, 5, 0, 50))
    bar, *workers = drawn()
    assert bar.split()[1:3] == ["trial", "0/9"]
    assert bar.endswith("left --:--")  # nobody can tell yet
    assert workers == [
        "worker 0 trial 0008 fit 2/5 epoch 0/50",
        "worker 1 trial 0007 epoch 10/50 rate 0.0013 val_accuracy 0.9531",
    ]
    watched.clock = 60.0
    watched.tell("on_progress", TrialProgress(1, "0007", 1, 1, 40, 50))
    assert drawn()[0].endswith("0:01:00 left 13:20")  # 0.6 trials a minute, 8.0 trials to go
    watched.end(ended("0007", reason="why"))
    watched.tell("on_stopping", "Ctrl-C")
    bar, *workers = drawn()
    assert bar.split()[1:3] == ["trial", "1/9"]
    assert "best –, 1 failed" in bar
    assert workers[0] == "worker 0 trial 0008 fit 2/5 epoch 0/50"
    assert workers[1] == "Ctrl-C: stopping; once more stops at once"
    assert len(workers) == 2


def test_a_notebook_gets_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class ZMQInteractiveShell:
        """As a notebook's shell is called."""

    monkeypatch.setattr("builtins.get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    listener = ConsoleListener()
    progress = SearchProgress(Objective("val_accuracy", "max"), 1)
    listener.on_search_begin(RunDirectory(tmp_path), kt.HyperParameters(), [], progress)
    progress.add(record := ended("0000", 0.9))
    listener.on_trial_end(record, progress)
    listener.on_search_end(SearchEnd("interrupted", "SIGINT"), progress)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert [line.split()[0] for line in shown.splitlines()] == ["Trials", str(tmp_path), "0000"]
