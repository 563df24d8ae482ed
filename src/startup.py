"""Starts TensorFlow, quietly and with few threads, and the server that forks the workers."""

import gc
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any


def import_keras() -> None:
    """Imports TensorFlow and Keras, holding back what they print."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with held_stderr():
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras Tuner without starting any device, so that a fork can follow."""
    first = "tensorflow" not in sys.modules
    import_keras()
    import keras_tuner  # noqa: F401

    if first:
        gc.freeze()  # modules stay, and every collection would look through all of them


def start_tensorflow(worker: int | None = None, threads: int = 1) -> None:
    """Imports TensorFlow and Keras Tuner and starts the devices, holding back what they print.

    Where TensorFlow has computed something before, as in a notebook, its threads stay as they are.
    A `worker` takes one GPU of those there are.

    Two `threads` an operation take 2.5 times as long as one on two layers of 64 with batches of 32,
    0.6 times as long on three of 2,048 with batches of 256. The machine must not decide: the order
    of sums, and so the last digits of a score, depends on the number.
    """
    import_tensorflow()
    import keras
    import tensorflow as tf

    with held_stderr():
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
            _share_gpus(tf, worker)
        except RuntimeError:
            pass  # too late to choose
        tf.config.list_logical_devices()
        tf.get_logger().setLevel("ERROR")  # retracing, which many small models cannot avoid
    # Graphs this small gain nothing from the optimizer's passes, and each trace would pay for them;
    # nor from shorter tracebacks, for which every traced operation would pay.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.debugging.disable_traceback_filtering()
    keras.config.disable_traceback_filtering()


def start_fork_server() -> None:
    """Starts the process that workers are forked from, unless it runs, and returns at once.

    The server imports TensorFlow while this process prepares, so that a worker costs a fork instead
    of an import. It ends with this process.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(["src.execution.preload"])
    resource_tracker.ensure_running()  # else the server starts it, which unblocks signals
    # Python before 3.12.8 does not tell the server where modules are (python/cpython#126631).
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{Path(__file__).resolve().parents[1]}{os.pathsep}{before or ''}"
    # Ctrl-C reaches the server too, which could not ignore it before it is up; it inherits this.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _share_gpus(tf: Any, worker: int | None) -> None:
    """Gives a worker one GPU, in turn, and lets processes share its memory."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and worker is not None:
        gpus = [gpus[worker % len(gpus)]]
        tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)


@contextmanager
def held_stderr() -> Iterator[None]:
    """Holds back the process's standard error, and shows it only if the block raises.

    TensorFlow writes to the file descriptor itself, before its own log level applies.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
