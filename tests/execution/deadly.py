"""HyperModels that end the process they are trained in; workers import them from here."""

import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import keras
from tensorflow.python.eager import context

from callbacks import TensorBoard
from hypermodels.mlp import MLP


class KilledOnce(MLP):
    """The first training to end its second epoch is killed there, with its scalars on disk."""

    def fit(self, *arguments: Any, callbacks: Sequence[Any] = (), **others: Any) -> Any:
        killer = [_Kill(callbacks)] if callbacks else []  # not in the rehearsal
        return super().fit(*arguments, callbacks=[*callbacks, *killer], **others)


class _Kill(keras.callbacks.Callback):
    def __init__(self, others: Sequence[Any]) -> None:
        super().__init__()
        self.board = next(other for other in others if isinstance(other, TensorBoard))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        marker = Path(self.board.directory).parents[1] / "killed"
        if epoch == 1 and not marker.exists():
            assert self.board._file is not None
            self.board._file.flush()
            marker.write_text(Path(self.board.directory).name)
            os.kill(os.getpid(), signal.SIGKILL)


class Deadly(MLP):
    """Wide nets end their worker process; narrow ones leave Python there."""

    def build(self, hp: Any) -> Any:
        model = super().build(hp)
        if parent_process() is None:
            return model
        if hp.get("units") > 12:
            os._exit(9)
        if hp.get("units") < 6:
            sys.exit("too narrow")
        return model


def tell_what_is_loaded(connection: Connection) -> None:
    """Sends whether the fork server had imported the worker, and whether TensorFlow had begun."""
    connection.send(("src.execution.preload" in sys.modules, context.context()._initialized))
