"""TensorBoard's HParams: one row per root trial, with true ranges, the score and the status.

Keras Tuner's own HParams lack an experiment summary, so that ranges are guessed from the values
seen, show the last epoch instead of the best, and leave failed trials without a status.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
from keras_tuner.engine.hyperparameters import Float, Int
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api, api_pb2, summary, summary_v2
from tensorboard.plugins.text.summary_v2 import text_pb

from callbacks.event_file import EventFile
from src.run_directory import RunDirectory
from src.search import space as spaces
from src.search.events import SearchEnd, SearchListener, SearchProgress
from src.search.trial import TrialRecord, TrialSpec

SUFFIX = ".hparams"  # ends the names of the event files that are written here
BEST = "best_epoch/"  # tag prefix: a metric at the best epoch, not the last


class HParamsListener(SearchListener):
    """Writes the experiment when the search begins, and a session for each root trial."""

    def on_search_begin(
        self,
        run: RunDirectory,
        space: kt.HyperParameters,
        metrics: Sequence[str],
        progress: SearchProgress,
    ) -> None:
        """Writes the experiment: every hyperparameter with its domain, and the metrics.

        A search that goes on writes its sessions anew, as nobody knows what a kill left of them.
        """
        self._run = run
        self._open_roots: set[str] = set()
        for path in run.tensorboard.rglob(f"*{SUFFIX}"):
            path.unlink()
        reachable = spaces.reachable(space.space)
        infos = {hp.name: _info(hp) for hp in reachable}
        shown = {"score": "score"}
        shown |= {f"{BEST}val_{name}": f"val_{name}" for name in (*metrics, "loss")}
        shown |= {"epochs": "epochs", "seconds": "seconds"}
        columns = [api.Metric(tag, display_name=title).as_proto() for tag, title in shown.items()]
        _write(run.tensorboard, [_converted(summary.experiment_pb(infos.values(), columns))])
        for record in sorted(progress.records, key=lambda record: record.spec.trial_id):
            self.on_trial_begin(record.spec, progress)
            self.on_trial_end(record, progress)

    def on_trial_begin(self, spec: TrialSpec, progress: SearchProgress) -> None:
        """Opens the session of a root trial."""
        if spec.parent_id is not None:
            return
        self._open_roots.add(spec.root_id)
        session = summary_v2.hparams_pb(spec.values, trial_id=spec.root_id)
        _write(self._run.tensorboard / spec.root_id, [session])

    def on_trial_end(self, record: TrialRecord, progress: SearchProgress) -> None:
        """Writes the score and the metrics of the best epoch; a failure ends the session."""
        spec, result = record.spec, record.result
        folder = self._run.tensorboard / spec.root_id
        if result.status == "FAILED":
            _write(folder, [_converted(text_pb("reason", result.reason))])
            self._close(spec.root_id, api_pb2.STATUS_FAILURE)
            return
        numbers = {"score": result.score, "epochs": result.epochs, "seconds": result.seconds}
        numbers |= {BEST + name: value for name, value in result.metrics.items()}
        _write(folder, [_scalars(numbers)], step=result.epochs)
        if spec.bracket is None:  # else a promotion may follow
            self._close(spec.root_id, api_pb2.STATUS_SUCCESS)

    def on_search_end(self, end: SearchEnd, progress: SearchProgress) -> None:
        """Ends the sessions that waited for promotions."""
        if end.kind != "interrupted":
            ended = {record.spec.root_id for record in progress.records}
            for root_id in sorted(self._open_roots & ended):
                self._close(root_id, api_pb2.STATUS_SUCCESS)

    def _close(self, root_id: str, status: Any) -> None:
        if root_id in self._open_roots:
            self._open_roots.remove(root_id)
            _write(self._run.tensorboard / root_id, [_converted(summary.session_end_pb(status))])


def _info(hp: Any) -> Any:
    """A column of the table; `differs` puts what is searched before what is pinned."""
    info = api_pb2.HParamInfo(name=hp.name, differs=spaces.is_searched(hp))
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


def _write(folder: Path, contents: Sequence[Summary], step: int = 0) -> None:
    """Writes events into a file of their own, so that nothing is held open between trials."""
    file = EventFile(folder, SUFFIX)
    for content in contents:
        file.add(content, step)
    file.close()
