"""What a search will do: its settings, data, search space and plan."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.config import Config
from src.config.dump import differing
from src.console.text import printable, show_lines
from src.data.tables.columns import Column
from src.data.tables.formats import PLAIN, TEXT
from src.search.preparation import PreparedSearch
from src.text import shortened
from src.tuners import space as spaces
from src.tuners.enumeration import size_text

MOST_LINES = 40  # of more columns, those of one kind and treatment share a line
LONGEST_NAME, LONGEST_CELL = 24, 12
OVERRULED = (
    "data.columns.NAME=numeric, boolean, categorical, date or drop; how numbers, dates and missing "
    "values are read: data.decimal, .date_order, .missing, .default_missing"
)
_MOST_NAMES = 3


def show_plan(console: Console, prepared: PreparedSearch, notices: Sequence[str]) -> None:
    """Prints the settings that differ from the defaults, the data, the space and the plan."""
    console.rule("[bold]Settings", align="left")
    show_lines(console, list(_settings(prepared.config)) or [("all defaults", "")])
    console.rule("[bold]Data", align="left")
    show_lines(console, _data(prepared))
    if prepared.data.table is not None:
        console.print(columns_grid(prepared.data.table.columns))
        show_lines(console, [("overruled by", Text(OVERRULED, style="dim"))])
    console.rule("[bold]Search space", align="left")
    show_lines(console, _space(prepared))
    console.rule("[bold]Plan", align="left")
    show_lines(console, _plan(prepared))
    show_lines(console, [("notice", Text(notice, style="yellow")) for notice in notices])


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    for key, value in differing(config).items():
        if not key.startswith("data.columns."):  # the table of columns shows them
            yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _data(prepared: PreparedSearch) -> Iterator[tuple[str, str]]:
    data = prepared.data
    classes = f", {len(data.class_names)} classes" if data.class_names else ""
    inferred = " (inferred; set data.task to change)" if data.task_inferred else ""
    yield data.name, f"{data.x.shape[1]} features, {data.task}{classes}{inferred}"
    rows = f"{len(data.train)} train + {len(data.validation)} validation + {len(data.test)} test"
    yield "rows", rows
    if data.table is not None and data.table.form.remarks:
        yield "file", ", ".join(data.table.form.remarks)
    if prepared.config.data.class_weight == "balanced":
        yield "class weights", "rows / (classes × rows of the class), in the training loss"


def _space(prepared: PreparedSearch) -> Iterator[tuple[str, str | Text]]:
    active = spaces.reachable(prepared.space.space)
    for hp in active:
        if spaces.is_searched(hp):
            condition = f"  if {spaces.condition_text(hp)}" if hp.conditions else ""
            yield hp.name, Text(spaces.domain_text(hp)).append(condition, style="dim")
    single = (hp for hp in active if not spaces.is_searched(hp))
    if pinned := ", ".join(f"{hp.name} {spaces.domain_text(hp)}" for hp in single):
        yield "pinned", Text(pinned, style="dim")
    yield "size", size_text(prepared.space)
    if names := ", ".join(prepared.passed_over):
        yield "passed over", f"{names}: hypermodel.name={prepared.config.hypermodel.name} has none"


def _plan(prepared: PreparedSearch) -> Iterator[tuple[str, str]]:
    config, oracle, objective = prepared.config, prepared.oracle, prepared.objective
    settings, again = config.tuner, config.tuner.reevaluate
    for place, step in enumerate(prepared.oracle.plan()):
        yield ("", step) if place else ("tuner", f"{settings.name}: {step}")
    for place, values in enumerate(oracle.points_to_evaluate, 1):
        yield "enqueued first" if place == 1 else "", f"{place}: {_brief(values)}"
    if oracle.warm_start.text:
        yield "warm start", oracle.warm_start.text
        default = spaces.default_values(prepared.space.space)
        for values in oracle.warm_start.first:
            differs = {name: v for name, v in values.items() if default.get(name) != v}
            yield "", f"runs first: {_brief(differs)}"
    fits = settings.executions_per_trial * settings.folds
    each = f", each trained {fits} times ({settings.folds} folds)" if fits > 1 else ""
    in_all = "" if prepared.epochs is None else f"; {prepared.epochs:,} in all"
    yield "epochs", f"at most {config.training.epochs} a trial{each}{in_all}"
    if (pruner := config.pruner).name != "none":
        start = f"from epoch {pruner.first_epoch} on, against at least {pruner.startup_trials}"
        yield "pruner", f"{pruner.name}: {start} trials that ended before"
    if again.trials is not None:
        trainings = again.trials * again.executions * settings.folds
        text = f"best trials: {again.trials}, each trained {again.executions} × from new seeds"
        yield "re-evaluation", f"{text}; at most {trainings * config.training.epochs:,} epochs"
    if prepared.workers > 1:
        yield "workers", f"{prepared.workers}, one trial each at a time"
    yield "objective", f"{objective.name} ({objective.direction})"
    if prepared.secondary:
        names = (f"{other.name} ({other.direction})" for other in prepared.secondary)
        yield "secondary objectives", ", ".join(names)


def _brief(values: Mapping[str, Any]) -> str:
    """A configuration on one line."""
    texts = (f"{name} {spaces.format_value(name, value)}" for name, value in values.items())
    return ", ".join(texts) or "the default configuration"


def columns_grid(columns: Sequence[Column]) -> Table:
    """Returns each column's name, kind and format, first value, counts, and what was done."""
    grid = Table(box=None, padding=(0, 2, 0, 0))
    grid.add_column("  column", max_width=LONGEST_NAME + 4)
    grid.add_column("kind", no_wrap=True)
    grid.add_column("first", no_wrap=True)
    grid.add_column("missing", justify="right", no_wrap=True)
    grid.add_column("distinct", justify="right", no_wrap=True)
    grid.add_column("what was done", min_width=16)
    groups: dict[tuple[str, ...], list[Column]] = {}
    for place, column in enumerate(columns):
        same = "" if len(columns) > MOST_LINES else str(place)
        key = (column.kind, column.format, column.done, same)
        groups.setdefault(key, []).append(column)
    for group in groups.values():
        names = ", ".join(
            shortened(printable(column.name), LONGEST_NAME) for column in group[:_MOST_NAMES]
        )
        if len(group) > _MOST_NAMES:
            names += f", … {len(group)} in all"
        grid.add_row(
            Text(f"  {names}"),
            Text(_kind(group[0])),
            Text(shortened(printable(group[0].first), LONGEST_CELL)),
            _span([column.missing for column in group]),
            _span([column.distinct for column in group]),
            Text(group[0].done),
        )
    return grid


def _kind(column: Column) -> str:
    """The kind, with the format where it is not the usual one of the kind."""
    return column.kind if column.format in (PLAIN, TEXT) else f"{column.kind} {column.format}"


def _span(counts: Sequence[int]) -> str:
    return "–".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
