"""The console and the log tell what happens, in a terminal, in a file and in a notebook."""

import io
from dataclasses import replace
from pathlib import Path

import keras_tuner as kt
import pytest
from rich.console import Console, Group

from src.console.listener import ConsoleListener
from src.console.time_left import TimeLeft, in_words
from src.messages import SearchEnd, TrialProgress
from src.records import FitResult, Status, TrialRecord, TrialResult, TrialSpec
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory


def ended(trial_id: str, *scores: float, seconds: float = 2.0, reason: str = "") -> TrialRecord:
    """A trial with a score for each of its executions; without one, it failed."""
    spec = TrialSpec(trial_id, trial_id, None, {"space": [], "values": {}}, 0, 50)
    fits = tuple(FitResult(n, 0, score, 4, 9, {}) for n, score in enumerate(scores))
    status: Status = "COMPLETED" if scores else "FAILED"
    return TrialRecord(spec, TrialResult(status, fits, reason, "", (), 10, 0.0, seconds, "0"))


class Told:
    """A listener whose search has begun, and what it printed."""

    def __init__(self, folder: Path, console: Console | None = None, total: int = 9) -> None:
        self.file = io.StringIO()
        self.console = console or Console(file=self.file, width=100)
        self.listener = ConsoleListener(self.console)
        self.progress = SearchProgress(kt.Objective("val_accuracy", "max"), total)
        self.run = RunDirectory(folder)
        self.listener.on_search_begin(self.run, kt.HyperParameters(), ["accuracy"], self.progress)

    def end(self, record: TrialRecord) -> None:
        self.listener.on_trial_begin(record.spec, self.progress)
        self.progress.records.append(record)
        self.listener.on_trial_end(record, self.progress)

    @property
    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in self.file.getvalue().splitlines()]


def test_the_display_shows_what_every_worker_is_doing(tmp_path: Path) -> None:
    told = Told(tmp_path)
    listener = told.listener
    listener.on_trial_begin(ended("0007").spec, told.progress)
    listener.on_progress(
        TrialProgress(1, "0007", 1, 1, 12, 50, learning_rate=1.25e-3, value=0.9531)
    )
    listener.on_progress(TrialProgress(0, "0008", 2, 5, 0, 50))

    def drawn() -> list[str]:
        console = Console(file=io.StringIO(), width=100)
        console.print(Group(*listener._display.get_renderables()))
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return [" ".join(line.split()) for line in text.splitlines()]

    first, *workers = drawn()
    assert "trial 0/9" in first
    assert first.endswith("left –")  # nobody can tell yet
    assert workers == [
        "worker 0 trial 0008 fit 2/5 epoch 0/50",
        "worker 1 trial 0007 epoch 12/50 rate 0.0013 val_accuracy 0.9531",
    ]
    told.end(ended("0007", reason="why", seconds=60.0))
    first, *workers = drawn()
    assert "best –, 1 failed" in first
    assert first.endswith("left 4:00")  # eight more, two at a time
    assert workers == ["worker 0 trial 0008 fit 2/5 epoch 0/50"]


def test_each_trial_has_a_line_with_its_distance_to_the_best(tmp_path: Path) -> None:
    told = Told(tmp_path)
    told.end(ended("0000", 0.9))
    told.end(ended("0001", 0.8766))
    told.end(ended("0002", reason="ValueError: no tanh here"))
    told.end(ended("0003", 0.94, 0.96))
    told.end(ended("0004", 0.95))
    reason = "pruned at epoch 9 of 50: val_accuracy 0.2 is below 0.9, the median of 5 trials there"
    pruned = ended("0006", 0.2, reason=reason)
    told.end(replace(pruned, result=replace(pruned.result, cut="pruner")))
    told.listener.on_trial_retry(ended("0005", reason="nan"))
    assert told.lines[-7:] == [
        "0000 0.9 epoch 4 of 9 2.0 s best so far",
        "0001 0.8766 epoch 4 of 9 2.0 s 0.023 behind 0000",
        "0002 failed: ValueError: no tanh here",
        "0003 0.95 ± 0.01 epoch 4 of 9 2.0 s best so far",
        "0004 0.95 epoch 4 of 9 2.0 s as good as 0003",
        "0006 0.2 2.0 s pruned at epoch 9 of 50",
        "0005 failed: nan; it runs again",
    ]


def test_without_a_terminal_and_without_colours_there_are_no_escape_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(tmp_path)
    told.end(ended("0000", 0.9))
    told.listener.on_search_end(SearchEnd("finished", "all done"), told.progress)
    assert "\x1b" not in told.file.getvalue()

    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    told = Told(tmp_path, Console(file=file, width=100, force_terminal=True))
    told.end(ended("0000", 0.9))
    told.listener.on_search_end(SearchEnd("finished", "all done"), told.progress)
    assert "0.9" in file.getvalue()
    assert "\x1b[3" not in file.getvalue()  # colours; the bar still moves the cursor


def test_a_notebook_gets_plain_lines_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(file, "isatty", lambda: True)  # as a notebook's standard output says
    monkeypatch.setattr("sys.stdout", file)
    listener = ConsoleListener()
    assert not listener.console.is_jupyter
    progress = SearchProgress(kt.Objective("val_accuracy", "max"), 1)
    listener.on_search_begin(RunDirectory(tmp_path), kt.HyperParameters(), [], progress)
    record = ended("0000", 0.9)
    progress.records.append(record)
    listener.on_trial_end(record, progress)
    listener.on_search_end(SearchEnd("interrupted", "SIGINT"), progress)
    lines = [line.split() for line in file.getvalue().splitlines()]
    assert "\x1b" not in file.getvalue()
    assert [line[:2] for line in lines] == [
        *(["Trials", "─" * 73], ["run", str(tmp_path)], ["0000", "0.9"], ["interrupted", "SIGINT"])
    ]


def test_the_log_has_a_line_an_event_and_grows(tmp_path: Path) -> None:
    for _ in range(2):
        told = Told(tmp_path, Console(quiet=True))
        told.end(ended("0000", 0.9))
        told.end(ended("0001", reason="two\nlines \x1b[2J"))
        told.listener.on_search_end(SearchEnd("finished", "all done"), told.progress)
    lines = told.run.log.read_text().splitlines()
    assert len(lines) == 8
    assert [line[21:] for line in lines[4:]] == [
        f"search of {tmp_path.name} begins",
        "0000  0.9  epoch 4 of 9  2.0 s  best so far",
        "0001  failed: two lines  [2J",
        "search ends, finished: all done; best 0.9",
    ]


def test_the_time_left_is_learned_from_the_trials_that_ended() -> None:
    left = TimeLeft()
    assert left.estimate(10, {0: 5.0}) is None
    left.note_end(10.0)
    left.note_end(20.0)
    assert left.estimate(None, {}) is None
    assert left.estimate(4, {}) == 60.0
    assert left.estimate(4, {0: 5.0, 1: 10.0}) == 22.5  # two at once, 15 seconds done
    assert left.estimate(2, {0: 14.0, 1: 3.0}) == 12.0  # the last one takes as long as it takes
    assert left.estimate(1, {0: 100.0}) == 0.0
    for _ in range(30):
        left.note_end(1.0)  # what was long ago is forgotten
    assert left.estimate(1, {}) == 1.0


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "–"), (0.4, "0:00"), (309, "5:09"), (3909, "1:05:09")]
)
def test_times_are_short(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words
