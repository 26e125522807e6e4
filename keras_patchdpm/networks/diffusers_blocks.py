"""The blocks of the U-Net of `diffusers`: functions from tensors to tensors."""

import dataclasses
import functools
import random
import typing

from keras import layers

from keras_patchdpm.layers import GroupNormalization2D, SelfAttention2D
from keras_patchdpm.networks.blocks import conv2d

HEADS = "heads"  # Suffix of the layer with the queries, keys and values.


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Blocks that have the same options in the whole network.

    Args:
        embedding: Tensor `(B, E)`: noise level, position and label, after `silu`.
        groups, epsilon: Those of `GroupNormalization2D`.
        head_size: Int, channels of one head of attention, or `None` for one head.
        dropout: Float, the dropout rate.
    """

    embedding: typing.Any
    groups: int
    epsilon: float
    head_size: int | None
    dropout: float

    def normalised(self, x, name):
        """Group normalisation."""
        return GroupNormalization2D(self.groups, self.epsilon, name=name)(x)

    def activated(self, x, name):
        """Group normalisation, then `silu`."""
        return layers.Activation("silu", name=f"{name}_act")(self.normalised(x, name))

    def residual(self, x, width, *, name, scale=1.0):
        """Two 3x3 convolutions around `x`, shifted by the embedding.

        The last convolution is initialised with zeros, as in Ho et al.
        """
        skip = x
        if x.shape[-1] != width:
            skip = conv2d(width, 1, name=f"{name}_conv_shortcut")(x)
        convolution = functools.partial(conv2d, width, 3, padding="same")
        x = self.activated(x, f"{name}_norm1")
        x = convolution(name=f"{name}_conv1")(x)
        shift = layers.Dense(width, name=f"{name}_time_emb_proj")(self.embedding)
        shift = layers.Reshape((1, 1, width), name=f"{name}_shift_map")(shift)
        x = layers.Add(name=f"{name}_shifted")([x, shift])
        x = self.activated(x, f"{name}_norm2")
        if self.dropout:
            # Without a seed PyTorch uses a generator that Keras does not save.
            seed = random.randrange(2**31)
            x = layers.Dropout(self.dropout, seed=seed, name=f"{name}_dropout")(x)
        x = convolution(kernel_initializer="zeros", name=f"{name}_conv2")(x)
        return _scaled_sum(skip, x, name=name, scale=scale)

    def attention(self, x, *, name, scale=1.0):
        """Residual attention over all pixels."""
        width = x.shape[-1]
        head_size = self.head_size or width
        y = self.normalised(x, f"{name}_group_norm")
        y = SelfAttention2D(
            width // head_size, head_size, use_bias=True, name=f"{name}_{HEADS}"
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
        twice = layers.UpSampling2D(
            2, data_format="channels_last", name=f"{name}_double"
        )
        return conv2d(x.shape[-1], 3, padding="same", name=f"{name}_conv")(twice(x))


def _scaled_sum(skip, x, *, name, scale):
    x = layers.Add(name=f"{name}_add")([skip, x])
    return x if scale == 1 else layers.Rescaling(1 / scale, name=f"{name}_scaled")(x)
