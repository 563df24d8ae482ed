"""`SearchListener`: what may watch a search. Listeners show; the search reads nothing back.

To add one, write one file and enter the class in `src.registry.LISTENERS`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from src.files import disk_errors
from src.messages import SearchEnd, TrialProgress
from src.records import TrialRecord, TrialResult, TrialSpec
from src.registry import LISTENERS, load
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory

if TYPE_CHECKING:  # reading a run needs no TensorFlow
    import keras_tuner as kt

    from src.evaluation.winner import Winner
    from src.search.preparation import PreparedSearch
    from src.search.resume import ResumedRun
    from src.search.workflow import SearchOutcome


class SearchListener:
    """Watches a search. Every method may be left as it is.

    A trial or an end that a listener hears of is in the store already.
    """

    def on_plan(self, prepared: "PreparedSearch", notices: Sequence[str]) -> None:
        """The search is checked and about to begin; the only event of `--dry-run`.

        `notices` are what a user should know of data, settings and resume, a sentence each.
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
        """The best model is in `best/`.

        What a listener raises here is added to the reason of the end; nothing is taken back.
        """

    def on_outcome(self, outcome: "SearchOutcome") -> None:
        """The search is over, and everything is on the disk; the last event."""


class Listeners:
    """Passes events on; an `OSError` of a listener becomes a `DiskError` that names the run.

    A listener that failed at the beginning hears no more.
    """

    def __init__(self, listeners: Sequence[SearchListener], run: RunDirectory) -> None:
        self._listeners, self._run = listeners, run
        self._watching: list[SearchListener] = []

    def begin(self, *arguments: Any) -> None:
        """Tells of `on_search_begin`; the arguments follow the run."""
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


def load_listeners() -> list[SearchListener]:
    """Makes the listeners of the registry."""
    return [load(LISTENERS, name, "LISTENERS")() for name in LISTENERS]


def announce(
    listeners: Sequence[SearchListener],
    prepared: "PreparedSearch",
    resumed: "ResumedRun | None" = None,
) -> None:
    """Tells the listeners what a search will do, which is all that a dry run does."""
    table = prepared.data.table
    notices = [*(() if table is None else table.notices), *prepared.notices]
    for listener in listeners:
        listener.on_plan(prepared, [*notices, *(() if resumed is None else resumed.notices)])
