"""HyperModels: search spaces of Keras models. One file each, one line in `HYPERMODELS`.

`hypermodels/` stands on Keras Tuner, Keras, TensorFlow and `callbacks/` alone: copy the two folders
into a project of your own and use them with plain Keras Tuner.
"""

HYPERMODELS: dict[str, str] = {
    "mlp": "hypermodels.mlp:MLP",
    "residual_mlp": "hypermodels.residual_mlp:ResidualMLP",
}
