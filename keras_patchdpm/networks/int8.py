"""Networks whose large kernels are held in memory as int8."""

import math

import keras
import numpy as np

from keras_patchdpm.networks.int8_layers import Int8Conv2D, Int8Dense, Int8Layer
from keras_patchdpm.networks.recorded import record, recorded

_LEAST = 4096  # The smallest tensor that is stored as int8, in numbers.
_KINDS = {keras.layers.Conv2D: Int8Conv2D, keras.layers.Dense: Int8Dense}


def is_large(shape):
    """Whether a tensor of this shape is stored as int8, in a file or in memory."""
    return len(shape) > 1 and math.prod(shape) >= _LEAST


def quantised(array):
    """`(ints, scale)`, whose product is about `array`, with one scale per channel."""
    scale = np.abs(array).max(axis=tuple(range(array.ndim - 1))) / 127
    scale = np.where(scale > 0, scale, 1).astype("float32")
    return np.rint(array / scale).astype("int8"), scale


def with_int8_kernels(network):
    """A network like `network`, with int8 kernels, to load weights into.

    Dense layers and convolutions with a large kernel are replaced; layers inside other
    layers are not. The paths of the weights stay the same, their values do not.

    Args:
        network: Functional `keras.Model` that a builder of this package has built,
            with the global dtype policy of this moment.

    Returns:
        A functional `keras.Model`.
    """

    def clone(layer):
        kind = _KINDS.get(type(layer))
        if kind is not None and is_large(layer.kernel.shape):
            return kind.like(layer)
        config = layer.get_config()
        if layer.dtype_policy is keras.mixed_precision.dtype_policy():
            del config["dtype"]  # Keras would rebuild the policy by its name alone.
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=clone)
    return record(copy, recorded(network))


def scales(network):
    """Dict of the paths of a network's int8 kernels to the variables of scales."""
    return {
        layer.kernel.path: layer.scale
        for layer in network.layers
        if isinstance(layer, Int8Layer)
    }


def assign(network, values):
    """Assigns float32 values to the weights of a network, of any type.

    Args:
        network: Functional `keras.Model`.
        values: Dict of the paths of all weights to arrays. Those of int8 kernels are
            quantised.

    Raises:
        ValueError: If a value is out of the range of a float16 weight.
    """
    kernels = scales(network)
    weights = without_scales(network)
    for weight in weights:
        check_range(weight, values[weight.path])
    for weight in weights:
        value = values[weight.path]
        if weight.path in kernels:
            value, scale = quantised(value)
            kernels[weight.path].assign(scale)
        weight.assign(value)


def check_range(weight, value):
    """Refuses values that a float16 weight cannot have."""
    most = np.abs(value).max(initial=0)
    if weight.dtype == "float16" and most > np.finfo("float16").max:
        raise ValueError(
            "A weight is out of the range of float16. Load the preset without "
            f"`storage`. Received: {weight.path!r} with values up to {most:g}."
        )


def without_scales(network):
    """The weights of a network but the scales of int8 kernels, in their order."""
    left_out = {scale.path for scale in scales(network).values()}
    return [weight for weight in network.weights if weight.path not in left_out]
