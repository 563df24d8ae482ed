"""The log of a search: a text file in the run's folder, a line an event, with its time."""

from datetime import datetime
from typing import Any

from src.console.text import best_text, printable, reevaluation_line, trial_line
from src.evaluation.winner import Winner
from src.messages import SearchEnd
from src.records import TrialRecord, TrialResult
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory


class LogListener(SearchListener):
    """Adds a line an event to `search.log`, which is not held open between the lines."""

    def on_search_begin(
        self, run: RunDirectory, space: Any, metrics: Any, progress: SearchProgress
    ) -> None:
        self._path = run.log
        self._write(f"search of {run.name} begins")
        if progress.records:
            self._write(f"trials before: {len(progress.records)}, best {best_text(progress)}")
        if progress.warm_start:
            self._write(f"warm start: {progress.warm_start}")

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        self._write(trial_line(record, progress).plain)

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        self._write(reevaluation_line(record, result).plain)

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        self._write(f"search ends, {end.kind}: {end.reason}; best {best_text(progress)}")

    def on_export(self, run: RunDirectory, winner: Winner) -> None:
        metrics = ", ".join(f"{name} {value}" for name, value in winner.test.items())
        trial_id = winner.record.spec.trial_id
        self._write(f"trial {trial_id} is exported; test rows: {metrics or 'none'}")

    def _write(self, text: str) -> None:
        now = datetime.now().isoformat(sep=" ", timespec="seconds")
        with self._path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(f"{now}  {printable(text.strip())}\n")
