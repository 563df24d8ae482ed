"""What the console shows of the winner: its metrics, how sure they are, and those untuned."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from src.config.objectives import judged_metric
from src.console.text import confirmed_text, score_text
from src.evaluation.baselines import Baseline
from src.evaluation.metrics import Metrics
from src.evaluation.winner import Winner
from src.search.events import SearchProgress
from src.text import short_number as number


def winner_facts(
    winner: Winner, progress: SearchProgress, class_names: Sequence[str]
) -> list[tuple[str, str]]:
    """Returns names and sentences."""
    facts = []
    if winner.refit_epochs is not None:
        facts.append(("refitted", f"on train + validation rows for {winner.refit_epochs} epochs"))
    if winner.averaged_models:
        facts.append(("averaged", f"the mean of the {winner.averaged_models} models of all folds"))
    if (tuned := winner.threshold) is not None:
        text = (
            f"'{class_names[1]}' from a probability of {number(tuned.value)} on, which is best on "
            f"the validation rows: {tuned.metric} {number(tuned.score)}, with 0.5 "
            f"{number(tuned.default_score)}"
        )
        facts.append(("threshold", text))
    return facts + _confirmation(winner) + _selection(winner, progress)


def winner_table(winner: Winner) -> Table:
    """A line a metric: on validation and test rows, the test's interval, and the baselines'."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("  metric", no_wrap=True)
    table.add_column("validation", justify="right")
    if winner.test:
        table.add_column("test", justify="right")
        table.add_column("test, 95 %", justify="right", no_wrap=True)
    for baseline in winner.baselines:
        table.add_column(baseline.name, justify="right", style="dim")
    for name, value in winner.validation.items():
        cells = [number(value)]
        if winner.test:
            ends = winner.test_interval.get(name)
            interval = "–" if ends is None else f"{_short(ends[0])}…{_short(ends[1])}"
            cells += [number(winner.test.get(name)), interval]
        judged = [_judged(baseline, winner).get(name) for baseline in winner.baselines]
        table.add_row(f"  {name}", *cells, *map(number, judged))
    return table


def _confirmation(winner: Winner) -> list[tuple[str, str]]:
    """What came of the trial's trainings after the search."""
    known = winner.record.confirmation
    if known is None or known.score is None:
        return []
    times = f"{len(known.trained)} new training{'' if len(known.trained) == 1 else 's'}"
    text = f"{confirmed_text(known)} in {times}; the search saw {score_text(winner.record)}"
    return [("confirmed", text)]


def _selection(winner: Winner, progress: SearchProgress) -> list[tuple[str, str]]:
    """How much of the validation score the test confirms."""
    name = judged_metric(progress.objective.name)
    validation, test = winner.validation.get(name), winner.test.get(name)
    if validation is None or test is None:
        return []
    sign = -1 if progress.objective.direction == "max" else 1
    loss = sign * (test - validation)
    trials = len(progress.completed)
    if loss <= 0 or trials < 2:
        why = "noise: nothing of the score was lost"
    else:
        why = f"noise, and selection: it was the best of {trials} trials on the validation rows"
    side = "worse" if loss > 0 else "better"
    return [("validation to test", f"{name} {number(abs(loss))} {side} on the test rows; {why}")]


def _judged(baseline: Baseline, winner: Winner) -> Metrics:
    return baseline.test if winner.test else baseline.validation


def _short(value: Any) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
