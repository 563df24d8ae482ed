"""What all trials of a search share."""

from dataclasses import dataclass
from typing import Literal

from callbacks import TrainingPlan
from src.config import Config
from src.data.loading import Data, FitArrays
from src.data.splits import Rows
from src.store.run_directory import RunDirectory


@dataclass(frozen=True)
class RunContext:
    """What all trials of a search share; plain data that a worker process can be given."""

    config: Config  # of the search
    data: Data  # the rows and how they are split
    plan: TrainingPlan  # most epochs of a trial, and what its callbacks monitor
    run: RunDirectory  # the run's folder

    @property
    def streams(self) -> bool:
        """Whether trials read their rows batch by batch, instead of holding them in memory."""
        return self.config.training.batches == "stream"

    @property
    def class_weight(self) -> Literal["balanced"] | None:
        """The weights of classes in the loss; None for equal ones."""
        weight = self.config.data.class_weight
        return None if weight == "none" else weight

    @property
    def saves(self) -> bool:
        """Whether running trials are saved, to go on from there if they are killed."""
        return self.config.training.save_every is not None

    def arrays(self, train: Rows, validation: Rows) -> FitArrays:
        """What a fit on these rows takes, read when it is needed where trials stream."""
        return self.data.arrays(train, validation, stream=self.streams)
