"""What the fork server imports before it forks the first worker; nothing else may import it.

No TensorFlow operation may run here: forking works only as long as none has.
"""

import gc
import importlib
import os
import signal
from multiprocessing import spawn
from typing import Any

from src.startup import import_tensorflow

MODULES = (
    "src.execution.worker",
    "hypermodels.mlp",
    "tensorboard.summary.writer.record_writer",
)
PARENT_CHECK_SECONDS = 0.5


def _exit_without_parent(*_: Any) -> None:
    if os.getppid() != _parent:
        os._exit(1)


def _leave_main_alone(_: str) -> None:
    """Workers need nothing of the main module, and a script without a guard would run again."""


for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C is for the parent to answer
    signal.signal(number, signal.SIG_IGN)
spawn._fixup_main_from_name = spawn._fixup_main_from_path = _leave_main_alone  # type: ignore[attr-defined]

# The server looks after its parent only once it serves; the import takes seconds before that.
_parent = os.getppid()
signal.signal(signal.SIGALRM, _exit_without_parent)
signal.setitimer(signal.ITIMER_REAL, PARENT_CHECK_SECONDS, PARENT_CHECK_SECONDS)
try:
    import_tensorflow()
    for module in MODULES:
        importlib.import_module(module)
finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
gc.collect()
gc.freeze()  # so that a worker's collections neither scan nor copy what is shared
