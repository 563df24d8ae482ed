"""The executor `serial`: trials run in this process, one after the other."""

from dataclasses import replace

from src.execution.executor import RunContext, TrialHooks
from src.execution.progress import at_intervals
from src.execution.supervisor import Message, Supervisor
from src.execution.trial_runner import TrialRunner
from src.messages import EndTrial
from src.records import TrialSpec


class InProcessWorker:
    """Runs a trial in `receive`. Requests to stop or to end reach the trial runner directly."""

    def __init__(self, runner: TrialRunner) -> None:
        self._runner = runner
        self._spec: TrialSpec | None = None

    def start(self) -> None:
        """This process runs."""

    def send(self, message: TrialSpec | EndTrial) -> None:
        """Keeps the trial for `receive`."""
        if isinstance(message, TrialSpec):
            self._spec = message

    def receive(self, seconds: float) -> Message | None:
        """Runs the trial and returns its result."""
        assert self._spec is not None
        return self._runner.run(self._spec)

    def stop(self) -> None:
        """This process goes on."""


class SerialExecutor(Supervisor):
    """Runs each trial in this process, before `submit` returns; arguments as for `Executor`."""

    def __init__(self, context: RunContext, workers: int, hooks: TrialHooks) -> None:
        hooks = replace(hooks, on_progress=at_intervals(hooks.on_progress))
        worker = InProcessWorker(TrialRunner(context, hooks=hooks))
        super().__init__([worker], context.config.limits, hooks, graphs=0, in_thread=False)
