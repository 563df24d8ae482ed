"""history.csv: a row an epoch of each fit, appended trial by trial, and read back on resume."""

import csv
import io
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras_tuner as kt

from callbacks.registry import logged_names
from src.files import disk_errors, write_atomically
from src.search.space import possible_values
from src.search.trial import Rows, TrialRecord, history_part

KEYS = ("trial_id", "execution", "fold", "epoch", "learning_rate", "batch_size")
_COUNTS = ("execution", "fold", "epoch", "batch_size")


def log_names(metric_names: Sequence[str]) -> list[str]:
    """What an epoch logs that has metrics of these names: the loss too, and all for validation."""
    names = ["loss", *metric_names]
    return [*names, *(f"val_{name}" for name in names)]


def recorded_controls(space: kt.HyperParameters) -> list[str]:
    """Names that callbacks add to the logs in some trial of this space, beside those in `KEYS`."""
    return logged_names(partial(possible_values, space))


class HistoryFile:
    """The file, and checks of what stands in it.

    Args:
        path: the file; made with the first trial.
        metrics: names of the logs that have a column, beside the learning rate.
        executions: of each trial; later ones confirm it.
    """

    def __init__(self, path: Path, metrics: Sequence[str], executions: int) -> None:
        self.path = path
        self._executions = executions
        self.columns = [*KEYS, *metrics]
        self._header = self._text([dict(zip(self.columns, self.columns, strict=True))])

    def append(self, record: TrialRecord) -> None:
        """Adds the epochs of a trial that has ended.

        Raises:
            DiskError: if the file cannot be written; a part of the rows may stand in it.
        """
        with disk_errors(self.path), self.path.open("ab") as file:
            if file.tell() == 0:
                file.write(self._header.encode())
            file.write(self._block(record).encode())
            file.flush()
            os.fsync(file.fileno())

    def checksum(self, record: TrialRecord, execution: int | None = None) -> int:
        """CRC-32 of the trial's rows as they stand in the file.

        Args:
            record: of the trial.
            execution: one that confirms it, whose rows are meant; None for the trial's own.
        """
        return zlib.crc32(self._block(record, execution).encode())

    def replace(self, records: Iterable[TrialRecord], aside: Path | None = None) -> None:
        """Writes the whole file anew, at once, in the order of `records`.

        Args:
            records: the trials.
            aside: takes the old file.

        Raises:
            DiskError: if it cannot be written; the old file is as it was.
        """
        blocks = []
        for record in records:
            later = sorted(record.confirmation.trained) if record.confirmation is not None else []
            blocks += [self._block(record, execution) for execution in (None, *later)]
        write_atomically(self.path, "".join([self._header, *blocks]), previous=aside)

    def read(self, checksums: Mapping[str, int]) -> dict[str, Rows]:
        """Returns the rows of the trials that are as they were written; others are left out.

        The header, the order of the trials and the ends of the lines do not matter.

        Args:
            checksums: what `checksum` gave, by trial; of an execution that confirms it, by the name
                that `history_part` gives.
        """
        if not self.path.is_file():
            return {}
        with disk_errors(self.path):
            content = self.path.read_bytes()
        blocks: dict[str, list[bytes]] = {}
        for line in content.splitlines():
            blocks.setdefault(self._owner(line), []).append(line + b"\r\n")
        return {
            trial_id: self._rows(b"".join(blocks.get(trial_id, [])))
            for trial_id, checksum in checksums.items()
            if zlib.crc32(b"".join(blocks.get(trial_id, []))) == checksum
        }

    def _rows(self, block: bytes) -> Rows:
        reader = csv.DictReader(io.StringIO(block.decode()), self.columns)
        return tuple(
            {
                name: int(value) if name in _COUNTS else float(value)
                for name, value in row.items()
                if value and name != "trial_id"
            }
            for row in reader
        )

    def _owner(self, line: bytes) -> str:
        """The trial of a line, or the execution that confirms it."""
        trial_id, execution, *_ = [*line.decode(errors="replace").split(",", 2), ""]
        if not execution.isdecimal() or int(execution) < self._executions:
            return trial_id
        return history_part(trial_id, int(execution))

    def _block(self, record: TrialRecord, execution: int | None = None) -> str:
        trial_id, rows = record.spec.trial_id, record.result.history
        if execution is not None:
            assert record.confirmation is not None
            rows = tuple(r for r in record.confirmation.history if r["execution"] == execution)
        return self._text({"trial_id": trial_id} | row for row in rows)

    def _text(self, rows: Iterable[Mapping[str, Any]]) -> str:
        text = io.StringIO(newline="")
        csv.DictWriter(text, self.columns, extrasaction="ignore").writerows(rows)
        return text.getvalue()
