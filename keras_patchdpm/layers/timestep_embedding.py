"""Embeds the timestep, which states the noise level, as sines and cosines."""

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable


@serializable
class TimestepEmbedding(keras.layers.Layer):
    """Embeds a timestep as sines and cosines of geometric frequencies.

    The output is `[sin(f_0 t), ..., cos(f_0 t), ...]` with
    `f_i = max_period ** (-i / (dim / 2 - 1))`. It is computed in float32: in bfloat16
    the timesteps 999 and 1000 are the same number.

    Args:
        dim: Even int of at least 4. Length of the embedding.
        max_period: Number of at least 1. Inverse of the lowest frequency. Default
            10,000.
        **kwargs: Passed to `keras.layers.Layer` (`name`, ...).

    Call arguments:
        timestep: Int or float tensor of shape `(B,)`.

    Returns:
        Float32 tensor of shape `(B, dim)`.

    Raises:
        TypeError: If `dim` is not an int, or `max_period` not a number.
        ValueError: If `dim` is odd or below 4, or `max_period` is below 1.

    Example:

    >>> TimestepEmbedding(64)(np.array([0, 999])).shape
    (2, 64)

    Source: Ho et al. 2020 (arXiv:2006.11239), appendix B.
    """

    def __init__(self, dim, max_period=10_000.0, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.dim = _checks.integer("dim", dim, minimum=4, maximum=_checks.LARGEST)
        if self.dim % 2:
            raise ValueError(f"`dim` must be even. Received: dim={dim}.")
        self.max_period = _checks.real("max_period", max_period, minimum=1)

    def call(self, timestep):
        half = self.dim // 2
        exponents = np.arange(half) / (half - 1)
        frequencies = (self.max_period**-exponents).astype("float32")
        frequencies = ops.convert_to_tensor(frequencies)
        angles = ops.expand_dims(ops.cast(timestep, "float32"), -1) * frequencies
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.dim)

    def get_config(self):
        own = {"dim": self.dim, "max_period": self.max_period}
        return {**super().get_config(), **own}
