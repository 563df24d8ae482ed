"""Generated rows of two classes, for trying things out."""

import numpy as np
from sklearn.datasets import make_classification

from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.checks import refuse_unused
from src.seeds import Stream, derived_seed

ROWS, FEATURES = 1000, 10


def synthetic(settings: DataSettings, seed: int) -> Dataset:
    """Returns one normal cluster a class around corners of a hypercube (`make_classification`).

    Five features carry information, two are their linear combinations, the rest is noise; one
    label in a hundred is random.
    """
    refuse_unused(settings)
    x, y = make_classification(
        n_samples=ROWS,
        n_features=FEATURES,
        n_informative=5,
        n_redundant=2,
        n_clusters_per_class=1,
        class_sep=1.5,
        random_state=derived_seed(seed, Stream.ROWS),
    )
    return Dataset(
        name=settings.source,
        x=x.astype(np.float32),
        y=y,
        feature_names=tuple(f"feature_{column}" for column in range(FEATURES)),
        task="binary",
    )
