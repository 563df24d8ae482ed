"""The worker process: what it is forked from, and what it sends back."""

import multiprocessing
import os
import subprocess
import sys
import time

from src.search import worker
from src.startup import start_fork_server
from tests.search.deadly import tell_what_is_loaded


def test_workers_are_forked_with_everything_imported_and_nothing_begun() -> None:
    path = os.environ.get("PYTHONPATH")
    start_fork_server()
    assert os.environ.get("PYTHONPATH") == path
    receiving, sending = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=tell_what_is_loaded, args=(sending,))
    process.start()
    assert receiving.recv() == (True, False)
    process.join()


def test_a_failure_names_its_reason_and_has_no_score() -> None:
    result = worker.failure("why", time.time() - 3, worker=1, traceback="where")
    assert (result.status, result.reason, result.traceback, result.worker) == (
        *("FAILED", "why", "where", "1"),
    )
    assert result.score is None
    assert result.epochs == 0
    assert 3 <= result.seconds < 60


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
