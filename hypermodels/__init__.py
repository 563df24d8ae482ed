"""HyperModels: search spaces of Keras models. One file each, one line in `HYPERMODELS`.

`hypermodels/` needs Keras Tuner, Keras, TensorFlow and `callbacks/` alone: copy both folders into a
project of your own and use them with plain Keras Tuner.
"""

HYPERMODELS: dict[str, str] = {
    "mlp": "hypermodels.mlp:MLP",
    "residual_mlp": "hypermodels.residual_mlp:ResidualMLP",
}
TRAINING = "hypermodels.training"  # delete this line and the folder to train with Keras's own `fit`
