"""What came of a search: why it stopped, its best trials and model, its files, what to run next."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.config.objectives import judged_metric
from src.console.text import NAME_WIDTH, printable, score_text, show_lines, show_path
from src.evaluation.comparison import lead_of_the_first
from src.evaluation.pareto import value_of
from src.evaluation.winner import Winner
from src.registry import TUNERS
from src.search.preparation import PreparedSearch
from src.search.progress import SearchProgress
from src.search.workflow import SearchOutcome
from src.text import command, go_on_command, python_command, resume_command
from src.text import short_number as number
from src.tuners.space import format_value

LEADERBOARD_TRIALS = 5
LEADERBOARD_COLUMN_WIDTH = 13  # two blanks included
MOST_OF_FRONT = 12


def show_outcome(console: Console, prepared: PreparedSearch, outcome: SearchOutcome) -> None:
    """Prints why the search stopped, the best trials, the winner, the files and what to do next."""
    progress, run, winner = outcome.progress, outcome.run, outcome.winner
    console.rule("[bold]Result", align="left")
    show_lines(console, _end(outcome))
    if progress.best is not None:
        console.print(leaderboard(progress, console.width))
        if progress.secondary:
            console.print(pareto_table(progress))
        lead = lead_of_the_first(progress.completed, progress.objective.direction)
        if lead is not None:
            show_lines(console, [("first and second", lead.text)])
        console.rule("[bold]Best hyperparameters", align="left")
        values = progress.best.spec.values
        show_lines(console, [(name, format_value(name, value)) for name, value in values.items()])
    elif progress.records:
        console.print(Text(progress.records[-1].result.traceback, style="dim"))
    if winner is not None:
        console.rule("[bold]Best model", align="left")
        show_lines(console, winner_facts(winner, progress, prepared.data.class_names))
        console.print(winner_table(winner))
    console.rule("[bold]Files", align="left")
    exports = (run.model, run.metrics, run.predictions)  # those of an earlier winner stay
    for path in (run.trials_table, run.history_table, run.log, *exports):
        if path.exists():
            show_path(console, path)
    console.rule("[bold]Next", align="left")
    for purpose, text in _next_commands(outcome, prepared):
        console.print(Text(f"  # {purpose}", style="dim"))
        console.print(Text(f"  {text}"), soft_wrap=True)


def leaderboard(progress: SearchProgress, width: int) -> Table:
    """The best trials side by side: a column a trial, a row a hyperparameter that varies."""
    fitting = (width - NAME_WIDTH) // LEADERBOARD_COLUMN_WIDTH
    shown = progress.completed[: max(1, min(fitting, LEADERBOARD_TRIALS))]
    results, again = [r.result for r in shown], [r.reevaluation for r in shown]
    table = _table("best trials", [record.spec.trial_id for record in shown])
    table.add_row(f"  {progress.objective.name}", *map(score_text, results))
    if any(again):
        table.add_row("  re-evaluated", *("" if one is None else score_text(one) for one in again))
    table.add_row("  best epoch / epochs", *(f"{r.best_epoch}/{r.epochs}" for r in results))
    table.add_row("  seconds", *(f"{result.seconds:.1f}" for result in results))
    table.add_row("  parameters", *(f"{result.parameters:,}" for result in results))
    for name in dict.fromkeys(name for record in shown for name in record.spec.values):
        values = [record.spec.values.get(name) for record in shown]
        if len(set(map(repr, values))) > 1:
            cells = ("" if value is None else format_value(name, value) for value in values)
            table.add_row(f"  {name}", *cells)
    return table


def pareto_table(progress: SearchProgress) -> Table:
    """The trials that no other trial dominates, best in the objective first."""
    objectives = [other.name for other in progress.secondary]
    table = _table("Pareto front", [progress.objective.name, *objectives])
    for record in progress.front[:MOST_OF_FRONT]:
        cells = (number(value_of(record, name)) for name in objectives)
        table.add_row(f"  {record.spec.trial_id}", score_text(record.result), *cells)
    if len(progress.front) > MOST_OF_FRONT:
        table.add_row(f"  {len(progress.front) - MOST_OF_FRONT} more in trials.csv")
    return table


def winner_facts(
    winner: Winner, progress: SearchProgress, class_names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yields names and sentences: how the model was made, and how far its score can be trusted."""
    if winner.refit_epochs is not None:
        yield "refitted", f"on train + validation rows for {winner.refit_epochs} epochs"
    if (tuned := winner.threshold) is not None:
        scores = f"{tuned.metric} {number(tuned.score)}, with 0.5 {number(tuned.default_score)}"
        at = f"'{class_names[1]}' from a probability of {number(tuned.value)} on"
        yield "threshold", f"{at}, which is best on the validation rows: {scores}"
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
    table = Table("  metric", box=None, padding=(0, 1, 0, 0))
    for name in ("validation", *(("test", "test, 95 %") if winner.test else ())):
        table.add_column(name, justify="right", no_wrap=True)
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


def _table(name: str, columns: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(f"  {name}", width=NAME_WIDTH)
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table


def _end(outcome: SearchOutcome) -> Iterator[tuple[str, str]]:
    progress = outcome.progress
    failed = f", {progress.failures} failed" if progress.failures else ""
    pruned = f" ({progress.pruned} pruned)" if progress.pruned else ""
    yield "ended", f"{outcome.end.reason}; {len(progress.completed)} completed{pruned}{failed}"
    failures = (record.result for record in progress.records if record.result.status == "FAILED")
    reasons = Counter(result.reason for result in failures)
    for reason, count in reasons.most_common(3):
        yield f"{count} ×", printable(reason)


def _next_commands(outcome: SearchOutcome, prepared: PreparedSearch) -> Iterator[tuple[str, str]]:
    """What to do next: purposes and commands."""
    python, run, config = python_command(), outcome.run, prepared.config
    section, _, name = outcome.end.setting.partition(".")
    if outcome.end.kind != "finished":
        yield "go on with this search", resume_command(run.path)
    elif section == "limits":
        yield go_on_command(run.path, outcome.end.setting, getattr(config.limits, name))
    elif (most := prepared.oracle.max_trials) is not None:
        yield go_on_command(run.path, "tuner.max_trials", most)
    if find_spec("src.reporting") is not None:  # the folder may be deleted
        yield "a report: what won, is it real, what next", command("report", run.path)
    board = f"{python} -m tensorboard.main --host 127.0.0.1 --logdir"
    tensorboard = f"{board} {shlex.quote(str(run.tensorboard))}"
    yield "look at the trials: open the address that it prints", tensorboard
    if outcome.winner is not None:
        retrain = f"{command('retrain', run.path)} --seeds 5 --ensemble"
        yield "train the best trial anew, on validation rows too", retrain
        yield "predict the rows of a file", f"{command('predict', run.path)} FILE"
    others = ", ".join(tuner for tuner in TUNERS if tuner != config.tuner.name)
    again = f"{python} -m src.tune --config {shlex.quote(str(run.config))} run.name=auto"
    yield f"another tuner: {others}", f"{again} tuner.name=TUNER"
    own = "data.source=SOURCE data.path=FILE data.target=COLUMN"
    yield "your own data, with a source that --help lists", f"{python} -m src.tune {own}"
