"""Weight initialisation by name."""

from collections.abc import Callable
from typing import Any

import keras

INITIALIZERS: dict[str, Callable[[], Any]] = {
    "random_normal": lambda: keras.initializers.RandomNormal(mean=0.0, stddev=0.05),
    "random_normal_one": lambda: keras.initializers.RandomNormal(mean=1.0, stddev=0.05),
    "glorot_normal": keras.initializers.GlorotNormal,
    "glorot_uniform": keras.initializers.GlorotUniform,
    "he_normal": keras.initializers.HeNormal,
    "he_uniform": keras.initializers.HeUniform,
    "lecun_normal": keras.initializers.LecunNormal,
    "lecun_uniform": keras.initializers.LecunUniform,
    "orthogonal": keras.initializers.Orthogonal,
}
