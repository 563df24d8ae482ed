"""Makes a trained network load without this project."""

from typing import Any

import keras


def plain_network(network: keras.Model) -> keras.Model:
    """Returns a functional model of one input and one output, made of Keras's layers and penalties.

    The method `plain` of a part, such as our `Dropout`, gives its replacement with the values that
    its variables have now. All other layers are shared.
    """
    replaced: list[tuple[Any, Any]] = []

    def plain(layer: Any) -> Any:
        if hasattr(layer, "plain"):
            return layer.plain()
        regularizers = {
            name: keras.regularizers.serialize(value.plain())
            for name, value in vars(layer).items()
            if name.endswith("_regularizer") and hasattr(value, "plain")
        }
        if not regularizers:
            return layer
        replaced.append((layer, type(layer).from_config(layer.get_config() | regularizers)))
        return replaced[-1][1]

    functional = keras.Model(network.inputs[0], network.outputs[0])
    result = keras.models.clone_model(functional, clone_function=plain)
    for layer, other in replaced:
        other.set_weights(layer.get_weights())
    return result
