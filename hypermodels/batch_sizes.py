"""The batch size that the resources allow."""

import math
from typing import Any

FULL, AUTO = 0, -1  # as hyperparameters: the whole training set, and the result of `automatic`
LIMITS = {"batch_size": (float(AUTO), 1e7)}
FLOAT_BYTES = 4
MEMORY, SHARE = 256.0, 0.1  # MB that a step may take, and its largest share of the rows
COPIES = 3  # of a layer's outputs: themselves, their gradients, and operations between them


def automatic(model: Any, rows: int) -> int:
    """Returns the largest power of two whose step fits into memory and is a small part of the rows.

    A step takes, by this estimate, three copies of every layer's outputs for each row of the batch,
    beside the weights, their gradients and the variables of the optimizer, which is built.
    """
    outputs = sum(math.prod(layer.output.shape[1:]) for layer in model.layers)
    variables = [*model.trainable_variables * 2, *model.optimizer.variables]
    fixed = sum(math.prod(variable.shape) for variable in variables)
    room = MEMORY * 2**20 - FLOAT_BYTES * fixed
    most = max(1, min(int(room // (FLOAT_BYTES * COPIES * outputs)), int(rows * SHARE)))
    return int(2 ** (most.bit_length() - 1))
