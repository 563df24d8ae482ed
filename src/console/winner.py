"""What the console shows of the winner: its metrics with intervals, and untuned models."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from src.config.objectives import judged_metric
from src.console.text import score_text
from src.evaluation.winner import Winner
from src.search.progress import SearchProgress
from src.text import short_number as number


def winner_facts(
    winner: Winner, progress: SearchProgress, class_names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yields names and sentences: how the model was made, and how far its score can be trusted."""
    if winner.refit_epochs is not None:
        yield "refitted", f"on train + validation rows for {winner.refit_epochs} epochs"
    if (tuned := winner.threshold) is not None:
        yield (
            "threshold",
            f"'{class_names[1]}' from a probability of {number(tuned.value)} on, which is best on "
            f"the validation rows: {tuned.metric} {number(tuned.score)}, with 0.5 "
            f"{number(tuned.default_score)}",
        )
    again = winner.record.reevaluation
    if again is not None and again.score is not None:
        text = f"{score_text(again)}, mean of new trainings: {len(again.trained)}"
        yield "re-evaluated", f"{text}; the search saw {score_text(winner.record.result)}"
    name = judged_metric(progress.objective.name)
    validation, test = winner.validation.get(name), winner.test.get(name)
    if validation is not None and test is not None:
        sign = -1 if progress.objective.direction == "max" else 1
        loss, trials = sign * (test - validation), len(progress.completed)
        side = "worse" if loss > 0 else "better"
        why = "noise: nothing of the score was lost"
        if loss > 0 and trials > 1:
            why = f"noise, and selection: it was the best of {trials} trials on the validation rows"
        yield "validation to test", f"{name} {number(abs(loss))} {side} on the test rows; {why}"


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
    baselines = [b.test if winner.test else b.validation for b in winner.baselines]
    for name, value in winner.validation.items():
        cells = [number(value)]
        if winner.test:
            ends = winner.test_interval.get(name)
            interval = "–" if ends is None else "…".join(map(number, ends))
            cells += [number(winner.test.get(name)), interval]
        table.add_row(f"  {name}", *cells, *(number(metrics.get(name)) for metrics in baselines))
    return table
