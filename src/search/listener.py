"""`SearchListener`: what may watch a search. Listeners show; the search reads nothing back."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from src.files import disk_errors
from src.messages import SearchEnd, TrialProgress
from src.records import TrialRecord, TrialResult, TrialSpec
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory

if TYPE_CHECKING:  # reading a run needs no TensorFlow
    import keras_tuner as kt

    from src.evaluation.winner import Winner


class SearchListener:
    """Watches a search. Every method may be left as it is.

    A trial or an end that a listener hears of is in the store already.
    """

    def on_search_begin(
        self,
        run: RunDirectory,
        space: "kt.HyperParameters",
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """The search begins, or goes on.

        Args:
            run: the run's folder; it exists.
            space: all hyperparameters.
            metrics: the logged metrics, without `val_`.
            progress: the trials that ended before the search was resumed; a listener brings its
                files up to date.
        """

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        """A trial goes to a worker."""

    def on_progress(self, running: TrialProgress) -> None:
        """A trial has begun a fit or trained some epochs: up to five times a second a worker.

        Comes from another thread; be quick.
        """

    def on_trial_retry(self, record: TrialRecord) -> None:
        """A trial has failed and runs again; `progress` does not count this attempt."""

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """A trial has ended; it is part of `progress`."""

    def on_reevaluation_begin(self, trainings: int, progress: SearchProgress) -> None:
        """The search has ended; the best trials are trained again, so many times in all."""

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        """A training of the re-evaluation has ended; `record` includes it."""

    def on_stopping(self, signal_name: str) -> None:
        """A signal asks the search to stop; be quick."""

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        """No trial will follow."""

    def on_export(self, run: RunDirectory, winner: "Winner") -> None:
        """The best model is in `best/`; the last event.

        What a listener raises here is added to the reason of the end; nothing is taken back.
        """


class Listeners:
    """Passes events on. A listener that failed at the beginning hears no more.

    Args:
        listeners: all of them.
        run: the run's folder; an `OSError` of a listener counts as one of the folder.
    """

    def __init__(self, listeners: Sequence[SearchListener], run: RunDirectory) -> None:
        self._listeners, self._run = listeners, run
        self._watching: list[SearchListener] = []

    def begin(self, *arguments: Any) -> None:
        """Tells of `on_search_begin`; the arguments follow the run.

        Raises:
            DiskError: if a listener cannot write a file, as `tell`.
        """
        for listener in self._listeners:
            with disk_errors(self._run.path):
                listener.on_search_begin(self._run, *arguments)
            self._watching.append(listener)

    def tell(self, event: str, *arguments: Any) -> None:
        """Calls the method `event` of every listener."""
        for call in self.calls(event):
            call(*arguments)

    def calls(self, event: str) -> Iterator[Callable[..., None]]:
        """The method `event` of every listener."""
        for listener in list(self._watching):
            yield disk_errors(self._run.path)(getattr(listener, event))
