"""One search from configuration to exported model."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hypermodels import HYPERMODELS
from src import registry
from src.config import Config, dump_config, load_config
from src.errors import DiskError, UserError
from src.evaluation.winner import Winner, export_winner, read_winner
from src.execution.context import RunContext
from src.files import disk_errors, write_atomically
from src.messages import SearchEnd, TrialProgress
from src.registry import EXECUTORS
from src.search.identity import head
from src.search.listener import SearchListener, announce, load_listeners
from src.search.loop import SearchLoop
from src.search.preparation import PreparedSearch, prepare
from src.search.progress import SearchProgress
from src.search.resume import ResumedRun, check_identity, delete_remains, open_run
from src.signals import StopRequest, TrialInterruptedError
from src.startup import start_fork_server
from src.store.database import Exported, Store
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch


@dataclass(frozen=True)
class SearchOutcome:
    """What a search left behind.

    Attributes:
        run: the run's folder.
        end: why it stopped.
        progress: all trials.
        winner: the exported model; None without a completed trial, or when interrupted.
        resumed_trials: how many trials had ended when the search was resumed; None for a new one.
    """

    run: RunDirectory
    end: SearchEnd
    progress: SearchProgress
    winner: Winner | None
    resumed_trials: int | None = None


def search(
    prepared: PreparedSearch,
    listeners: Sequence[SearchListener] = (),
    resumed: ResumedRun | None = None,
) -> SearchOutcome:
    """Runs a prepared search and exports the winner.

    Args:
        prepared: the search.
        listeners: watch it.
        resumed: the run to go on with; None for a new folder.

    Raises:
        UserError: if the run's folder cannot be made, or the run was another search.
        DiskError: if the first files cannot be written.
    """
    config, settings = prepared.config, prepared.config.run
    engine = _engine(config)

    def on_progress(running: TrialProgress) -> None:
        for listener in listeners:
            listener.on_progress(running)

    def on_stopping() -> None:
        for listener in listeners:
            listener.on_stopping(stop.signal_name)

    stop = StopRequest(on_stopping)
    with stop:
        if resumed is None:
            run = RunDirectory.create(settings.directory, settings.name, config.tuner.name)
            lock = RunLock(run.lock)
        else:
            run, lock = resumed.run, resumed.lock
        with lock:
            saved = None if resumed is None else resumed.saved
            if resumed is not None:
                check_identity(resumed, prepared.identity)
            announce(listeners, prepared, resumed)
            if resumed is not None:
                saves = config.training.save_every is not None
                delete_remains(run, saved, keep_running=saves)
            text = dump_config(prepared.repeatable_config, prepared.recorded, run.config)
            write_atomically(run.config, text)
            context = prepared.context(run)
            progress = SearchProgress(
                prepared.objective,
                prepared.trials,
                secondary=prepared.secondary,
                warm_start=prepared.oracle.knowledge.text,
                reevaluates=config.tuner.confirm.trials is not None,
            )
            loop: SearchLoop
            executor = registry.load(EXECUTORS, engine, "run.engine")(
                *(context, prepared.workers, on_progress, lambda: stop.requested),
                ending=lambda: loop.budgets.trial_end_reason(),  # asked while trials run
            )
            try:
                with _store(prepared, run, saved, text) as store:
                    loop = SearchLoop(
                        prepared.oracle,
                        prepared.hypermodel,
                        config=config,
                        progress=progress,
                        run=run,
                        store=store,
                        executor=executor,
                        stop=stop,
                        listeners=listeners,
                    )
                    if saved is not None:
                        _restore(loop, saved)
                    before = None if resumed is None else len(progress.records)
                    end = loop.run()
                    with suppress(KeyboardInterrupt):  # asked again; workers end with this process
                        executor.shutdown()
                    exported = None if saved is None else saved.exported
                    winner, end = _winner(context, loop, exported, end)
            finally:
                with suppress(KeyboardInterrupt):
                    executor.shutdown()
            if winner is not None:
                end = _tell_export(listeners, run, winner, end)
            outcome = SearchOutcome(run, end, progress, winner, before)
            with suppress(KeyboardInterrupt):  # everything is on the disk
                for listener in listeners:
                    listener.on_outcome(outcome)
            return outcome


def _store(
    prepared: PreparedSearch, run: RunDirectory, saved: SavedSearch | None, config_text: str
) -> Store:
    state = head(prepared.config, config_text, prepared.identity)
    if saved is None:
        return Store.create(run.database, state, prepared.oracle.get_state())
    store = Store(run.database)
    with store.transaction():
        store.set(state)
    return store


def _restore(loop: SearchLoop, saved: SavedSearch) -> None:
    try:
        loop.restore(saved)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # Keras Tuner meets a state that is not its own with any of these.
        raise UserError(
            f"{loop.run_directory.database}: its state is not one of "
            f"tuner.name={loop.config.tuner.name} ({type(error).__name__}: {error}); put back a "
            "copy of the file, or start a new run without --resume"
        ) from error


def _winner(
    context: RunContext, loop: SearchLoop, exported: Exported | None, end: SearchEnd
) -> tuple[Winner | None, SearchEnd]:
    """Exports the best trial's model, unless `best/` has it; and why the search stopped."""
    best, stop = loop.progress.best, loop.stop
    if best is None or end.kind == "interrupted" or loop.abandoned:
        return None, end
    stopped = SearchEnd("interrupted", f"{end.reason}; the export was stopped")
    fits = 0 if best.reevaluated_score is None else len(best.ranking_fits)
    wanted, winner = Exported(best.spec.trial_id, fits), None
    try:
        if stop.requested:  # after the last trial
            return None, stopped
        if exported == wanted:
            winner = read_winner(context.run, best)
        if winner is None:
            winner = export_winner(context, best, lambda: stop.requested)
            with loop.store.transaction():
                loop.store.set({"exported": wanted})
    except (KeyboardInterrupt, TrialInterruptedError):
        return None, stopped
    except Exception as error:
        if stop.requested:  # from a second signal, as TensorFlow passes it on
            return None, stopped
        if not isinstance(error, (UserError, DiskError)):
            raise
        # The trials are worth showing all the same.
        reason = f"{end.reason}; the best model was not exported: {error}"
        return winner, SearchEnd("failing", reason)
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
    resumed = None
    if isinstance(config, Config):
        if resume is not None:
            raise UserError("resume: give a preset, a file or overrides with it, not a Config")
    elif resume is not None:
        resumed = open_run(resume, config, tuple(overrides))
        config = resumed.config
    else:
        config = load_config(config, overrides)
    try:
        if _engine(config) == "process":
            start_fork_server()  # before all else, so that workers come up meanwhile
        saved = None if resumed is None else resumed.saved
        watching = load_listeners() if listeners is None else listeners
        return search(prepare(config, saved), watching, resumed)
    finally:
        if resumed is not None:
            resumed.lock.release()


def _engine(config: Config) -> str:
    """The registry name of the executor.

    Raises:
        UserError: if worker processes are asked for that could not import the HyperModel.
    """
    settings, name = config.run, config.hypermodel.name
    entry = HYPERMODELS.get(name, "")
    if settings.resolved_engine == "serial" or not entry.startswith("__main__:"):
        return settings.resolved_engine
    if settings.engine == settings.workers == "auto":
        return "serial"
    raise UserError(
        f"run.engine: worker processes cannot import '{entry}' (hypermodel.name={name}) from the "
        "main program; move the class into a file of its own, or set run.engine=serial"
    )
