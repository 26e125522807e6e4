"""Moves pixels into channels and back, so that a network costs less."""

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable


@serializable
class SpaceToDepth(keras.layers.Layer):
    """Moves blocks of `block_size` x `block_size` pixels into the channels.

    Args:
        block_size: Positive int.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        x: Tensor of shape `(B, h, w, C)`, `h` and `w` multiples of the block.

    Returns:
        Tensor of shape `(B, h / block_size, w / block_size, C * block_size**2)`.

    Raises:
        ValueError: If the size is no multiple of the block.

    Example:

    >>> SpaceToDepth(2)(patches).shape
    (8, 16, 16, 12)
    """

    def __init__(self, block_size, **kwargs):
        super().__init__(**kwargs)
        self.block_size = _checks.positive_int("block_size", block_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, x):
        self.compute_output_shape(x.shape)
        b, (_, height, width, c) = self.block_size, ops.shape(x)
        h, w = height // b, width // b
        x = ops.reshape(x, (-1, h, b, w, b, c))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, h, w, c * b * b))

    def compute_output_shape(self, input_shape):
        batch, h, w, c = input_shape
        if None in (h, w):
            return batch, None, None, c * self.block_size**2
        if h % self.block_size or w % self.block_size:
            raise ValueError(
                f"{h}x{w} pixels do not divide into blocks of "
                f"{self.block_size}x{self.block_size} pixels. Choose another size or "
                f"`block_size`. Received: block_size={self.block_size}."
            )
        return batch, h // self.block_size, w // self.block_size, c * self.block_size**2

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


@serializable
class DepthToSpace(keras.layers.Layer):
    """Moves channels back into pixels: the inverse of `SpaceToDepth`.

    Args:
        block_size: Positive int.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        x: Tensor of shape `(B, h, w, C)`, `C` a multiple of `block_size**2`.

    Returns:
        Tensor of shape `(B, h * block_size, w * block_size, C / block_size**2)`.

    Raises:
        ValueError: If the channels are no multiple of `block_size**2`.

    Example:

    >>> DepthToSpace(2)(features).shape
    (8, 32, 32, 3)
    """

    def __init__(self, block_size, **kwargs):
        super().__init__(**kwargs)
        self.block_size = _checks.positive_int("block_size", block_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, x):
        b, c = self.block_size, self.compute_output_shape(x.shape)[-1]
        _, h, w, _ = ops.shape(x)
        x = ops.reshape(x, (-1, h, w, b, b, c))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, h * b, w * b, c))

    def compute_output_shape(self, input_shape):
        batch, h, w, c = input_shape
        if c % self.block_size**2:
            raise ValueError(
                f"{c} channels do not divide into blocks of "
                f"{self.block_size}x{self.block_size} pixels. "
                f"Received: block_size={self.block_size}."
            )
        b = self.block_size
        h, w = (None if side is None else side * b for side in (h, w))
        return batch, h, w, c // b**2

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}
