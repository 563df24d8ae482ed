"""What the dry run says of epochs and disk, against real runs."""

from pathlib import Path
from typing import Any

import pytest

from src.config import load_config
from src.reporting import report_listeners
from src.search import disk as disk_module
from src.search import workflow
from src.search.disk import Disk, estimate_disk, in_words
from src.search.events import SearchListener, SearchProgress
from src.search.preparing import prepare
from src.search.rungs import hyperband_rungs
from src.search.trial import TrialRecord
from tests.conftest import TINY
from tests.search.test_default_first import declared, make

LARGE = ("space.layers=2", "space.units={min: 300, max: 400}")


class Fullest(SearchListener):
    """The most bytes that the run had after a trial, or at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bytes = folder, 0

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        self.look()

    def look(self) -> None:
        sizes = (path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        self.bytes = max(self.bytes, sum(sizes))


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(("tuner.max_trials=3", "training.epochs=5"), marks=pytest.mark.slow),
        # Weights, and with rungs training states, are most of it.
        pytest.param(("tuner.max_trials=3", "training.epochs=1", *LARGE), marks=pytest.mark.slow),
        ("tuner.name=hyperband", "training.epochs=3", *LARGE),
    ],
)
def test_the_estimate_of_the_disk_is_within_a_factor_of_two(
    tmp_path: Path, overrides: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_module, "PICTURES", 0)  # which tests leave out
    words = [*TINY, "run.engine=serial", f"run.directory={tmp_path}", "run.baselines=false"]
    if "tuner.name=hyperband" in overrides:
        words += ["tuner.max_trials=auto"]
    prepared = prepare(load_config("quick", [*words, *overrides]))
    disk = estimate_disk(prepared)
    assert disk is not None
    fullest = Fullest(tmp_path)
    outcome = workflow.search(prepared, [*report_listeners(), fullest])
    fullest.look()
    assert outcome.winner is not None
    assert disk.about / 2 < fullest.bytes < disk.about * 2
    assert fullest.bytes < disk.most * 1.25
    assert sum(len(record.result.history) for record in outcome.progress.records) <= (
        prepared.epochs or 0
    )


@pytest.mark.slow
def test_models_above_the_limit_are_not_counted(tmp_path: Path) -> None:
    words = [*TINY, f"run.directory={tmp_path}", "space.units={min: 4, max: 600}"]
    words += ["space.layers=2"]  # of such models the hidden weights are most
    free = estimate_disk(prepare(load_config("quick", words)))
    bound = estimate_disk(prepare(load_config("quick", [*words, "limits.parameters=5000"])))
    assert free is not None
    assert bound is not None
    assert free.most - bound.most > 600 * 600 * 4  # at least one file of such weights
    assert bound.about < free.about


def test_bytes_in_words() -> None:
    assert [in_words(size) for size in (12, 3_456, 2_000_000, 7.84e11)] == [
        *("0.012 kB", "3.5 kB", "2 MB", "780 GB"),
    ]
    assert str(Disk(12e6, 80e6)) == "about 12 MB, at most 80 MB"


def test_the_epochs_of_a_search_are_those_of_its_trials() -> None:
    assert make("random", declared()).epochs(30, 9) == 270
    oracle: Any = make("hyperband", declared())
    rungs = hyperband_rungs(9, 3)
    whole = sum(rung.trials * (rung.epochs - rung.initial_epoch) for rung in rungs)
    assert oracle.epochs(None, 9) == whole
    assert f"{whole} epochs in all" in oracle.plan(None)[-1]
    assert oracle.epochs(10, 9) == 9 * 1 + 1 * 2  # the first rung, and one that goes on
    assert oracle.most_states(None) == 9
    assert make("random", declared()).most_states(30) == 0


def test_repeats_multiply_the_epochs(tmp_path: Path) -> None:
    words = [*TINY, f"run.directory={tmp_path}", "tuner.max_trials=4", "training.epochs=5"]
    words += ["tuner.folds=3", "tuner.executions_per_trial=2"]
    assert prepare(load_config("quick", words)).epochs == 120
