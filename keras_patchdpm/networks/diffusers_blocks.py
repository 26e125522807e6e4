"""The blocks of the U-Net of `diffusers`: functions from tensors to tensors."""

import dataclasses
import functools
import random
import typing

from keras import layers

from keras_patchdpm.layers import GroupNormalization2D, SelfAttention2D
from keras_patchdpm.networks.blocks import conv2d, modulation

HALVED = functools.partial(layers.AveragePooling2D, 2, data_format="channels_last")
DOUBLED = functools.partial(layers.UpSampling2D, 2, data_format="channels_last")
HEADS = "heads"  # Suffix of the layer with the queries, keys and values.


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Blocks that have the same options in the whole network.

    Args:
        embedding: Tensor `(B, E)`: noise level, position and label, after `silu`.
        groups, epsilon: Those of `GroupNormalization2D`.
        num_heads, head_size: Ints, heads of attention and channels of one head. One of
            them is `None`, or both: one head.
        scale_shift: Bool. Whether the embedding also scales, after the normalisation.
        dropout: Float, the dropout rate.
    """

    embedding: typing.Any
    groups: int
    epsilon: float
    num_heads: int | None
    head_size: int | None
    scale_shift: bool
    dropout: float

    def normalised(self, x, name, **scaled):
        """Group normalisation, `scaled` by a `scale` and a `shift` or not."""
        return GroupNormalization2D(self.groups, self.epsilon, name=name)(x, **scaled)

    def activated(self, x, name, **scaled):
        """Group normalisation, then `silu`."""
        x = self.normalised(x, name, **scaled)
        return layers.Activation("silu", name=f"{name}_act")(x)

    def residual(self, x, width, *, name, scale=1.0, resampled=None):
        """Two 3x3 convolutions around `x`, shifted by the embedding.

        The last convolution is initialised with zeros, as in Ho et al. `resampled` is
        `HALVED` or `DOUBLED`, if the block changes the size of the image.
        """
        convolution = functools.partial(conv2d, width, 3, padding="same")
        y = self.activated(x, f"{name}_norm1")
        if resampled is not None:
            x = resampled(name=f"{name}_resampled_skip")(x)
            y = resampled(name=f"{name}_resampled")(y)
        if x.shape[-1] != width:
            x = conv2d(width, 1, name=f"{name}_conv_shortcut")(x)
        y = convolution(name=f"{name}_conv1")(y)
        y = self._embedded(y, name)
        if self.dropout:
            # Without a seed PyTorch uses a generator that Keras does not save.
            seed = random.randrange(2**31)
            y = layers.Dropout(self.dropout, seed=seed, name=f"{name}_dropout")(y)
        y = convolution(kernel_initializer="zeros", name=f"{name}_conv2")(y)
        return _scaled_sum(x, y, name=name, scale=scale)

    def _embedded(self, x, name):
        """The embedding joined to `x`, with the second normalisation."""
        width, projection = x.shape[-1], f"{name}_time_emb_proj"
        if self.scale_shift:
            scaled = modulation(self.embedding, width=width, name=projection)
            return self.activated(x, f"{name}_norm2", **scaled)
        shift = layers.Dense(width, name=projection)(self.embedding)
        shift = layers.Reshape((1, 1, width), name=f"{name}_shift_map")(shift)
        x = layers.Add(name=f"{name}_shifted")([x, shift])
        return self.activated(x, f"{name}_norm2")

    def attention(self, x, *, name, scale=1.0):
        """Residual attention over all pixels."""
        width = x.shape[-1]
        heads = self.num_heads or width // (self.head_size or width)
        y = self.normalised(x, f"{name}_group_norm")
        y = SelfAttention2D(
            heads, width // heads, use_bias=True, name=f"{name}_{HEADS}"
        )(y)
        return _scaled_sum(x, y, name=name, scale=scale)

    def halved(self, x, padding, name):
        """A convolution with stride 2 that keeps the channels."""
        mode = "same"  # With stride 2 it pads right and below, one pixel.
        if padding:
            pad = layers.ZeroPadding2D(
                padding, data_format="channels_last", name=f"{name}_pad"
            )
            x, mode = pad(x), "valid"
        return conv2d(x.shape[-1], 3, 2, padding=mode, name=f"{name}_conv")(x)

    def doubled(self, x, name):
        """Every pixel four times, then a convolution."""
        x = DOUBLED(name=f"{name}_double")(x)
        return conv2d(x.shape[-1], 3, padding="same", name=f"{name}_conv")(x)


def _scaled_sum(skip, x, *, name, scale):
    x = layers.Add(name=f"{name}_add")([skip, x])
    return x if scale == 1 else layers.Rescaling(1 / scale, name=f"{name}_scaled")(x)
