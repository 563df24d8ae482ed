"""A trial whose process was killed goes on from what it saved, and ends as if nothing had been."""

import signal
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import pytest

from callbacks import CALLBACKS, TrainingPlan
from src.config import load_config
from src.execution import checkpoint
from src.execution.executor import RunContext, TrialHooks
from src.execution.trial_runner import TrialRunner
from src.records import PruningThreshold, TrialResult, TrialSpec
from src.search import run
from src.search.preparation import prepare
from src.signals import TrialInterruptedError
from src.store.run_directory import RunDirectory
from tests.callbacks.test_tensorboard import scalars
from tests.conftest import TINY, MakeConfig
from tests.execution.test_trial_runner import EVERYTHING, VALUES

EPOCHS = 9
SEED = 42  # the default
SIMPLE = (
    *("space.optimizer=adam", "space.dropout=0.3", "space.schedule=cosine"),
    "space.early_stopping_patience=0",
)


@cache
def proposed(*overrides: str) -> tuple[Any, Any]:
    """A prepared search, and the values of its first trial."""
    prepared = prepare(load_config("quick", [*TINY, *VALUES, *overrides]))
    return prepared, prepared.oracle.create_trial("slot0").hyperparameters.get_config()


class Attempts:
    """Runs one trial in a folder, time and again; `trained` counts the epochs of the last time."""

    def __init__(self, folder: Path, *overrides: str, every: Any = 2) -> None:
        training = [f"training.epochs={EPOCHS}", f"training.save_every={every}"]
        prepared, values = proposed(*training, *overrides)
        objective = prepared.objective
        plan = TrainingPlan(EPOCHS, objective.name, objective.direction, "step")
        self.run = RunDirectory(folder)
        self.context = RunContext(prepared.config, prepared.data, plan, self.run)
        self.spec = TrialSpec("0000", "0000", None, values, 0, EPOCHS, keep_state=True)
        self.trained = 0

    def __call__(self, spec: TrialSpec | None = None, kill: int = 10**6) -> TrialResult:
        """Runs the trial; it is given up after so many epochs, with no word to the disk."""
        self.trained = 0

        def stopping() -> bool:
            self.trained += 1
            return self.trained >= kill

        return TrialRunner(self.context, hooks=TrialHooks(stopping=stopping)).run(spec or self.spec)

    @property
    def saved(self) -> Path:
        return self.run.running_state(self.spec.trial_id)


def outcome(result: TrialResult) -> Any:
    return result.status, result.fits, result.history


@pytest.mark.parametrize(
    ("overrides", "killed", "left"),
    [
        (SIMPLE, 5, 5),
        pytest.param(SIMPLE, 1, 9, marks=pytest.mark.slow),
        pytest.param(SIMPLE, 8, 1, marks=pytest.mark.slow),
        ((*EVERYTHING, SIMPLE[0]), 7, 3),
    ],
    ids=["in the middle", "before anything was saved", "in the last epoch", "all callbacks"],
)
def test_what_is_left_is_trained_and_the_result_is_that_of_no_kill(
    tmp_path: Path, overrides: tuple[str, ...], killed: int, left: int
) -> None:
    whole = Attempts(tmp_path / "whole", *overrides)()
    attempts = Attempts(tmp_path / "killed", *overrides)
    with pytest.raises(TrialInterruptedError):
        attempts(kill=killed)
    assert attempts.saved.exists() == (killed > 1)
    began, result = time.time(), attempts()
    assert result.started + result.seconds < time.time() + 0.1  # the time before the kill counts
    assert (result.started < began - 0.01) == (killed > 1)
    assert attempts.trained == left
    assert outcome(result) == outcome(whole)
    assert not attempts.saved.exists()  # needed no more
    events = scalars(attempts.run.tensorboard / "0000")
    assert [step for step, _ in events["loss/train"]] == list(range(1, EPOCHS + 1))
    assert events == scalars(tmp_path / "whole" / "tensorboard" / "0000")


@pytest.mark.slow
def test_executions_that_were_done_are_not_trained_again(tmp_path: Path) -> None:
    repeats = replace(Attempts(tmp_path / "x", *SIMPLE).spec, executions=2, keep_state=False)
    whole = Attempts(tmp_path / "whole", *SIMPLE)(repeats)
    attempts = Attempts(tmp_path / "killed", *SIMPLE)
    with pytest.raises(TrialInterruptedError):
        attempts(repeats, kill=EPOCHS + 5)
    result = attempts(repeats)
    assert attempts.trained == 5
    assert outcome(result) == outcome(whole)
    for folder in ("execution0-fold0", "execution1-fold0"):
        found, expected = (
            scalars(tmp_path / place / "tensorboard" / "0000" / folder)
            for place in ("killed", "whole")
        )
        assert found == expected
        assert len(found["loss/train"]) == EPOCHS


def test_a_promotion_goes_on_too(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path, *SIMPLE)
    attempts(replace(attempts.spec, epochs=3))
    rung = replace(attempts.spec, trial_id="0001", parent_id="0000", initial_epoch=3)
    whole = attempts(rung)
    with pytest.raises(TrialInterruptedError):
        attempts(rung, kill=4)
    result = attempts(rung)
    assert attempts.trained == 3
    assert outcome(result) == outcome(whole)


def damaged(content: bytes) -> bytes:
    place = content.index(b'"epochs"')  # not in a header of the archive, which has no checksum
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        damaged,
        pytest.param(lambda content: content[:-30], marks=pytest.mark.slow),
        pytest.param(lambda _: b"", marks=pytest.mark.slow),
    ],
)
def test_of_a_damaged_state_the_trial_starts_anew(tmp_path: Path, damage: Any) -> None:
    attempts = Attempts(tmp_path, *SIMPLE)
    whole = attempts()
    with pytest.raises(TrialInterruptedError):
        attempts(kill=5)
    attempts.saved.write_bytes(damage(attempts.saved.read_bytes()))
    assert outcome(attempts()) == outcome(whole)
    assert attempts.trained == EPOCHS


def test_the_state_of_another_trial_counts_for_nothing(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path, *SIMPLE)
    with pytest.raises(TrialInterruptedError):
        attempts(kill=5)
    attempts(replace(attempts.spec, bracket=1))
    assert attempts.trained == EPOCHS
    assert checkpoint.read_checkpoint(attempts.run, attempts.spec, SEED) is None


def test_without_the_setting_nothing_is_saved(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path, *SIMPLE, every="null")
    with pytest.raises(TrialInterruptedError):
        attempts(kill=5)
    assert not attempts.saved.exists()
    attempts()
    assert attempts.trained == EPOCHS


class Signal(keras.callbacks.Callback):
    """A callback of one's own that asks the search to stop, the first time in epoch 5."""

    asked = False
    epochs: list[int] = []

    @classmethod
    def declare(cls, hp: Any) -> None:
        pass

    @classmethod
    def from_hyperparameters(cls, hp: Any, plan: Any) -> "Signal":
        return cls()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(epoch)
        if epoch == 4 and not Signal.asked:
            Signal.asked = True
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.slow
def test_a_stopped_search_goes_on_within_its_trial(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = ("training.epochs=9", "tuner.max_trials=2", "space.early_stopping_patience=0")
    whole = run(tiny(*pins, "run.name=whole"))
    monkeypatch.setitem(CALLBACKS, "signal", f"{__name__}:Signal")
    stopped = run(tiny(*pins, "run.name=stopped", "training.save_every=2"))
    assert stopped.end.kind == "interrupted"
    assert stopped.run.running_state("0000").exists()
    Signal.epochs.clear()
    resumed = run(None, resume=str(stopped.run.path))
    assert Signal.epochs == [0, *range(4, 9), *range(9)]  # the rehearsal's, the first, the second
    for one, other in zip(resumed.progress.records, whole.progress.records, strict=True):
        assert outcome(one.result) == outcome(other.result)
    assert resumed.run.history_table.read_text() == whole.run.history_table.read_text()
    assert not resumed.run.running_state("0000").exists()
    assert resumed.winner is not None
    assert whole.winner is not None
    assert resumed.winner.test == whole.winner.test


def test_a_trial_that_is_ended_early_ends_there_after_a_kill_too(tmp_path: Path) -> None:
    free = Attempts(tmp_path / "free", *SIMPLE)
    whole = free()
    values = [row["val_accuracy"] for row in whole.history]
    best = [max(values[: epoch + 1]) for epoch in range(EPOCHS)]
    # Up to epoch 6 the best so far just reaches the threshold, also before the kill; then not.
    marks = [PruningThreshold(epoch, best[epoch - 1], "as much") for epoch in range(1, 7)]
    marks.append(PruningThreshold(7, best[6] + 0.001, "a little more"))
    early = {
        "pruner": replace(free.spec, thresholds=(tuple(marks),)),
        "limit": replace(free.spec, epoch_budget=7),
    }
    for kind, spec in early.items():
        attempts = Attempts(tmp_path / kind, *SIMPLE)
        expected = attempts(spec)
        assert (expected.status, expected.stopped_by, expected.epochs) == ("COMPLETED", kind, 7)
        assert expected.history == whole.history[:7]
        assert (expected.score, expected.trained) == (best[6], 7)
        assert not attempts.saved.exists()
        killed = Attempts(tmp_path / f"{kind}-killed", *SIMPLE)
        with pytest.raises(TrialInterruptedError):
            killed(spec, kill=5)
        # Goes on although other trials have ended since, which moved an early threshold.
        moved = replace(marks[0], value=1.0), *marks[1:]
        result = killed(replace(spec, thresholds=(moved,)) if spec.thresholds else spec)
        assert killed.trained == 3
        assert (outcome(result), result.reason) == (outcome(expected), expected.reason)


def test_thresholds_that_come_with_a_resume_count_for_all_epochs_of_the_fit(
    tmp_path: Path,
) -> None:
    """When the trial began, too few others had ended for a threshold."""
    attempts = Attempts(tmp_path, *SIMPLE)
    # The loss falls: were more of it better, the best would be that of the first epoch.
    attempts.context = replace(attempts.context, plan=TrainingPlan(EPOCHS, "val_loss", "max"))
    with pytest.raises(TrialInterruptedError):
        attempts(kill=5)
    assert attempts.saved.exists()
    saved = checkpoint.read_checkpoint(attempts.run, attempts.spec, SEED)
    assert saved is not None
    first = saved.rows[0]["val_loss"]
    marks = (PruningThreshold(6, first - 0.01, "less"), PruningThreshold(7, first + 0.01, "more"))
    result = attempts(replace(attempts.spec, thresholds=(marks,)))
    assert attempts.trained == 3
    values = [row["val_loss"] for row in result.history]
    assert max(values) == values[0] == first
    assert max(values[4:]) < first - 0.1
    assert (result.stopped_by, result.epochs) == ("pruner", 7)
    told = f"val_loss {first:.5g} is below {first + 0.01:.5g}, more"
    assert result.reason == f"pruned at epoch 7 of 9: {told}"
