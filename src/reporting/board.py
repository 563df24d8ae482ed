"""What TensorBoard shows at the root of a run: the best score so far, texts, pictures."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import keras_tuner as kt
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.image import metadata as images
from tensorboard.plugins.text.summary_v2 import text_pb

from callbacks.tensorboard import EventFile
from src.evaluation.winner import Winner
from src.messages import SearchEnd
from src.records import TrialRecord
from src.reporting.drawing import to_png
from src.reporting.page.pictures import plots
from src.reporting.run_data import read_run
from src.reporting.story import tell
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory
from src.tuners import space as spaces

SUFFIX = ".board"  # ends the name of the event file that is written here
PICTURES = (
    *("best_by_trial", "best_by_epochs", "curves_objective", "curves_loss", "importance"),
    *("parallel_coordinates", "rungs", "confusion", "roc", "precision_recall", "predicted"),
    "residuals",
)


class BoardListener(SearchListener):
    """Writes one event file into the root of TensorBoard's folder."""

    def on_search_begin(
        self,
        run: RunDirectory,
        space: kt.HyperParameters,
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """Writes the configuration and the space, and the scores of trials that have ended."""
        self._folder = run.tensorboard
        self._file: Path | None = None
        self._ended = self._epochs = 0
        self._best: float | None = None
        for path in run.tensorboard.glob(f"*{SUFFIX}"):
            path.unlink()
        config = run.config.read_text() if run.config.exists() else ""
        settings = "\n".join(f"    {line}" for line in config.splitlines())  # Markdown for code
        texts = {"configuration": settings, "space": _space_table(space)}
        self._write([_text(tag, text) for tag, text in texts.items()])
        for record in progress.records:
            self.on_trial_end(record, progress)

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Adds the best score so far, by trials and by epochs trained."""
        self._ended += 1
        self._epochs += len(record.result.history)
        score = None if not record.comparable else record.result.score
        sign = 1.0 if progress.objective.direction == "max" else -1.0
        if score is not None and (self._best is None or sign * score > sign * self._best):
            self._best = score
        if self._best is not None:
            self._write([_scalar("best_score/by_trials", self._best)], self._ended)
            self._write([_scalar("best_score/by_epochs", self._best)], self._epochs)

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        """Writes why the search stopped."""
        self._write([_text("stopped", f"{end.kind}: {end.reason}")], self._ended)

    def on_export(self, run: RunDirectory, winner: Winner) -> None:
        """Adds the plots of the report as pictures."""
        data = read_run(run)
        drawings = plots(data, tell(data))
        shown = {name: drawings[name] for name in PICTURES if name in drawings}
        self._write(
            [
                _picture(name, to_png(drawing), drawing.width, drawing.height)
                for name, drawing in shown.items()
            ],
            self._ended,
        )

    def _write(self, contents: Sequence[Summary], step: int = 0) -> None:
        with closing(EventFile(self._folder, SUFFIX, self._file)) as file:
            for content in contents:
                file.add(content, step)
        self._file = file.path


def _space_table(space: kt.HyperParameters) -> str:
    lines = ["| hyperparameter | values | only if |", "| --- | --- | --- |"]
    lines += [
        f"| {hp.name} | {spaces.domain_text(hp)} | {spaces.condition_text(hp)} |"
        for hp in spaces.reachable(space.space)
    ]
    return "\n".join(lines)


def _scalar(tag: str, value: float) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def _text(tag: str, text: str) -> Summary:
    return Summary.FromString(text_pb(tag, text).SerializeToString())


def _picture(tag: str, png: bytes, width: float, height: float) -> Summary:
    """As TensorBoard's own `image`, which would need TensorFlow to encode pixels."""
    content = images.create_summary_metadata(tag, None).SerializeToString()
    strings = [f"{width:.0f}".encode(), f"{height:.0f}".encode(), png]
    tensor = TensorProto(dtype=DT_STRING, string_val=strings)
    tensor.tensor_shape.dim.add(size=len(strings))
    value = Summary.Value(tag=tag, tensor=tensor, metadata=SummaryMetadata.FromString(content))
    return Summary(value=[value])
