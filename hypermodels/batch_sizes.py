"""The batch size that the resources allow."""

import math
from typing import Any

FULL, AUTO = 0, -1  # as hyperparameters: the whole training set, and what `automatic` gives
FLOAT_BYTES = 4
COPIES = 3  # of what a layer puts out: itself, its gradient, and what the operations between need


def automatic(model: Any, rows: int, memory: float, share: float) -> int:
    """Returns the largest power of two whose step fits into memory and is a small part of the rows.

    A step is estimated to take three copies of every layer's outputs for each row of the batch,
    beside the weights, their gradients and the optimizer's variables.

    Args:
        model: compiled, its optimizer built.
        rows: of the training set.
        memory: what a step may take, in MB.
        share: the largest share of the rows in one batch, above 0 and at most 1.
    """
    outputs = [layer.output for layer in model.layers]
    row_bytes = FLOAT_BYTES * COPIES * sum(math.prod(output.shape[1:]) for output in outputs)
    fixed = 2 * sum(math.prod(variable.shape) for variable in model.trainable_variables)
    fixed += sum(math.prod(variable.shape) for variable in model.optimizer.variables)
    room = memory * 2**20 - FLOAT_BYTES * fixed
    most = max(1, min(int(room // row_bytes), int(rows * share)))
    return int(2 ** (most.bit_length() - 1))
