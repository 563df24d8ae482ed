"""What a search leaves to look at: tables, TensorBoard's HParams, the report.

    from src.reporting import load_history, load_trials

gives a run's tables as DataFrames. The folder can be deleted; `python -m src.tune` then runs
without it.
"""

from src.reporting.frames import load_history, load_trials

__all__ = ["load_history", "load_trials"]
