"""What a search leaves to look at: tables, TensorBoard's HParams, the report.

    from src.reporting import load_trials, load_history

gives a run's tables as DataFrames. The folder can be deleted; `python -m src.tune` then runs
without it.
"""

from typing import TYPE_CHECKING

from src.reporting.frames import load_history, load_trials

if TYPE_CHECKING:
    from src.search.listener import SearchListener

__all__ = ["load_history", "load_trials", "report_listeners"]


def report_listeners() -> "list[SearchListener]":
    """Fresh listeners that write trials.csv and what TensorBoard shows of one search."""
    # They need Keras Tuner, which reading a run does not.
    from src.reporting.board import BoardListener
    from src.reporting.hparams import HParamsListener
    from src.reporting.tables import TablesListener

    return [TablesListener(), HParamsListener(), BoardListener()]
