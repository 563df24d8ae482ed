"""Generated classes of any size, for trying things out and for benchmarks."""

import math

import numpy as np
from sklearn.datasets import make_classification

from src.config.schema import DataSettings
from src.data.dataset import Dataset
from src.data.sources.checks import refuse_unused
from src.errors import UserError
from src.seeds import Stream, derived_seed


def synthetic(settings: DataSettings, seed: int) -> Dataset:
    """Returns one normal cluster a class around corners of a hypercube (`make_classification`).

    Half of the features carry information, a quarter are their linear combinations, the rest is
    noise; one label in a hundred is random.
    """
    refuse_unused(settings)
    shape = settings.synthetic
    needed = math.ceil(math.log2(shape.classes))  # corners enough for all classes
    if needed > shape.features:
        raise UserError(
            f"data.synthetic.classes={shape.classes}: needs at least {needed} features, and "
            f"data.synthetic.features={shape.features}. Valid here: at most "
            f"{2**shape.features} classes"
        )
    informative = max(2, needed, shape.features // 2)
    x, y = make_classification(
        n_samples=shape.rows,
        n_features=shape.features,
        n_classes=shape.classes,
        n_informative=informative,
        n_redundant=min(shape.features // 4, shape.features - informative),
        n_clusters_per_class=1,
        class_sep=1.5,
        random_state=derived_seed(seed, Stream.ROWS),
    )
    return Dataset(
        name=settings.source,
        x=x.astype(np.float32),
        y=y,
        feature_names=tuple(f"feature_{column}" for column in range(shape.features)),
        task="binary" if shape.classes == 2 else "multiclass",
    )
