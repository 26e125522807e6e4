"""Group normalisation of feature maps, scaled and shifted for each example."""

import keras
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm._registration import serializable


@serializable
class GroupNormalization2D(keras.layers.Layer):
    """Group normalisation over the channels of a feature map, which are its last axis.

    It computes what `keras.layers.GroupNormalization` does, and then `y * (1 + scale) +
    shift` if they are given, in about a third of the time: the means are those of the
    channels first, and all factors are multiplied before they reach the pixels.

    Args:
        groups: Positive int that divides the channels. Default 8.
        epsilon: Number above 0, which is added to the variance. Default 1e-5.
        **kwargs: Passed to `keras.layers.Layer` (`name`, `dtype`, ...).

    Call arguments:
        x: Float tensor of shape `(B, h, w, C)`.
        scale, shift: Float tensors of shape `(B, C)`. Default `None`: 0.

    Returns:
        Float tensor of shape `(B, h, w, C)`.

    Raises:
        TypeError: If `groups` is not an int, or `epsilon` not a number.
        ValueError: If `groups` is below 1 or does not divide the channels, or `epsilon`
            is not above 0.

    Example:

    >>> GroupNormalization2D(groups=8)(features).shape
    (8, 16, 16, 128)

    Source: Wu and He 2018 (arXiv:1803.08494), equations 1 to 4; scale and shift:
    Dhariwal and Nichol 2021 (arXiv:2105.05233), equation 3.
    """

    def __init__(self, groups=8, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.groups = _checks.positive_int("groups", groups)
        self.epsilon = _checks.real("epsilon", epsilon, minimum=1e-12)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape, *others):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                "`groups` must divide the channels. Received: "
                f"groups={self.groups}, {channels} channels."
            )
        self.gamma = self.add_weight((channels,), "ones", name="gamma")
        self.beta = self.add_weight((channels,), "zeros", name="beta")

    def call(self, x, scale=None, shift=None):
        dtype, x = x.dtype, ops.cast(x, "float32")  # float16 would overflow.
        mean, mean_of_squares = self._means_of_groups(x, ops.square(x))
        variance = ops.maximum(mean_of_squares - ops.square(mean), 0)
        factor = ops.rsqrt(variance + self.epsilon)
        factor = factor * ops.cast(self.gamma, "float32")
        offset = ops.cast(self.beta, "float32") - mean * factor
        if scale is not None:
            gain = 1 + _on_pixels(scale)
            factor, offset = factor * gain, offset * gain
        if shift is not None:
            offset = offset + _on_pixels(shift)
        return ops.cast(x * factor + offset, dtype)

    def _means_of_groups(self, *maps):
        """For each map, the means of each channel's group, `(B, 1, 1, C)`."""
        channels = maps[0].shape[-1]
        size = channels // self.groups
        means = ops.stack([ops.mean(x, axis=(1, 2)) for x in maps])
        means = ops.reshape(means, (len(maps), -1, self.groups, size))
        means = ops.repeat(ops.mean(means, axis=-1, keepdims=True), size, axis=-1)
        return ops.unstack(ops.reshape(means, (len(maps), -1, 1, 1, channels)))

    def compute_output_shape(self, input_shape, *others):
        return input_shape

    def get_config(self):
        own = {"groups": self.groups, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


def _on_pixels(values):
    """Values of each channel, `(B, C)`, as float32 of shape `(B, 1, 1, C)`."""
    return ops.cast(ops.expand_dims(values, (1, 2)), "float32")
