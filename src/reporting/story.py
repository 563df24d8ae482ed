"""What a run tells: its analyses, made once, and the sentences that its rules find."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from src.config.objectives import judged_metric
from src.reporting.analysis.importance import Importance, importances
from src.reporting.analysis.noise import Noise, score_noise, standard_error
from src.reporting.analysis.winner import shown_split
from src.reporting.domains import Domain, brief
from src.reporting.plots.progress import in_order
from src.reporting.rules import budget, certainty, edges, failures, mattered, training, winning
from src.reporting.rules.finding import Finding
from src.reporting.rules.proposal import Override, next_command, proposed_space
from src.reporting.run_data import RunData


@dataclass(frozen=True)
class Story:
    """The analyses of a run and its sentences, by the question that they answer.

    Attributes:
        importance: of the hyperparameters.
        noise: of the scores; None where it is not known.
        ordered: the hyperparameters that were searched, the most important first.
        won: what won, and by how much?
        real: is the winner real?
        mattered: what mattered?
        trained: how did trials train, and what failed?
        onward: what next?
        overrides: the proposed space.
        purpose: of `command`.
        command: what to run next.
    """

    importance: Importance
    noise: Noise | None
    ordered: tuple[Domain, ...]
    won: tuple[Finding, ...]
    real: tuple[Finding, ...]
    mattered: tuple[Finding, ...]
    trained: tuple[Finding, ...]
    onward: tuple[Finding, ...]
    overrides: tuple[Override, ...]
    purpose: str
    command: str

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All sentences."""
        return self.won + self.real + self.mattered + self.trained + self.onward


def tell(data: RunData) -> Story:
    """Runs every analysis and rule."""
    completed = data.completed
    # The score of a trial that was stopped early tells how fast it learned, not how good it gets.
    importance = importances(data.expected, data.searched, data.direction)
    noise = score_noise(data)
    place = {name: index for index, name in enumerate(importance.share)}
    ordered = sorted(data.searched, key=lambda domain: place.get(domain.name, len(place)))
    overrides = proposed_space(data.trials, completed, data.space, importance, data.limits)
    longer = training.longer_training(_at_last_rung(data), data.epochs)
    if longer is not None:
        overrides.append(Override("training.epochs", f"training.epochs={longer}", "longer"))
    tolerance = 0.0 if noise is None else noise.error
    ended = in_order(data)
    idle = None
    if not data.hyperband:
        idle = budget.idle_trials(ended, data.direction, tolerance, data.behind)
    exhausted = budget.is_exhausted(len(ended), idle)
    purpose, command = next_command(data, overrides, exhausted=exhausted)
    length = budget.search_length(len(ended), idle)
    return Story(
        importance=importance,
        noise=noise,
        ordered=tuple(ordered),
        won=tuple(_won(data, ordered)),
        real=tuple(_real(data, noise)),
        mattered=tuple(mattered.what_mattered(importance) + mattered.what_did_not(importance)),
        trained=tuple(_trained(data)),
        onward=tuple(edges.edge_findings(completed, data.searched, data.limits) + length),
        overrides=tuple(overrides),
        purpose=purpose,
        command=command,
    )


def _won(data: RunData, ordered: Sequence[Domain]) -> list[Finding]:
    best = data.best
    if best is None:
        return []
    values = {domain.name: brief(domain, best[domain.name]) for domain in ordered}
    values = {name: value for name, value in values.items() if value}
    found = winning.what_won(data.expected, values, data.direction)
    if data.exports_another:
        return found
    name = judged_metric(data.objective)
    split = "test" if data.metrics.get("test") else "validation"
    untuned = [(b.name, (b.test if split == "test" else b.validation)) for b in data.baselines]
    return found + winning.what_tuning_bought(
        f"{name} on the {split} rows",
        data.direction,
        data.metrics.get(split, {}).get(name),
        [(title, metrics.get(name)) for title, metrics in untuned],
        standard_error(name, _rows(data, split)),
    )


def _rows(data: RunData, split: str) -> pd.DataFrame:
    """The winner's predictions on one split."""
    table = data.predictions
    return table[table["split"] == split] if len(table) else table


def _real(data: RunData, noise: Noise | None) -> list[Finding]:
    found = certainty.reevaluated(data.completed)
    found += certainty.top_differs(data.completed, noise, data.direction)
    if data.exports_another:
        return found + certainty.not_judged(str(data.winner))
    if len(data.predictions):
        found += certainty.beats_guessing(_rows(data, shown_split(data.predictions)))
    return found + certainty.test_agrees(_judged(data))


def _judged(data: RunData) -> certainty.Judged:
    name = judged_metric(data.objective)
    errors = [standard_error(name, _rows(data, split)) for split in ("validation", "test")]
    known = [error for error in errors if error is not None]
    return certainty.Judged(
        name,
        data.direction,
        validation=data.metrics.get("validation", {}).get(name),
        test=data.metrics.get("test", {}).get(name),
        test_rows=len(_rows(data, "test")),
        error=math.hypot(*known) if len(known) == 2 else None,
        interval=data.intervals.get(name),
    )


def _trained(data: RunData) -> list[Finding]:
    found = failures.failure_share(data.trials)
    found += failures.failure_region(data.trials, data.searched)
    if data.best is not None and len(data.history):
        names = ["loss", "val_loss", data.objective, data.objective.removeprefix("val_")]
        trial_id = str(data.best["trial_id"])
        curves = {name: data.curve(trial_id, name) for name in dict.fromkeys(names)}
        curves = {name: curve for name, curve in curves.items() if len(curve)}
        found += training.winner_fit(pd.DataFrame(curves), data.objective, data.direction)
    found += training.stopped_early(data.completed, data.epochs, data.planned_fits)
    found += training.plateaus_never_fired(data.trained_to_end, data.history)
    if not data.hyperband:
        found += training.early_stopping_always(data.trained_to_end, data.epochs)
    return found + training.still_improving(_at_last_rung(data), data.epochs)


def _at_last_rung(data: RunData) -> pd.DataFrame:
    """The trials that trained to their end, best first; of Hyperband in each last rung."""
    done = data.trained_to_end
    if data.hyperband:
        done = done[done["rung"] == done.groupby("bracket")["rung"].transform("max")]
    return done.reset_index(drop=True)
