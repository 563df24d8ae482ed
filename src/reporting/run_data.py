"""Everything that a report needs of a run, read from its files; nothing is locked or changed."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from src.config.yaml_text import YamlError, read_yaml
from src.errors import UserError
from src.reporting.domains import Domain, read_space
from src.reporting.frames import (
    empty_history,
    empty_trials,
    fits_frame,
    history_frame,
    readable,
    tables_of,
    trials_frame,
)
from src.store.lock import is_held
from src.store.run_directory import RunDirectory
from src.store.saved_search import SavedSearch, read_search

UNKNOWN_OBJECTIVE = "score"


@dataclass(frozen=True)
class Untuned:
    """What a model reaches that was not tuned: metrics on validation and test rows."""

    name: str
    validation: Mapping[str, float | None]
    test: Mapping[str, float | None]


@dataclass(frozen=True)
class RunData:
    """A run as its files tell of it; what they do not tell is empty.

    Attributes:
        run: its folder.
        trials: as `load_trials` gives it, and `parameters` of each trial's model where known.
        history: as `load_history` gives it.
        space: the hyperparameters that can be active.
        objective: name of the score.
        direction: `max` or `min`.
        settings: the configuration under dotted keys.
        recorded: facts about data and versions from config.yaml.
        state: `running`, `finished`, `failing`, `interrupted`, or `killed`.
        reason: why it stopped.
        ended_by: the setting that ended it, such as `limits.minutes`; empty for none.
        winner: id of the trial whose model is in best/; None without one.
        metrics: the winner's, by split.
        intervals: of each of its test metrics the ends of the 95 % interval, where there is one.
        baselines: what untuned models reach on the same rows.
        predictions: best/predictions.csv; empty without it.
        fits: a row a fit if trials have several; else empty.
        fingerprint: of the rows.
        told: by trial, the score that the tuner was told: of a trial that was stopped early, its
            expected final score.
        notices: what could not be read, a sentence each.
    """

    run: RunDirectory
    trials: pd.DataFrame
    history: pd.DataFrame
    space: tuple[Domain, ...] = ()
    objective: str = UNKNOWN_OBJECTIVE
    direction: str = "max"
    settings: Mapping[str, Any] = field(default_factory=dict)
    recorded: Mapping[str, Any] = field(default_factory=dict)
    state: str = "finished"
    reason: str = ""
    ended_by: str = ""
    winner: str | None = None
    metrics: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    baselines: tuple[Untuned, ...] = ()
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    fits: pd.DataFrame = field(default_factory=pd.DataFrame)
    fingerprint: str = ""
    told: Mapping[str, float | None] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def sign(self) -> float:
        """1 where a larger score is better, else −1."""
        return 1.0 if self.direction == "max" else -1.0

    @cached_property
    def completed(self) -> pd.DataFrame:
        """The trials with a score, best first, as the search ranks them; see `ranking_key`.

        Of re-evaluated trials, `score` and `score_error` are those of the re-evaluation.
        `search_score` is what the search went by, `reached` the epoch at which its last fit ended.
        """
        finite = np.isfinite(self.trials["score"].to_numpy(float))
        ended = (self.trials["status"] == "COMPLETED").to_numpy() & finite
        done: pd.DataFrame = self.trials[ended].copy()
        done["search_score"] = done["score"]
        rows = self.searched_history.sort_values(["execution", "fold", "epoch"], kind="stable")
        reached = done["trial_id"].map(rows.groupby("trial_id")["epoch"].last())
        done["reached"] = reached.astype(float).fillna(done["epochs"].astype(float))
        again, early = done["reevaluated"].notna(), done["stopped_by"].notna()
        failed = (done["reason"].fillna("") != "") & ~again & ~early
        for name, mean in (("score", "reevaluated"), ("score_error", "reevaluated_error")):
            done[name] = done[mean].where(again, done[name])
        behind = done["trial_id"].isin(self.behind)
        place = np.select([again, behind, failed], [0, 2, 3], 1)
        order = np.lexsort((done["trial_id"].astype(str), -self.sign * done["score"], place))
        return done.iloc[order].reset_index(drop=True)

    @cached_property
    def behind(self) -> frozenset[str]:
        """The trials whose scores do not compare; see `TrialResult.ranks_behind`."""
        stopped_by = self.trials["stopped_by"]
        behind = stopped_by == "pruner"
        if self.planned_fits > 1 and {"trial_id", "execution"} <= set(self.fits.columns):
            own = self.fits.loc[self._of_search(self.fits), "trial_id"]
            trained = self.trials["trial_id"].map(own.value_counts()).fillna(0)
            behind |= stopped_by.notna() & (trained < self.planned_fits)
        return frozenset(self.trials.loc[behind, "trial_id"])

    @property
    def planned_fits(self) -> int:
        """How many fits the search trains of a trial."""
        folds = self._count("tuner.folds")
        return (self._count("tuner.executions_per_trial") or 1) * (folds or 1)

    @property
    def searched_history(self) -> pd.DataFrame:
        """The epochs of the search, without those of the re-evaluation."""
        return self.history[self._of_search(self.history)]

    @cached_property
    def failed(self) -> pd.DataFrame:
        """The trials that failed, in order."""
        return self.trials[self.trials["status"] == "FAILED"].reset_index(drop=True)

    @property
    def trained_to_end(self) -> pd.DataFrame:
        """Those of `completed` that trained to their end."""
        done = self.completed
        return done[done["stopped_by"].isna()].reset_index(drop=True)

    @property
    def expected(self) -> pd.DataFrame:
        """`completed`, with the expected final score of trials that were stopped early."""
        done = self.completed
        told = done["trial_id"].map(dict(self.told)).astype(float)
        return done.assign(score=done["score"].where(done["stopped_by"].isna() | told.isna(), told))

    @property
    def best(self) -> "pd.Series[Any] | None":
        """The best trial's row."""
        return self.completed.iloc[0] if len(self.completed) else None

    @property
    def secondary(self) -> list[str]:
        """The secondary metrics that have a column, where the Pareto front is known."""
        names = self.settings.get("objective.secondary")
        if not isinstance(names, (list, tuple)) or "pareto" not in self.trials.columns:
            return []
        return [str(name) for name in names if str(name) in self.trials.columns]

    @property
    def exports_another(self) -> bool:
        """Whether best/ holds a trial that is no longer the best, as while a search goes on."""
        return self.best is not None and self.winner not in (None, self.best["trial_id"])

    @property
    def searched(self) -> list[Domain]:
        """The hyperparameters with more than one value, and a column."""
        return [d for d in self.space if d.searched and d.name in self.trials.columns]

    @property
    def epochs(self) -> int | None:
        """The most epochs of a trial."""
        return self._count("training.epochs")

    @property
    def hyperband(self) -> bool:
        """Whether trials have rungs."""
        return bool(self.trials["rung"].notna().any())

    @cached_property
    def validation_rows(self) -> int | None:
        """Rows that a trial's score is measured on; with folds, all that they cover."""
        rows = _mapping(_mapping(self.recorded.get("data")).get("rows"))
        counts = [rows.get("validation")]
        if (self.settings.get("tuner.folds") or 1) != 1:
            counts.append(rows.get("train"))
        if not all(isinstance(count, int) for count in counts):
            return None
        return sum(count for count in counts if isinstance(count, int)) or None

    @property
    def max_trials(self) -> int | None:
        """The most trials of the search; None for no limit, or where the run did not record it."""
        most = _mapping(self.recorded.get("tuner")).get("max_trials")
        return most if isinstance(most, int) else None

    @property
    def uses_warm_start(self) -> bool:
        """Whether the tuner can learn from the trials of an earlier run."""
        return _mapping(self.recorded.get("tuner")).get("uses_warm_start") is True

    @property
    def limits(self) -> dict[str, tuple[float, float]]:
        """How far ranges may be widened, by hyperparameter, where the run recorded it."""
        found = {}
        for name, pair in _mapping(self.recorded.get("limits")).items():
            if isinstance(pair, list) and len(pair) == 2:
                with suppress(TypeError, ValueError):
                    found[str(name)] = (float(pair[0]), float(pair[1]))
        return found

    def rows_of(self, trial_id: str) -> pd.DataFrame:
        """The epochs of a trial, those of the trials that it continues before them."""
        parents = dict(zip(self.trials["trial_id"], self.trials["parent"], strict=True))
        chain: list[str] = []
        current: Any = trial_id
        while isinstance(current, str) and current not in chain:
            chain.append(current)
            current = parents.get(current)
        rows = self.history[self.history["trial_id"].isin(chain)]
        return rows.sort_values(["execution", "fold", "epoch"], kind="stable")

    def curve(self, trial_id: str, column: str) -> pd.Series:
        """A column of the history by epoch, averaged over executions and folds."""
        rows = self.rows_of(trial_id)
        if column not in rows.columns:
            return pd.Series(dtype=float)
        return rows.groupby("epoch")[column].mean().dropna()

    def _of_search(self, table: pd.DataFrame) -> "pd.Series[bool]":
        """Which rows of fits or epochs are not of the re-evaluation."""
        executions = self._count("tuner.executions_per_trial")
        return ~(table["execution"].astype(float) >= (executions or np.inf))

    def _count(self, key: str) -> int | None:
        value = self.settings.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_run(run: RunDirectory) -> RunData:
    """Reads a run, however unfinished or damaged."""
    notices: list[str] = []
    saved, trials, history, fits = _saved(run, notices)
    written = _config(run, notices)
    identity: Mapping[str, Any] = {} if saved is None else saved.identity
    recorded = _mapping(written.get("recorded"))
    objective = _mapping(identity.get("objective")) or _mapping(recorded.get("objective"))
    state, reason = _state(run, saved)
    exported = None if saved is None or saved.exported is None else saved.exported.trial_id
    return RunData(
        run=run,
        trials=trials,
        history=history,
        space=read_space(_mapping(identity.get("space"))),
        objective=str(objective.get("name", UNKNOWN_OBJECTIVE)),
        direction="min" if objective.get("direction") == "min" else "max",
        settings=_flat(written) if saved is None else saved.config,
        recorded=recorded,
        state=state,
        reason=reason,
        ended_by=saved.end.setting if saved and saved.end and state == "finished" else "",
        winner=exported,
        **_judgement(run, notices),
        predictions=_predictions(run, notices),
        fits=fits,
        fingerprint=str(_mapping(identity.get("data")).get("content", "")),
        told={} if saved is None else saved.told,
        notices=tuple(notices),
    )


def _saved(
    run: RunDirectory, notices: list[str]
) -> tuple[SavedSearch | None, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The state, and the tables of trials, epochs and fits; None and empty tables without one."""
    if run.has_begun:
        try:
            saved = read_search(run)
            with readable(saved):
                tables = tables_of(saved)
                return saved, trials_frame(tables), history_frame(tables), fits_frame(tables)
        except UserError as error:
            notices.append(str(error))
    return None, empty_trials(), empty_history(), pd.DataFrame()


def _config(run: RunDirectory, notices: list[str]) -> Mapping[str, Any]:
    try:
        return _mapping(read_yaml(run.config.read_text()))
    except (OSError, UnicodeDecodeError, YamlError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        notices.append(f"{run.config.name} cannot be read: {reason}")
        return {}


def _state(run: RunDirectory, saved: SavedSearch | None) -> tuple[str, str]:
    if is_held(run.lock):
        return "running", "the search is running"
    if saved is not None and saved.end is not None:
        return saved.end.kind, saved.end.reason
    return "killed", "the search ended without saying why, as when it is killed"


def _judgement(run: RunDirectory, notices: list[str]) -> dict[str, Any]:
    """What best/metrics.json says, by field of `RunData`."""
    if not run.metrics.exists():
        return {}
    try:
        content = json.loads(run.metrics.read_text())
        return {
            "metrics": {split: _numbers(content[split]) for split in ("validation", "test")},
            "intervals": {
                str(name): (float(ends[0]), float(ends[1]))
                for name, ends in content.get("test_interval", {}).items()
                if ends is not None
            },
            "baselines": tuple(
                Untuned(str(b["name"]), _numbers(b["validation"]), _numbers(b["test"]))
                for b in content.get("baselines", ())
            ),
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        notices.append("best/metrics.json cannot be read")
        return {}


def _numbers(values: Any) -> dict[str, float | None]:
    return {
        str(name): None if value is None else float(value)
        for name, value in values.items()
        if value is None or isinstance(value, (int, float))
    }


def _predictions(run: RunDirectory, notices: list[str]) -> pd.DataFrame:
    if not run.predictions.exists():
        return pd.DataFrame()
    try:
        header = pd.read_csv(run.predictions, nrows=0)
        texts = dict.fromkeys([n for n in ("split", "target", "prediction") if n in header], object)
        table = pd.read_csv(run.predictions, dtype=texts, keep_default_na=False)
    except (OSError, ValueError, pd.errors.ParserError):
        notices.append("best/predictions.csv cannot be read")
        return pd.DataFrame()
    if not {"split", "target", "prediction"} <= set(table.columns):
        notices.append("best/predictions.csv lacks columns")
        return pd.DataFrame()
    return table


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and key != "recorded":
            flat |= _flat(value, f"{prefix}{key}.")
        elif key != "recorded":
            flat[f"{prefix}{key}"] = value
    return flat


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
