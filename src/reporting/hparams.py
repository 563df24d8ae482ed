"""TensorBoard's HParams: one row per root trial, with true ranges, the score and the status.

Keras Tuner's own HParams lack an experiment summary, so that ranges are guessed from the values
seen, show the last epoch instead of the best, and leave failed trials without a status.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Float, Int
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api, api_pb2, summary, summary_v2
from tensorboard.plugins.text.summary_v2 import text_pb

from callbacks.tensorboard import EventFile
from src.config.objectives import judged_metric
from src.evaluation.winner import Winner
from src.messages import SearchEnd
from src.records import TrialRecord, TrialResult, TrialSpec
from src.search.listener import SearchListener
from src.search.progress import SearchProgress
from src.store.run_directory import RunDirectory
from src.tuners import space as spaces

SUFFIX = ".hparams"  # ends the names of the event files that are written here
BEST = "best_epoch/"  # tag prefix: a metric at the best epoch, not the last
REEVALUATED = "reevaluated"  # tag: the mean of a trial's trainings after the search
TEST = "test/"  # tag prefix: a metric of the winner on the test rows


class HParamsListener(SearchListener):
    """Writes the experiment with the first trial, and a session for each root trial.

    A session is one event file, which is not held open between trials.
    """

    def on_search_begin(
        self,
        run: RunDirectory,
        space: kt.HyperParameters,
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """Takes note of the columns.

        A search that goes on writes its sessions anew, as nobody knows what a kill left of them.
        """
        self._run, self._space, self._metrics = run, space, metrics
        self._objective = progress.objective.name
        self._secondary = [other.name for other in progress.secondary]
        self._files: dict[str, Path] = {}  # by root trial
        self._seconds: dict[str, float] = {}
        self._open_roots: set[str] = set()
        self._is_described = False
        for path in run.tensorboard.rglob(f"*{SUFFIX}"):
            path.unlink()
        for record in sorted(progress.records, key=lambda record: record.spec.number):
            self.on_trial_begin(record.spec, progress)
            self.on_trial_end(record, progress)
            self.on_reevaluation(record, record.result, progress)

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        """Opens the session of a root trial."""
        if not self._is_described:
            self._describe(has_rungs=spec.bracket is not None, reevaluates=progress.reevaluates)
        if spec.parent_id is not None:
            return
        self._open_roots.add(spec.root_id)
        self._write(spec.root_id, [summary_v2.hparams_pb(spec.values, trial_id=spec.root_id)])

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Writes the score and the metrics of the best epoch; a failure ends the session."""
        spec, result = record.spec, record.result
        root_id = spec.root_id
        self._seconds[root_id] = self._seconds.get(root_id, 0.0) + result.seconds
        if result.status == "FAILED":
            self._write(root_id, [_converted(text_pb("reason", result.reason))])
            self._close(root_id, api_pb2.STATUS_FAILURE)
            return
        numbers = {"score": result.score, "epochs": result.epochs}
        numbers |= {"seconds": self._seconds[root_id], "parameters": result.parameters}
        if spec.bracket is not None:
            numbers |= {"bracket": spec.bracket, "rung": spec.rung}
        numbers |= {BEST + name: value for name, value in result.metrics.items()}
        self._write(root_id, [_scalars(numbers)], step=result.epochs)
        if result.reason:  # it was stopped early
            self._write(root_id, [_converted(text_pb("reason", result.reason))])
        if spec.bracket is None:  # else a promotion may follow
            self._close(root_id, api_pb2.STATUS_SUCCESS)

    def on_reevaluation(
        self, record: TrialRecord, result: TrialResult, progress: SearchProgress
    ) -> None:
        """Writes the mean of a trial's re-evaluation."""
        if record.reevaluated_score is not None:
            step = record.result.epochs
            self._write(
                record.spec.root_id, [_scalars({REEVALUATED: record.reevaluated_score})], step
            )

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        """Tells which rows are on the Pareto front; ends the sessions that waited for promotions.

        A root trial is on it if the last of its rungs is.
        """
        if progress.secondary:
            front = {record.spec.trial_id for record in progress.front}
            completed = sorted(progress.completed, key=lambda record: record.spec.number)
            last = {record.spec.root_id: record for record in completed}
            for root_id, record in last.items():
                numbers = {"pareto": record.spec.trial_id in front}
                self._write(root_id, [_scalars(numbers)], step=record.result.epochs)
        if end.kind != "interrupted":
            ended = {record.spec.root_id for record in progress.records}
            for root_id in sorted(self._open_roots & ended):
                self._close(root_id, api_pb2.STATUS_SUCCESS)

    def on_export(self, run: RunDirectory, winner: Winner) -> None:
        """Writes the winner's test metric into its row."""
        name = judged_metric(self._objective)
        value = winner.test.get(name)
        if value is not None:
            epochs = winner.record.result.epochs
            self._write(winner.record.spec.root_id, [_scalars({TEST + name: value})], step=epochs)

    def _describe(self, *, has_rungs: bool, reevaluates: bool) -> None:
        """Writes the experiment: every hyperparameter with its domain, and the metrics."""
        self._is_described = True
        infos = {hp.name: _info(hp) for hp in spaces.reachable(self._space.space)}
        objective = self._objective
        shown = {"score": "score"}
        if reevaluates:
            shown |= {REEVALUATED: "reevaluated"}
        names = [f"val_{name}" for name in self._metrics]
        shown |= {BEST + name: name for name in names if name != objective}
        shown |= {"epochs": "epochs", "seconds": "seconds", "parameters": "parameters"}
        if "prediction_seconds" in self._secondary:
            shown |= {f"{BEST}prediction_seconds": "prediction seconds"}
        if self._secondary:
            shown |= {"pareto": "pareto"}
        if objective != "val_loss":  # behind, as it is mostly one of the metrics once more
            shown |= {f"{BEST}val_loss": "val_loss"}
        if has_rungs:
            shown |= {"bracket": "bracket", "rung": "last rung"}
        # Last, as TensorBoard shows the first five at once, and its plots leave out every row that
        # lacks one of them.
        shown |= {f"{TEST}{judged_metric(objective)}": "test score"}
        columns = [api.Metric(tag, display_name=title).as_proto() for tag, title in shown.items()]
        experiment = summary.experiment_pb(infos.values(), columns)
        _write(self._run.tensorboard, [_converted(experiment)])

    def _close(self, root_id: str, status: Any) -> None:
        if root_id in self._open_roots:
            self._open_roots.remove(root_id)
            self._write(root_id, [_converted(summary.session_end_pb(status))])

    def _write(self, root_id: str, contents: Sequence[Summary], step: int = 0) -> None:
        folder = self._run.tensorboard / root_id
        self._files[root_id] = _write(folder, contents, step, self._files.get(root_id))


def _info(hp: Any) -> Any:
    """A column of the table.

    TensorBoard sorts them by `differs`, then by name, and shows the first five at once. Its plots
    leave out rows that lack one of those, so what is not always active comes later.
    """
    first = spaces.is_searched(hp) and not hp.conditions
    info = api_pb2.HParamInfo(name=hp.name, differs=first)
    _domain(hp).update_hparam_info(info)
    return info


def _domain(hp: Any) -> Any:
    if isinstance(hp, Int) and spaces.is_searched(hp):
        return api.IntInterval(hp.min_value, hp.max_value)
    if isinstance(hp, Float) and spaces.is_searched(hp):
        return api.RealInterval(hp.min_value, hp.max_value)
    return api.Discrete(list(hp.values))


def _converted(content: Any) -> Summary:
    """From TensorFlow's class of the message to TensorBoard's own, which its writer wants."""
    return Summary.FromString(content.SerializeToString())


def _scalars(numbers: dict[str, Any]) -> Summary:
    return Summary(
        value=[Summary.Value(tag=tag, simple_value=float(n)) for tag, n in numbers.items()]
    )


def _write(
    folder: Path, contents: Sequence[Summary], step: int = 0, path: Path | None = None
) -> Path:
    """Adds events to a file, or to a new one, and returns its path."""
    with closing(EventFile(folder, SUFFIX, path)) as file:
        for content in contents:
            file.add(content, step)
    return file.path
