"""What a search leaves to look at: tables and TensorBoard's HParams.

The folder can be deleted; `python -m src.tune` then runs without it.
"""

from src.reporting.hparams import HParamsListener
from src.reporting.tables import TrialsTableListener
from src.search.events import SearchListener

__all__ = ["HParamsListener", "TrialsTableListener", "report_listeners"]


def report_listeners() -> list[SearchListener]:
    """Fresh listeners that write the tables and TensorBoard's HParams of one search."""
    return [TrialsTableListener(), HParamsListener()]
