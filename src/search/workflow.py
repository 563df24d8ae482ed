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
from src.execution.trial_runner import RunContext
from src.files import disk_errors, write_atomically
from src.registry import EXECUTORS
from src.search.events import SearchEnd, SearchListener, SearchProgress, TrialProgress
from src.search.loop import SearchTuner
from src.search.preparation import PreparedSearch, prepare
from src.search.resume import ResumedRun, check_identity, head, open_run, remove_remains
from src.signals import StopRequest, TrialInterruptedError
from src.startup import start_fork_server
from src.store.lock import RunLock
from src.store.run_directory import RunDirectory


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
                saves = config.training.save_every is not None
                remove_remains(run, saved, keep_running=saves)
            text = dump_config(config, prepared.recorded, run.config)
            write_atomically(run.config, text)
            context = prepared.context(run)
            executor_class = registry.load(EXECUTORS, engine, "run.engine")
            tuner: SearchTuner
            executor = executor_class(
                *(context, prepared.workers, on_progress, lambda: stop.requested),
                ending=lambda: tuner.limits.ending(),  # asked while trials run
            )
            try:
                tuner = SearchTuner(
                    prepared.oracle,
                    prepared.hypermodel,
                    config=config,
                    run=run,
                    executor=executor,
                    stop=stop,
                    head=head(config, text, prepared.identity),
                    also=prepared.also,
                    saved=saved,
                    listeners=listeners,
                )
                before = None if resumed is None else len(tuner.progress.records)
                end = tuner.search()
            finally:
                with suppress(KeyboardInterrupt):  # asked again; workers end with this process
                    executor.shutdown()
            winner, end = _winner(context, tuner, end)
            if winner is not None:
                end = _tell_export(listeners, run, winner, end)
            return SearchOutcome(run, end, tuner.progress, winner, before)


def _winner(
    context: RunContext, tuner: SearchTuner, end: SearchEnd
) -> tuple[Winner | None, SearchEnd]:
    """Exports the best trial's model, unless `best/` has it; and why the search stopped."""
    best, stop = tuner.progress.best, tuner.stop
    if best is None or end.kind == "interrupted" or tuner.disk_failed:
        return None, end
    stopped = SearchEnd("interrupted", f"{end.reason}; the export was stopped")
    winner = None
    try:
        if stop.requested:  # after the last trial
            return None, stopped
        if tuner.is_exported(best):
            winner = read_winner(context.run, best)
        if winner is None:
            tuner.note_export(None)
            winner = export_winner(context, best, lambda: stop.requested)
            tuner.note_export(best)
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
    listeners: Sequence[SearchListener] = (),
    resume: str | None = None,
) -> SearchOutcome:
    """Runs a search from a notebook or a script: `run("quick", ["tuner.max_trials=3"])`.

    Args:
        config: a `Config`, a preset's name, a file, or None for the default preset.
        overrides: `key=value` texts, as on the command line; only without a `Config`.
        listeners: watch the search, as those of `src.reporting.report_listeners()` do.
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
        return search(prepare(config, saved), listeners, resumed)
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
