"""Reports of running trials are few, and lose no epoch."""

import multiprocessing
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from src.execution.progress import ProgressSender, at_intervals
from src.messages import TrialProgress

BEGIN = TrialProgress(worker=0, trial_id="0000", fit=1, fits=1, epoch=0, epochs=9)


def after(epoch: int) -> TrialProgress:
    return replace(BEGIN, epoch=epoch, rows=({"epoch": epoch},))


def test_at_most_five_a_second_are_passed_on_with_all_their_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = count(100.0, 0.0625)
    monkeypatch.setattr("src.execution.progress.time.monotonic", lambda: next(clock))
    told: list[TrialProgress] = []
    report = at_intervals(told.append)
    for progress in (BEGIN, *map(after, range(1, 9))):
        report(progress)
    assert [progress.epoch for progress in told] == [0, 4, 8]
    assert [[row["epoch"] for row in progress.rows] for progress in told] == [
        [],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
    ]
    report(replace(BEGIN, fit=2))  # at once
    assert told[-1].fit == 2


def received(connection: Any) -> list[Any]:
    """Everything up to the answer."""
    messages = []
    while not isinstance(message := connection.recv(), str):
        messages.append(message)
    return messages


def test_a_worker_sends_what_waits_though_the_trial_hangs() -> None:
    parent, worker = multiprocessing.Pipe()
    sender = ProgressSender(worker)
    sender.report(BEGIN)
    for epoch in range(1, 6):
        sender.report(after(epoch))
    rows: list[int] = []
    while len(rows) < 5:  # nothing more is reported, as when the trial hangs
        assert parent.poll(10), rows
        rows += [row["epoch"] for row in parent.recv().rows]
    assert rows == [1, 2, 3, 4, 5]


def test_no_report_follows_the_answer_of_its_trial() -> None:
    parent, worker = multiprocessing.Pipe()
    sender = ProgressSender(worker)
    for trial in range(50):
        progress = replace(BEGIN, trial_id=f"{trial:04}")
        sender.report(progress)
        sender.report(replace(after(1), trial_id=f"{trial:04}"))
        sender.answer("done")
    for trial in range(50):
        messages = received(parent)
        assert messages[0].epoch == 0
        assert {message.trial_id for message in messages} == {f"{trial:04}"}
