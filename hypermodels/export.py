"""Makes of a trained network one that loads without this project."""

from typing import Any

import keras


def plain_network(network: keras.Model) -> keras.Model:
    """Returns the same function with the same weights, made of Keras's layers and regularizers.

    Parts of a `plain()` form of their own, such as `hypermodels.dropout.Dropout`, are replaced by
    it with the values that their variables have now. All other layers are shared.

    Args:
        network: a functional model.
    """
    replaced: list[tuple[Any, Any]] = []

    def plain(layer: Any) -> Any:
        if hasattr(layer, "plain"):
            return layer.plain()
        regularizers = {
            name: value.plain()
            for name, value in vars(layer).items()
            if name.endswith("_regularizer") and hasattr(value, "plain")
        }
        if not regularizers:
            return layer
        config = layer.get_config()
        config |= {n: keras.regularizers.serialize(value) for n, value in regularizers.items()}
        replaced.append((layer, type(layer).from_config(config)))
        return replaced[-1][1]

    functional = keras.Model(network.inputs, network.outputs)
    result = keras.models.clone_model(functional, clone_function=plain)
    for layer, other in replaced:
        other.set_weights(layer.get_weights())
    return result
