"""One search from configuration to exported model."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from src.config import Config, load_config
from src.errors import DiskError, UserError
from src.evaluation.winner import Winner, export_winner, read_winner
from src.execution.executor import RunContext
from src.files import disk_errors, write_atomically
from src.messages import SearchEnd
from src.search.identity import search_state
from src.search.listener import SearchListener, announce, load_listeners
from src.search.loop import SearchLoop
from src.search.preparation import PreparedSearch, prepare
from src.search.progress import SearchProgress
from src.search.resume import ResumedRun, delete_leftovers, open_run
from src.signals import StopRequest, TrialInterruptedError
from src.startup import start_fork_server
from src.store.database import Exported, Store
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch


@dataclass(frozen=True)
class SearchOutcome:
    """What a search left behind."""

    run: RunDirectory  # the run's folder
    end: SearchEnd  # why it stopped
    progress: SearchProgress  # all trials
    winner: Winner | None  # the exported model; None without a completed trial, or when interrupted
    # How many trials had ended when the search was resumed; None for a new one.
    resumed_trials: int | None = None


def run(
    config: Config | str | Path | None = None,
    overrides: Sequence[str] = (),
    listeners: Sequence[SearchListener] | None = None,
    resume: str | None = None,
) -> SearchOutcome:
    """Runs a search from a notebook or a script: `run("quick", ["tuner.max_trials=3"])`.

    Args:
        config: a `Config`, a preset's name, a file, or None for the default preset.
        overrides: `key=value` texts, as on the command line; only without a `Config`.
        listeners: watch the search; None for those of `src.registry.LISTENERS`, as the command
            has them.
        resume: a run's folder or name, to go on with its search; only without a `Config`.

    Raises:
        UserError: for a mistake in the configuration or the data.
        DiskError: if the first files cannot be written.
    """
    resumed, saved = None, None
    if resume is not None:
        if isinstance(config, Config):
            raise UserError("resume: give a preset, a file or overrides with it, not a Config")
        resumed = open_run(resume, config, overrides)
        config, saved = resumed.config, resumed.saved
    elif not isinstance(config, Config):
        config = load_config(config, overrides)
    try:
        if not config.in_process:
            start_fork_server()  # before all else, so that workers come up meanwhile
        watching = load_listeners() if listeners is None else listeners
        return search(prepare(config, saved), watching, resumed)
    finally:
        if resumed is not None:
            resumed.lock.release()


def search(
    prepared: PreparedSearch,
    listeners: Sequence[SearchListener] = (),
    resumed: ResumedRun | None = None,
) -> SearchOutcome:
    """Runs a prepared search in a new folder, or goes on with a run, and exports the winner.

    Raises:
        UserError: if the run's folder cannot be made, or its state is not one of this tuner.
        DiskError: if the first files cannot be written.
    """

    def on_stopping() -> None:
        for listener in listeners:
            listener.on_stopping(stop.signal_name)

    with StopRequest(on_stopping) as stop:
        if resumed is None:
            settings = prepared.config.run
            name = prepared.config.tuner.name
            folder = RunDirectory.create(settings.directory, settings.name, name)
            lock, saved = RunLock(folder.lock), None
        else:
            folder, lock, saved = resumed.run, resumed.lock, resumed.saved
        with lock:
            announce(listeners, prepared, resumed)
            if resumed is not None:
                delete_leftovers(folder)
            with _store(prepared, folder, saved) as store:
                loop = SearchLoop(prepared, folder, store, stop, listeners)
                if saved is not None:
                    _restore(loop, prepared, saved)
                before = None if resumed is None else len(loop.progress.records)
                end = loop.run()
                winner = None
                if end.kind != "interrupted" and loop.may_export:
                    context = prepared.context(folder)
                    exported = None if saved is None else saved.exported
                    winner, end = _export(context, loop.progress, store, stop, exported, end)
            if winner is not None:
                end = _tell_export(listeners, folder, winner, end)
            outcome = SearchOutcome(folder, end, loop.progress, winner, before)
            with suppress(KeyboardInterrupt):  # everything is on the disk
                for listener in listeners:
                    listener.on_outcome(outcome)
            return outcome


def _store(prepared: PreparedSearch, run: RunDirectory, saved: SavedSearch | None) -> Store:
    """Writes config.yaml, and opens the state."""
    text = prepared.config_text(run.config)
    write_atomically(run.config, text)
    state = search_state(prepared.config, text, prepared.identity)
    if saved is None:
        return Store.create(run.database, state, prepared.oracle.get_state())
    store = Store(run.database)
    with store.transaction():
        store.set(state)
    return store


def _restore(loop: SearchLoop, prepared: PreparedSearch, saved: SavedSearch) -> None:
    try:
        loop.restore(saved)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Keras Tuner meets a state that is not its own with any of these.
        raise UserError(
            f"{saved.run.database}: its state is not one of "
            f"tuner.name={prepared.config.tuner.name} ({type(error).__name__}: {error}); put back "
            "a copy of the file, or start a new run without --resume"
        ) from error


def _export(
    context: RunContext,
    progress: SearchProgress,
    store: Store,
    stop: StopRequest,
    exported: Exported | None,
    end: SearchEnd,
) -> tuple[Winner | None, SearchEnd]:
    """Exports the best trial's model, unless `best/` has it; and why the search stopped."""
    if (best := progress.best) is None:
        return None, end
    fits = 0 if best.reevaluated_score is None else len(best.ranking_fits)
    wanted, winner = Exported(best.spec.trial_id, fits), None
    try:
        if stop.requested:  # after the last trial
            raise TrialInterruptedError
        if exported == wanted:
            winner = read_winner(context.run, best)
        if winner is None:
            with store.transaction():  # a kill must not leave another trial's model under this name
                store.set({"exported": None})
            winner = export_winner(context, best, lambda: stop.requested)
            with store.transaction():
                store.set({"exported": wanted})
    except Exception as error:
        # A second signal may come out of TensorFlow as any other exception.
        if stop.requested or isinstance(error, TrialInterruptedError):
            return None, SearchEnd("interrupted", f"{end.reason}; the export was stopped")
        if not isinstance(error, (UserError, DiskError)):
            raise
        # The trials are worth showing all the same.
        reason = f"{end.reason}; the best model was not exported: {error}"
        return winner, SearchEnd("failing", reason)
    except KeyboardInterrupt:
        return None, SearchEnd("interrupted", f"{end.reason}; the export was stopped")
    return winner, end


def _tell_export(
    listeners: Sequence[SearchListener], run: RunDirectory, winner: Winner, end: SearchEnd
) -> SearchEnd:
    """Tells the listeners; and why the search stopped."""
    for listener in listeners:
        try:
            with disk_errors(run.path):
                listener.on_export(run, winner)
        except KeyboardInterrupt:
            return SearchEnd("interrupted", f"{end.reason}; the last files were stopped")
        except DiskError as error:
            return SearchEnd("failing", f"{end.reason}; {error}")
        except Exception as error:  # whatever is wrong with a picture, the search is done
            problem = f"{type(error).__name__}: {error}"
            end = replace(end, reason=f"{end.reason}; not all could be shown: {problem}")
    return end
