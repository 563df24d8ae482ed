"""The worker process: what it is forked from, and what it knows."""

import multiprocessing
import os
import subprocess
import sys
from unittest.mock import Mock, call

import pytest

from src import startup
from src.execution import worker
from tests.execution.deadly import tell_what_is_loaded


def test_workers_are_forked_with_everything_imported_and_nothing_begun() -> None:
    path = os.environ.get("PYTHONPATH")
    startup.start_fork_server()
    assert os.environ.get("PYTHONPATH") == path
    receiving, sending = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=tell_what_is_loaded, args=(sending,))
    process.start()
    assert receiving.recv() == (True, False)
    process.join()


@pytest.mark.parametrize(
    ("number", "gpus", "visible", "growing"),
    [
        (0, ["gpu0", "gpu1"], ["gpu0"], ["gpu0"]),
        (3, ["gpu0", "gpu1"], ["gpu1"], ["gpu1"]),
        (None, ["gpu0", "gpu1"], None, ["gpu0", "gpu1"]),  # a search in one process
        (1, [], None, []),
    ],
)
def test_each_worker_takes_one_gpu_whose_memory_grows(
    number: int | None, gpus: list[str], visible: list[str] | None, growing: list[str]
) -> None:
    """As told to TensorFlow: not tried on a machine with GPUs."""
    tensorflow = Mock()
    tensorflow.config.list_physical_devices.return_value = gpus
    startup._share_gpus(tensorflow, number)
    chosen = [] if visible is None else [call(visible, "GPU")]
    assert tensorflow.config.set_visible_devices.mock_calls == chosen
    grown = [call(gpu, True) for gpu in growing]
    assert tensorflow.config.experimental.set_memory_growth.mock_calls == grown


def test_workers_know_what_the_parent_has_registered() -> None:
    known = worker.registries()
    assert known["hypermodels"]["mlp"] == "hypermodels.mlp:MLP"
    assert {"early_stopping"} <= set(known["callbacks"])
    assert {"cosine"} <= set(known["schedules"])


def test_collections_leave_the_modules_alone() -> None:
    """Else each looks through half a million objects that stay."""
    code = (
        "import gc, src.startup as s; s.import_tensorflow(); frozen = gc.get_freeze_count(); "
        "gc.collect(); s.import_tensorflow(); print(frozen, gc.get_freeze_count() <= frozen)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    frozen, unchanged = done.stdout.split()
    assert int(frozen) > 100_000
    assert unchanged == "True"
