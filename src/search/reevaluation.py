"""Trains the best trials of a search again, from new seeds, so that the winner is not the luckiest.

The best score of many is partly luck: the more trials, and the noisier their scores, the more. The
mean of trainings by which a trial was not chosen has no such bias.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from src.config.schema import ReevaluateSettings
from src.execution.serial import Executor, run_all
from src.records import Confirmation, TrialRecord, TrialResult, TrialSpec
from src.search.events import SearchProgress
from src.search.repair import is_as_written, whole_training
from src.store.run_directory import RunDirectory


def trainings(progress: SearchProgress, settings: ReevaluateSettings) -> list[TrialSpec]:
    """What is to be trained yet: one spec for each execution, the best trial's first.

    Of a trial and those that continue it, only the best one counts, and of equally good ones that
    which was trained furthest: their values are the same.

    Args:
        progress: of the search, with the confirmations that there are.
        settings: how many trials, and how often each.
    """
    chosen: dict[str, TrialRecord] = {}
    for record in progress.by_search_score:
        if record.ranks_behind:
            continue
        other = chosen.setdefault(record.spec.root_id, record)
        if record.result.score == other.result.score and record.spec.epochs > other.spec.epochs:
            chosen[record.spec.root_id] = record
    specs = []
    for record in list(chosen.values())[: settings.trials or 0]:
        known = record.confirmation or Confirmation(settings.executions)
        if not known.reason:
            first = record.spec.executions
            whole = replace(whole_training(record), allowance=None, keep_state=False)
            specs += [
                replace(whole, first_execution=number, executions=number + 1)
                for number in range(first, first + settings.executions)
                if number not in known.trained
            ]
    return specs


def confirm(
    progress: SearchProgress,
    specs: Iterable[TrialSpec],
    executions: int,
    executor: Executor,
    stopping: Callable[[], bool],
) -> Iterator[tuple[TrialRecord, TrialResult]]:
    """Trains them, but of a trial of which one training failed no more.

    Args:
        progress: of the search; whoever iterates puts each record into it.
        specs: those of `trainings`.
        executions: how often each trial is to be trained, before and now.
        executor: trains them.
        stopping: asked whether to give up.

    Yields:
        The record of the trial, with the training, and its result.

    Raises:
        TrialInterruptedError: if it was given up.
    """

    def is_open(spec: TrialSpec) -> bool:
        known = progress.record(spec.trial_id).confirmation
        return known is None or not known.reason

    for spec, result in run_all(executor, filter(is_open, specs), stopping):
        record = progress.record(spec.trial_id)
        yield confirmed(record, result, executions), result


def confirmed(record: TrialRecord, result: TrialResult, executions: int) -> TrialRecord:
    """The record of a trial with another training that confirms it, or fails to.

    Args:
        record: of the trial.
        result: of the training, which is one execution.
        executions: how many there are to be.
    """
    known = record.confirmation or Confirmation(executions)
    seconds = known.seconds + result.seconds
    if result.status == "FAILED":
        reason = f"another training of it failed: {result.reason}"
        return replace(record, confirmation=replace(known, seconds=seconds, reason=reason))
    fits = sorted((*known.fits, *result.fits), key=lambda fit: (fit.execution, fit.fold))
    history = sorted((*known.history, *result.history), key=lambda row: row["execution"])
    # Another training beside this one may have failed.
    confirmation = Confirmation(executions, tuple(fits), tuple(history), seconds, known.reason)
    return replace(record, confirmation=confirmation)


def take_back_damaged(run: RunDirectory, progress: SearchProgress) -> None:
    """Takes back what confirms the best trial as far as its weights are damaged.

    It is trained again like whatever has not been trained yet. A notice is added.
    """
    record = progress.best
    if record is None or record.confirmation is None:
        return
    known, lost = record.confirmation, {}
    for fit in known.fits:
        path = run.weights(record.spec.trial_id, fit.execution, fit.fold)
        if fit.weights is not None and not is_as_written(path, fit.weights):
            lost[fit.execution] = path
    if lost:
        fits = tuple(fit for fit in known.fits if fit.execution not in lost)
        history = tuple(row for row in known.history if row["execution"] not in lost)
        left = replace(record, confirmation=replace(known, fits=fits, history=history))
        progress.records[progress.records.index(record)] = left
        progress.notices.append(
            f"{', '.join(map(str, lost.values()))}: missing or damaged; trial "
            f"{record.spec.trial_id} is confirmed again for it"
        )
