"""Layers whose kernel is held in memory as int8, for sampling alone."""

import contextlib

import keras
from keras import ops

from keras_patchdpm._registration import serializable


class Int8Layer(keras.layers.Layer):
    """Base class: a kernel of int8, with a float32 scale for each output channel.

    Nothing in the layer is trained. The kernel is zero until a preset assigns its
    values. A subclass defines `kernel_shape(input_shape)`, whose last entry is the
    output channels, and `linear(x, kernel)`, the result without bias and activation.

    Args:
        channels: Positive int. Output channels.
        activation: Name of an activation of Keras, or a function. Default `None`: none.
        use_bias: Bool. Whether the layer has a bias. Default: yes.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).
    """

    def __init__(self, channels, *, activation=None, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def build(self, input_shape):
        self.kernel = self._weight(
            self.kernel_shape(input_shape), "kernel", dtype="int8"
        )
        # In a parameter's name, PyTorch does not accept the dot of a preset's `.scale`.
        self.scale = self._weight((self.channels,), "kernel_scale", dtype="float32")
        if self.use_bias:
            self.bias = self._weight((self.channels,), "bias")

    def call(self, x):
        with _after(x):
            # Keras casts no float32 if both types of the policy are float16.
            scale = ops.cast(self.scale, self.compute_dtype)
            kernel = ops.cast(self.kernel, self.compute_dtype) * scale
        x = self.linear(x, kernel)
        if self.use_bias:
            x = x + self.bias
        return self.activation(x)

    def get_config(self):
        own = {
            "channels": self.channels,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }
        return {**super().get_config(), **own}

    def _weight(self, shape, name, dtype=None):
        return self.add_weight(
            shape=shape, name=name, dtype=dtype, initializer="zeros", trainable=False
        )


@serializable
class Int8Conv2D(Int8Layer):
    """A convolution of channels-last images, as `keras.layers.Conv2D`.

    Args:
        channels: Positive int. Output channels.
        kernel_size: Pair of positive ints.
        strides: Pair of positive ints. Default `(1, 1)`.
        padding: `"valid"` (the default) or `"same"`.
        **kwargs: Passed to `Int8Layer`.
    """

    def __init__(
        self, channels, kernel_size, *, strides=(1, 1), padding="valid", **kwargs
    ):
        super().__init__(channels, **kwargs)
        self.kernel_size = tuple(kernel_size)
        self.strides = tuple(strides)
        self.padding = padding

    @classmethod
    def like(cls, layer):
        """The layer that replaces a `keras.layers.Conv2D`."""
        return cls(
            layer.filters,
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            **_common(layer),
        )

    def kernel_shape(self, input_shape):
        return (*self.kernel_size, input_shape[-1], self.channels)

    def linear(self, x, kernel):
        return ops.conv(
            x,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format="channels_last",
        )

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        if self.padding == "valid":
            sides = [
                side and side - kernel + 1
                for side, kernel in zip(sides, self.kernel_size, strict=True)
            ]
        sides = [
            side and -(-side // stride)
            for side, stride in zip(sides, self.strides, strict=True)
        ]
        return (batch, *sides, self.channels)

    def get_config(self):
        own = {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }
        return {**super().get_config(), **own}


@serializable
class Int8Dense(Int8Layer):
    """A dense layer, as `keras.layers.Dense`.

    Args:
        channels: Positive int. Length of the output.
        **kwargs: Passed to `Int8Layer`.
    """

    @classmethod
    def like(cls, layer):
        """The layer that replaces a `keras.layers.Dense`."""
        return cls(layer.units, **_common(layer))

    def kernel_shape(self, input_shape):
        return (input_shape[-1], self.channels)

    def linear(self, x, kernel):
        return ops.matmul(x, kernel)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.channels)


def _after(x):
    """Context in which a graph of TensorFlow computes nothing before `x`.

    It would compute all kernels at the start, and hold them at the same time.
    """
    graph = getattr(x, "graph", None)  # No other tensor has one.
    return (
        contextlib.nullcontext() if graph is None else graph.control_dependencies([x])
    )


def _common(layer):
    """The arguments that both kinds of layers have."""
    return {
        "activation": layer.activation,
        "use_bias": layer.use_bias,
        "name": layer.name,
        "dtype": layer.dtype_policy,
    }
