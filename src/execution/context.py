"""What all trials of a search share."""

from dataclasses import dataclass, field
from typing import Literal

from callbacks import TrainingPlan
from src.config.schema import LimitSettings
from src.data.loading import Data, FitArrays
from src.data.splits import Rows
from src.store.run_directory import RunDirectory


@dataclass(frozen=True)
class RunContext:
    """What all trials of a search share; plain data that a worker process can be given.

    Attributes:
        seed: the user's seed.
        hypermodel: registry name of the HyperModel.
        data: the rows and how they are split.
        plan: most epochs of a trial, and what its callbacks monitor.
        run: the run's folder.
        stream: whether trials read their rows batch by batch, instead of holding them in memory.
        limits: when a trial is given up.
        class_weight: the HyperModels' weights of classes in the loss; None for equal ones.
        tune_threshold: whether the winner gets a decision threshold of its own.
        average: whether, after cross-validation, the models of the folds are exported together
            instead of one that is trained anew on all of their rows.
        save_interval: epochs or else seconds after which a running trial is saved, to go on from
            there if it is killed; neither for never.
        full_board: whether TensorBoard gets graphs and histograms too.
        time_predictions: whether it is measured how long a trial's model takes to predict.
        threads: of an operation, in each worker.
    """

    seed: int
    hypermodel: str
    data: Data
    plan: TrainingPlan
    run: RunDirectory
    stream: bool = False
    limits: LimitSettings = field(default_factory=LimitSettings)
    class_weight: Literal["balanced"] | None = None
    tune_threshold: bool = False
    average: bool = False
    save_interval: tuple[int | None, float | None] = (None, None)
    full_board: bool = False
    time_predictions: bool = False
    threads: int = 1

    @property
    def saves(self) -> bool:
        """Whether running trials are saved."""
        return self.save_interval != (None, None)

    def arrays(self, train: Rows, validation: Rows) -> FitArrays:
        """What a fit on these rows takes, read when it is needed where trials stream."""
        return self.data.arrays(train, validation, stream=self.stream)
