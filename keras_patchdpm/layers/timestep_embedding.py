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
    `f_i = max_period ** (-i / (dim / 2 - freq_shift))`. It is computed in float32: in
    bfloat16 the timesteps 999 and 1000 are the same number.

    Args:
        dim: Even int of at least 4. Length of the embedding.
        max_period: Number of at least 1. Inverse of the lowest frequency. Default
            10,000.
        freq_shift: Number in [0, 1]. With 1, the default, the lowest frequency is `1 /
            max_period`; with 0 it is a little higher, as in some networks of
            `diffusers`.
        flip_sin_to_cos: Bool. Whether the cosines are first. Default: no.
        **kwargs: Passed to `keras.layers.Layer` (`name`, ...).

    Call arguments:
        timestep: Int or float tensor of shape `(B,)`.

    Returns:
        Float32 tensor of shape `(B, dim)`.

    Raises:
        TypeError: If `dim` is not an int, `max_period` or `freq_shift` not a number, or
            `flip_sin_to_cos` not a bool.
        ValueError: If `dim` is odd or below 4, `max_period` is below 1, or `freq_shift`
            is out of range.

    Example:

    >>> TimestepEmbedding(64)(np.array([0, 999])).shape
    (2, 64)

    Source: Ho et al. 2020 (arXiv:2006.11239), appendix B.
    """

    def __init__(
        self,
        dim,
        max_period=10_000.0,
        *,
        freq_shift=1.0,
        flip_sin_to_cos=False,
        **kwargs,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.dim = _checks.integer("dim", dim, minimum=4, maximum=_checks.LARGEST)
        if self.dim % 2:
            raise ValueError(f"`dim` must be even. Received: dim={dim}.")
        self.max_period = _checks.real("max_period", max_period, minimum=1)
        self.freq_shift = _checks.real("freq_shift", freq_shift, minimum=0, maximum=1)
        self.flip_sin_to_cos = _checks.boolean("flip_sin_to_cos", flip_sin_to_cos)

    def call(self, timestep):
        half = self.dim // 2
        exponents = np.arange(half) / (half - self.freq_shift)
        frequencies = (self.max_period**-exponents).astype("float32")
        frequencies = ops.convert_to_tensor(frequencies)
        angles = ops.expand_dims(ops.cast(timestep, "float32"), -1) * frequencies
        waves = [ops.sin(angles), ops.cos(angles)]
        return ops.concatenate(waves[:: -1 if self.flip_sin_to_cos else 1], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.dim)

    def get_config(self):
        own = {
            "dim": self.dim,
            "max_period": self.max_period,
            "freq_shift": self.freq_shift,
            "flip_sin_to_cos": self.flip_sin_to_cos,
        }
        return {**super().get_config(), **own}
