"""Vectors of a tuned size in place of the indices of categories."""

from typing import Any

import keras

from hypermodels.problem import Problem

LIMITS = {"embedding_size": (1.0, 1024.0)}


def declare_embedding(hp: Any, problem: Problem) -> None:
    """Declares `embedding_size` if the problem has categories to embed."""
    if problem.embedded:
        hp.Int("embedding_size", 2, 32, sampling="log", default=8)


def embed(hp: Any, problem: Problem, inputs: Any) -> Any:
    """Returns the inputs with `embedding_size` numbers in place of each index of a category."""
    if not problem.embedded:
        return inputs
    plain = problem.features - problem.embedded
    vectors = keras.layers.Embedding(
        problem.embedded_categories, hp.get("embedding_size"), name="embedding"
    )(inputs[:, plain:])
    vectors = keras.layers.Flatten()(vectors)
    return keras.layers.Concatenate()([inputs[:, :plain], vectors]) if plain else vectors
