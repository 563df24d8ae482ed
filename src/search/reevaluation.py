"""Re-evaluation of the top k: trains the best trials again with new seeds.

The best score of many is partly luck: the more trials, and the noisier their scores, the more. The
mean of trainings that did not select the trial has no such selection bias.
"""

from dataclasses import replace

from src.config.schema import ReevaluateSettings
from src.records import Reevaluation, TrialRecord, TrialResult, TrialSpec
from src.search.progress import SearchProgress


def plan(progress: SearchProgress, settings: ReevaluateSettings) -> list[TrialSpec]:
    """Returns what is still to be trained: a spec for each execution, the best trial's first.

    Of a trial and its promotions only the best counts; of equally good ones, the one that trained
    furthest.
    """
    chosen: dict[str, TrialRecord] = {}
    for record in progress.by_search_score:
        if not record.comparable:
            continue
        other = chosen.setdefault(record.spec.root_id, record)
        if record.result.score == other.result.score and record.spec.epochs > other.spec.epochs:
            chosen[record.spec.root_id] = record
    specs = []
    for record in list(chosen.values())[: settings.trials or 0]:
        known = record.reevaluation or Reevaluation(settings.executions)
        if known.reason:
            continue
        # From the first epoch, without the parents that the trial continued.
        whole = replace(record.spec, parent_id=None, initial_epoch=0, keep_state=False)
        whole = replace(whole, thresholds=(), epoch_budget=None)
        first = record.spec.executions
        specs += [
            replace(whole, first_execution=number, executions=number + 1)
            for number in range(first, first + settings.executions)
            if number not in known.trained
        ]
    return specs


def planned(record: TrialRecord, executions: int) -> TrialRecord:
    """Returns the record of a trial where now so many trainings, or fewer, are planned."""
    known = record.reevaluation
    if known is None or known.executions <= executions:
        return record
    return replace(record, reevaluation=replace(known, executions=executions))


def with_training(record: TrialRecord, result: TrialResult, executions: int) -> TrialRecord:
    """Returns the record of a trial with one more training, of `executions` that are planned."""
    known = record.reevaluation or Reevaluation(executions)
    seconds = known.seconds + result.seconds
    if result.status == "FAILED":
        reason = f"another training of it failed: {result.reason}"
        return replace(record, reevaluation=replace(known, seconds=seconds, reason=reason))
    fits = sorted((*known.fits, *result.fits), key=lambda fit: (fit.execution, fit.fold))
    history = sorted((*known.history, *result.history), key=lambda row: row["execution"])
    # Another training beside this one may have failed.
    again = Reevaluation(executions, tuple(fits), tuple(history), seconds, known.reason)
    return replace(record, reevaluation=again)
