"""A trial that fails has a reason, and a worker that fails costs no more than its trial."""

import os
import re
import resource
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from hypermodels import HYPERMODELS
from hypermodels.mlp import MLP
from src.search import run
from src.search.workflow import SearchOutcome
from tests.conftest import MakeConfig


def search(tiny: MakeConfig, *overrides: str) -> SearchOutcome:
    return run(tiny(*overrides))


def table(outcome: SearchOutcome) -> pd.DataFrame:
    return pd.read_csv(outcome.run.trials_table, dtype={"trial_id": str})


class Exploding(MLP):
    """Its loss grows a hundredfold an epoch."""

    def fit(self, hp: Any, model: Any, *arguments: Any, **options: Any) -> Any:
        class Explode(keras.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                logs["loss"] = 100.0**epoch

        callbacks = [Explode(), *options.pop("callbacks", ())]
        return super().fit(hp, model, *arguments, **options, callbacks=callbacks)


def test_a_diverged_trial_keeps_its_epochs(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "exploding", f"{__name__}:Exploding")
    overrides = ("hypermodel.name=exploding", "training.epochs=6", "tuner.max_trials=2")
    outcome = search(tiny, *overrides, "space.early_stopping_patience=0")
    assert outcome.progress.best is None
    rows = table(outcome)
    assert set(rows["reason"]) == {"diverged: loss 1e+04 in epoch 3, after 1 in its first"}
    history = pd.read_csv(outcome.run.history_table, dtype={"trial_id": str})
    assert history.groupby("trial_id").size().to_dict() == {"0000": 3, "0001": 3}
    assert history["loss"].tolist() == [1.0, 100.0, 1e4] * 2


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_trial_that_takes_too_long_has_failed(workers: int, tiny: MakeConfig) -> None:
    overrides = ("training.epochs=1000000", "space.early_stopping_patience=0")
    outcome = search(
        tiny,
        *overrides,
        "limits.trial_seconds=3",
        "tuner.max_trials=2",
        f"run.workers={workers}",
    )
    for record in outcome.progress.records:
        assert record.result.status == "FAILED"
        assert record.result.reason.startswith("took longer than limits.trial_seconds=3")
        assert record.result.epochs >= 1


class Hanging(MLP):
    """Its second trial never ends an epoch."""

    def fit(self, hp: Any, model: Any, *arguments: Any, **options: Any) -> Any:
        class Hang(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                if hp.get("units") == 5:  # longer epochs than the interval of the reports
                    threading.Event().wait(120 if epoch == 2 else 0.3)

        if "callbacks" in options:  # not in the rehearsal
            options["callbacks"] = [*options["callbacks"], Hang()]
        return super().fit(hp, model, *arguments, **options)


def test_a_trial_that_hangs_in_an_epoch_is_ended_by_the_parent(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "hanging", f"{__name__}:Hanging")
    monkeypatch.setattr("src.execution.supervisor.GRACE_SECONDS", 0.2)
    overrides = ("hypermodel.name=hanging", "tuner.name=grid", "space.units=[4, 5]")
    outcome = search(
        tiny, *overrides, "tuner.max_trials=2", "run.engine=process", "limits.trial_seconds=6"
    )
    reasons = {r.spec.values["units"]: r.result.reason for r in outcome.progress.records}
    assert reasons == {
        4: "",
        5: "took longer than limits.trial_seconds=6; its process was ended",
    }
    (hung,) = (r.result for r in outcome.progress.records if r.result.reason)
    assert [row["epoch"] for row in hung.history] == [1, 2]
    assert {"loss", "val_loss", "learning_rate", "batch_size"} <= set(hung.history[-1])
    assert hung.parameters > 0
    history = pd.read_csv(outcome.run.history_table, dtype=str)
    trial = next(r.spec.trial_id for r in outcome.progress.records if r.result is hung)
    assert history[history["trial_id"] == trial]["epoch"].tolist() == ["1", "2"]


class Greedy(MLP):
    """Some trials ask for more memory than any machine has."""

    def network(self, hp: Any, x: Any) -> Any:
        if hp.get("units") == 16:
            np.empty((1 << 45,), np.float64)
        return super().network(hp, x)


def test_a_lack_of_memory_is_the_reason(tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HYPERMODELS, "greedy", f"{__name__}:Greedy")
    overrides = ("hypermodel.name=greedy", "tuner.name=grid", "space.units=[4, 16]")
    outcome = search(tiny, *overrides, "tuner.max_trials=2", "space.batch_size=32")
    reasons = {r.spec.values["units"]: r.result.reason for r in outcome.progress.records}
    assert reasons == {
        4: "",
        16: "out of memory, with batch size 32 and a model that could not be built",
    }


class Starved(MLP):
    """One trial gets little memory, and asks for a lot while it trains."""

    def fit(self, hp: Any, model: Any, *arguments: Any, **options: Any) -> Any:
        class Eat(keras.callbacks.Callback):
            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                pages = int(Path("/proc/self/statm").read_text().split()[0])
                limit = pages * resource.getpagesize() + 300_000_000
                hard = resource.getrlimit(resource.RLIMIT_AS)[1]
                resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
                tf.ones((20_000, 20_000)) @ tf.ones((20_000, 20_000))

        if hp.get("units") == 16 and "callbacks" in options:  # not in the rehearsal
            options["callbacks"] = [*options["callbacks"], Eat()]
        return super().fit(hp, model, *arguments, **options)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_a_real_lack_of_memory_costs_one_trial(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "starved", f"{__name__}:Starved")
    overrides = ("hypermodel.name=starved", "tuner.name=grid", "space.units=[4, 16]")
    outcome = search(
        tiny, *overrides, "tuner.max_trials=2", "space.batch_size=32", "run.engine=process"
    )
    assert outcome.end.kind == "finished"
    assert len(outcome.progress.records) == 2
    for record in outcome.progress.records:
        if record.spec.values["units"] == 16:
            expected = r"out of memory, with batch size 32 and (131|195) parameters$"
            assert re.search(expected, record.result.reason), record.result.reason
        else:
            assert record.result.status == "COMPLETED"


CGROUPS = Path("/sys/fs/cgroup")
SMALL_MEMORY = (
    # Version 1 of control groups has a tree for each resource, version 2 a single one.
    (CGROUPS / "memory" if (CGROUPS / "memory").is_dir() else CGROUPS)
    / f"small-memory-{zlib.crc32(__file__.encode()):x}"
)


class Hungry(MLP):
    """One trial takes more memory than its group of processes may have, in its second epoch."""

    def fit(self, hp: Any, model: Any, *arguments: Any, **options: Any) -> Any:
        class Eat(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                if epoch == 1:
                    time.sleep(0.5)  # what was told of the first epoch is on its way
                    (SMALL_MEMORY / "cgroup.procs").write_text(str(os.getpid()))
                    bytearray(b"1") * 400_000_000

        if hp.get("units") == 16 and "callbacks" in options:  # not in the rehearsal
            options["callbacks"] = [*options["callbacks"], Eat()]
        return super().fit(hp, model, *arguments, **options)


@pytest.fixture
def _small_memory() -> Iterator[None]:
    """A control group whose processes may take 100 MB together."""
    limits = [SMALL_MEMORY / "memory.limit_in_bytes", SMALL_MEMORY / "memory.max"]
    try:
        SMALL_MEMORY.mkdir(exist_ok=True)
        limit = next(path for path in limits if path.exists())
        limit.write_text("100000000")
    except (OSError, StopIteration):
        if SMALL_MEMORY.is_dir():
            SMALL_MEMORY.rmdir()
        pytest.skip("this user cannot limit the memory of a control group")
    yield
    SMALL_MEMORY.rmdir()


@pytest.mark.slow
@pytest.mark.usefixtures("_small_memory")
def test_the_kernel_kills_a_worker_for_its_memory_and_the_search_goes_on(
    tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HYPERMODELS, "hungry", f"{__name__}:Hungry")
    overrides = ("hypermodel.name=hungry", "tuner.name=grid", "space.units=[4, 16]")
    outcome = search(
        tiny,
        *overrides,
        "tuner.max_trials=2",
        "space.batch_size=32",
        "run.engine=process",
        "run.workers=1",
    )
    assert outcome.end.kind == "finished"
    small, large = sorted(outcome.progress.records, key=lambda r: r.spec.values["units"])
    assert small.result.status == "COMPLETED"
    expected = (
        r"its worker process was killed twice, last by SIGKILL, perhaps out of memory, with "
        r"batch size 32 and (131|195) parameters$"
    )
    assert re.match(expected, large.result.reason), large.result.reason
    assert [row["epoch"] for row in large.result.history] == [1]
