"""What `python -m src.tune` shows: settings, space, progress, results, next steps."""

import shlex
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import keras_tuner as kt
from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.config.objectives import judged_metric
from src.console.columns import columns_grid
from src.console.text import (
    NAME_WIDTH,
    confirmed_text,
    score_text,
    show_line,
    show_notice,
    show_path,
)
from src.console.winner import winner_facts, winner_table
from src.evaluation.comparison import lead_of_the_first
from src.evaluation.pareto import value_of
from src.evaluation.winner import Winner
from src.records import TrialRecord
from src.search.budgets import limits_text
from src.search.events import SearchProgress
from src.search.preparation import PreparedSearch
from src.search.workflow import SearchOutcome
from src.text import (
    go_on_command,
    predict_command,
    python_command,
    report_command,
    resume_command,
    retrain_command,
)
from src.text import short_number as number
from src.tuners import space as spaces
from src.tuners.points_to_evaluate import brief

LEADERBOARD_COLUMNS = 5
LEADERBOARD_COLUMN_WIDTH = 13  # two blanks included
MOST_COLUMN_SETTINGS = 10
MOST_OF_FRONT = 12
WIDE = NAME_WIDTH + LEADERBOARD_COLUMN_WIDTH * (LEADERBOARD_COLUMNS + 2)


def show_plan(
    console: Console,
    prepared: PreparedSearch,
    differing: Mapping[str, Any],
) -> None:
    """Prints the settings that differ from the defaults, the data, the space and the plan."""
    data, config = prepared.data, prepared.config
    console.rule("[bold]Settings", align="left")
    columns = [key for key in differing if key.startswith("data.columns.")]
    if len(columns) > MOST_COLUMN_SETTINGS:  # a rerun of a run's own file sets them all
        differing = {key: value for key, value in differing.items() if key not in columns}
        differing |= {"data.columns": f"{len(columns)} columns"}
    for key, value in differing.items():
        show_line(console, key, _setting(value), width=max(map(len, differing)) + 2)
    if not differing:
        console.print("  all defaults")
    console.rule("[bold]Data", align="left")
    classes = f", {len(data.class_names)} classes" if data.class_names else ""
    inferred = " (inferred; set data.task to change)" if data.task_inferred else ""
    show_line(console, data.name, f"{data.x.shape[1]} features, {data.task}{classes}{inferred}")
    counts = (f"{len(data.train)} train", f"{len(data.validation)} validation")
    show_line(console, "rows", " + ".join((*counts, f"{len(data.test)} test")))
    if data.table is not None:
        console.print(columns_grid(data.table.columns))
        for notice in data.table.notices:
            show_notice(console, notice)
    if config.data.class_weight == "balanced":
        show_line(
            console, "class weights", "rows / (classes × rows of the class), in the training loss"
        )
    console.rule("[bold]Search space", align="left")
    _show_space(console, prepared.space)
    if prepared.passed_over:
        names = ", ".join(prepared.passed_over)
        show_line(
            console, "passed over", f"{names}: hypermodel.name={config.hypermodel.name} has none"
        )
    console.rule("[bold]Plan", align="left")
    show_line(console, "tuner", f"{config.tuner.name}: {prepared.steps[0]}")
    for line in prepared.steps[1:]:
        show_line(console, "", line)
    for place, values in enumerate(prepared.oracle.initial, 1):
        show_line(console, "initial" if place == 1 else "", f"{place}: {brief(values)}")
    known = prepared.oracle.knowledge
    if known.text:
        show_line(console, "knowledge", known.text)
        for values in known.first:
            show_line(console, "", f"runs first: {brief(_differing(values, prepared.space))}")
    settings = config.tuner
    fits = settings.executions_per_trial * settings.folds
    repeats = "" if fits == 1 else f", each trained {fits} times"
    if fits > 1:
        executions = settings.executions_per_trial
        plural = "" if executions == 1 else "s"
        repeats += f" ({executions} execution{plural} × {settings.folds} folds)"
    in_all = "" if prepared.epochs is None else f"; {prepared.epochs:,} in all"
    show_line(console, "epochs", f"at most {config.training.epochs} a trial{repeats}{in_all}")
    if text := limits_text(config.limits, prepared.objective.name):
        show_line(console, "limits", text)
    if (pruner := config.pruner).name != "none":
        first = f"from epoch {pruner.first_epoch} on, against at least {pruner.startup_trials}"
        show_line(console, "pruner", f"{pruner.name}: {first} trials that ended before")
    if settings.confirm.trials is not None:
        best, again = settings.confirm.trials, settings.confirm.executions
        which = "the best trial" if best == 1 else f"each of the best {best} trials"
        times = "once" if again == 1 else f"{again} times"
        more = settings.confirm.trainings * settings.folds * config.training.epochs
        text = f"{which} trained {times} more, from new seeds; at most {more:,} epochs"
        show_line(console, "at the end", text)
    if prepared.workers > 1:
        show_line(console, "workers", f"{prepared.workers} processes, one trial each at a time")
    show_line(console, "objective", f"{prepared.objective.name} ({prepared.objective.direction})")
    if prepared.also:
        others = ", ".join(f"{other.name} ({other.direction})" for other in prepared.also)
        show_line(console, "also counts", others)


def show_outcome(
    console: Console,
    prepared: PreparedSearch,
    outcome: SearchOutcome,
    arguments: Sequence[str],
) -> None:
    """Prints why the search stopped, the best trials, the winner, the files and what to do next.

    Args:
        console: where to.
        prepared: the search.
        outcome: what the search left.
        arguments: those of the command line, for the commands to run next.
    """
    progress, run = outcome.progress, outcome.run
    console.rule("[bold]Result", align="left")
    failed = f", {progress.failures} failed" if progress.failures else ""
    pruned = f" ({progress.pruned} pruned)" if progress.pruned else ""
    done = f"{len(progress.completed)} completed{pruned}{failed}"
    show_line(console, "stopped", f"{outcome.end.reason}; {done}")
    none_was_left = len(progress.records) == outcome.resumed_trials and not progress.trained_again
    if outcome.end.kind == "finished" and none_was_left:
        setting = outcome.end.setting or "tuner.max_trials or tuner.hyperband_iterations"
        better = "another" if setting == "limits.target" else "a larger"
        text = f"no trial was left to run; {better} {setting} goes on"
        show_line(console, "resumed", text)
    if progress.failures:
        _show_failures(console, progress)
    if progress.best is not None:
        console.print(_leaderboard(progress, outcome.winner, console.width))
        if progress.also:
            console.print(_front_table(progress))
        if outcome.winner is not None and console.width < WIDE:
            for baseline in outcome.winner.baselines:
                score = baseline.validation.get(judged_metric(progress.objective.name))
                show_line(console, "untuned", f"{number(score)}  {baseline.name}")
        if (
            lead := lead_of_the_first(progress.completed, progress.objective.direction)
        ) is not None:
            show_line(console, "first and second", lead.text)
        console.rule("[bold]Best hyperparameters", align="left")
        for name, value in progress.best.spec.values.items():
            show_line(console, name, spaces.format_value(name, value))
    if outcome.winner is not None:
        console.rule("[bold]Best model", align="left")
        for name, text in winner_facts(outcome.winner, progress, prepared.data.class_names):
            show_line(console, name, text)
        console.print(winner_table(outcome.winner))
    console.rule("[bold]Files", align="left")
    files = [("trials", run.trials_table), ("epochs", run.history_table), ("log", run.log)]
    if outcome.winner is not None:
        files += [("model", run.model), ("metrics", run.metrics), ("predictions", run.predictions)]
    for name, path in files:
        if path.exists():
            show_path(console, name, path)
    console.rule("[bold]Next", align="left")
    for purpose, command in _next_commands(outcome, prepared, arguments):
        console.print(Text(f"  # {purpose}", style="dim"))
        console.print(Text(f"  {command}"), soft_wrap=True)


def _show_space(console: Console, space: kt.HyperParameters) -> None:
    rows = spaces.dimensions(space)
    for row in (row for row in rows if row.searched):
        domain = Text(row.domain)
        if row.condition:
            domain.append(f"  if {row.condition}", style="dim")
        show_line(console, row.name, domain)
    pinned = ", ".join(f"{row.name} {row.domain}" for row in rows if not row.searched)
    if pinned:
        show_line(console, "pinned", Text(pinned, style="dim"))
    show_line(console, "size", str(spaces.size(space)))


def _leaderboard(progress: SearchProgress, winner: Winner | None, width: int) -> Table:
    """The best trials side by side: a column each, a row a hyperparameter that varies.

    On a wide terminal, the baselines stand beside them, which were not tuned.
    """
    fitting = (width - NAME_WIDTH) // LEADERBOARD_COLUMN_WIDTH
    baselines = () if winner is None or width < WIDE else winner.baselines
    shown = progress.completed[: max(1, min(fitting, LEADERBOARD_COLUMNS))]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("  best trials", width=NAME_WIDTH)
    for record in shown:
        table.add_column(record.spec.trial_id, justify="right", overflow="fold")
    for baseline in baselines:
        table.add_column(baseline.name, justify="right", style="dim")
    results = [record.result for record in shown]
    metric = judged_metric(progress.objective.name)
    table.add_row(
        f"  {progress.objective.name}",
        *(score_text(record) for record in shown),
        *(number(baseline.validation.get(metric)) for baseline in baselines),
    )
    if any(record.confirmation is not None for record in shown):
        again = (r.confirmation for r in shown)
        table.add_row("  confirmed", *("" if one is None else confirmed_text(one) for one in again))
    table.add_row("  best epoch / epochs", *(f"{r.best_epoch}/{r.epochs}" for r in results))
    table.add_row("  seconds", *(f"{result.seconds:.1f}" for result in results))
    table.add_row("  parameters", *(f"{result.parameters:,}" for result in results))
    for name in _varying(shown):
        values = [record.spec.values.get(name) for record in shown]
        cells = ("" if value is None else _short(name, value) for value in values)
        table.add_row(f"  {name}", *cells)
    return table


def _front_table(progress: SearchProgress) -> Table:
    """The trials that no other one beats in all that counts, best in the objective first."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("  Pareto front", width=NAME_WIDTH)
    table.add_column(progress.objective.name, justify="right", overflow="fold")
    for other in progress.also:
        table.add_column(other.name, justify="right", overflow="fold")
    front = progress.front
    for record in front[:MOST_OF_FRONT]:
        others = (_cost(value_of(record, other.name)) for other in progress.also)
        table.add_row(f"  {record.spec.trial_id}", score_text(record), *others)
    if len(front) > MOST_OF_FRONT:
        table.add_row(f"  {len(front) - MOST_OF_FRONT} more in trials.csv")
    return table


def _cost(value: float | None) -> str:
    return f"{value:,}" if isinstance(value, int) else number(value)


def _differing(values: Mapping[str, Any], space: kt.HyperParameters) -> dict[str, Any]:
    """What is not as in the default configuration."""
    default = spaces.default_values(space.space)
    return {name: value for name, value in values.items() if default.get(name) != value}


def _short(name: str, value: Any) -> str:
    """Three digits: enough to compare; all of them stand in trials.csv."""
    return f"{value:.3g}" if isinstance(value, float) else spaces.format_value(name, value)


def _varying(records: Sequence[TrialRecord]) -> list[str]:
    """Hyperparameters in which the records differ, in order."""
    names = dict.fromkeys(name for record in records for name in record.spec.values)
    return [n for n in names if len({repr(r.spec.values.get(n)) for r in records}) > 1]


def _show_failures(console: Console, progress: SearchProgress) -> None:
    reasons: dict[str, int] = {}
    for record in progress.records:
        if record.result.status == "FAILED":
            reasons[record.result.reason] = reasons.get(record.result.reason, 0) + 1
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:3]:
        show_line(console, f"{count} ×", reason)
    last = next(r for r in reversed(progress.records) if r.result.status == "FAILED")
    if last.result.traceback and progress.best is None:
        console.print(Text(last.result.traceback, style="dim"))


def _next_commands(
    outcome: SearchOutcome, prepared: PreparedSearch, arguments: Sequence[str]
) -> list[tuple[str, str]]:
    python, run, settings = python_command(), outcome.run, prepared.config.tuner
    resume, limits = resume_command(run.path), prepared.config.limits
    ended_by = outcome.end.setting
    section, _, name = ended_by.partition(".")
    commands = []
    if outcome.end.kind != "finished":
        commands.append(("go on with this search", resume))
    elif section == "limits":
        commands.append(go_on_command(run.path, ended_by, getattr(limits, name)))
    elif settings.trial_cap is not None:
        commands.append(go_on_command(run.path, "tuner.max_trials", settings.trial_cap))
    if find_spec("src.reporting") is not None:  # the folder may be deleted
        commands.append(("a report: what won, is it real, what next", report_command(run.path)))
    commands.append(
        (
            "look at the trials: open the address that it prints",
            f"{python} -m tensorboard.main --host 127.0.0.1 --logdir "
            f"{shlex.quote(str(run.tensorboard))}",
        )
    )
    if outcome.winner is not None:
        retrain = f"{retrain_command(run.path)} --seeds 5 --ensemble"
        commands.append(("train the best trial anew, on validation rows too", retrain))
        commands.append(("predict the rows of a file", predict_command(run.path)))
    if outcome.resumed_trials is None and settings.knowledge is None:
        own = ("tuner.factor=", "tuner.hyperband_iterations=", "tuner.grid_points=")
        kept = [w for w in arguments if not w.startswith(("tuner.name=", "run.name=", *own))]
        tuner = "random" if settings.name == "gp" else "gp"
        another = shlex.join([*kept, f"tuner.name={tuner}"])
        commands.append(("another tuner", f"{python} -m src.tune {another}"))
    commands.append(
        (
            "your own table",
            f"{python} -m src.tune data.source=csv data.path=FILE.csv data.target=COLUMN",
        )
    )
    return commands


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_setting(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_setting(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
