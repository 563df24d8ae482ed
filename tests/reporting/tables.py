"""Tables of trials for tests of rules."""

from pathlib import Path
from typing import Any

import pandas as pd

from src.reporting.frames import TRIAL_COLUMNS, empty_history
from src.reporting.run_data import RunData
from src.store.run_directory import RunDirectory


def trials_table(scores: Any, **columns: Any) -> pd.DataFrame:
    """Completed trials with these scores; NaN is a failed one."""
    table = pd.DataFrame({"score": pd.Series(list(scores), dtype=float)})
    table["trial_id"] = [f"{number:04d}" for number in range(len(table))]
    table["status"] = ["FAILED" if score != score else "COMPLETED" for score in table["score"]]
    table["root"] = table["trial_id"]
    table["seconds"] = 1.0
    for name in TRIAL_COLUMNS:
        if name not in table:
            table[name] = None
    for name, values in columns.items():
        table[name] = list(values) if isinstance(values, (list, tuple, pd.Series)) else values
    return table


def run_data(trials: pd.DataFrame, **changes: Any) -> RunData:
    """A run of these trials."""
    values: dict[str, Any] = {
        "run": RunDirectory(Path("logs/run")),
        "trials": trials,
        "history": empty_history(),
    }
    return RunData(**(values | changes))
