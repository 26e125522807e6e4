"""Blocks of the U-Net: functions from tensors to tensors."""

import functools
import random

from keras import layers

from keras_patchdpm.layers import (
    GroupNormalization2D,
    PixelPositionEmbedding,
    SelfAttention2D,
)

GROUPS = 8

# The images of this package are channels-last, also if Keras is set otherwise.
conv2d = functools.partial(layers.Conv2D, data_format="channels_last")


def group_norm(x, name, **modulation):
    """Group normalisation over at most 8 groups that divide the channels.

    `modulation` is empty, or has a `scale` and a `shift` for each channel.
    """
    groups = next(g for g in range(GROUPS, 0, -1) if x.shape[-1] % g == 0)
    return GroupNormalization2D(groups, name=name)(x, **modulation)


def modulation(embedding, *, width, name):
    """The `scale` and the `shift` of `GroupNormalization2D`, from an embedding."""
    return {
        part: layers.Dense(width, name=f"{name}_{part}")(embedding)
        for part in ("scale", "shift")
    }


def residual_block(x, embedding, *, width, name, dropout=0.0):
    """A residual block of two 3x3 convolutions, modulated by `embedding`.

    The last convolution is initialised with zeros, so that the block starts as the
    identity (or as the 1x1 convolution that changes the channels).
    """
    skip = x
    if x.shape[-1] != width:
        skip = conv2d(width, 1, name=f"{name}_skip")(x)
    x = group_norm(x, f"{name}_norm1")
    x = layers.Activation("silu", name=f"{name}_act1")(x)
    x = conv2d(width, 3, padding="same", name=f"{name}_conv1")(x)
    scaled = modulation(embedding, width=width, name=f"{name}_modulation")
    x = group_norm(x, f"{name}_norm2", **scaled)
    x = layers.Activation("silu", name=f"{name}_act2")(x)
    if dropout:
        # Without a seed PyTorch uses a generator that Keras does not save.
        seed = random.randrange(2**31)  # As in Keras, so `set_random_seed` applies.
        x = layers.Dropout(dropout, seed=seed, name=f"{name}_dropout")(x)
    x = conv2d(
        width, 3, padding="same", kernel_initializer="zeros", name=f"{name}_conv2"
    )(x)
    return layers.Add(name=f"{name}_add")([skip, x])


def attention_block(x, embedding, *, name, head_size=32):
    """Residual attention over the pixels of `x`, with their positions and `embedding`.

    From both, attention can find the pixels of the pooled image that belong to a patch.
    """
    width = x.shape[-1]
    y = group_norm(x, f"{name}_norm")
    if None not in y.shape[1:]:  # Patches of any size have coordinates instead.
        y = PixelPositionEmbedding(name=f"{name}_position")(y)
    shift = layers.Dense(width, name=f"{name}_shift")(embedding)
    shift = layers.Reshape((1, 1, width), name=f"{name}_shift_map")(shift)
    y = layers.Add(name=f"{name}_shifted")([y, shift])
    y = SelfAttention2D(max(width // head_size, 1), head_size, name=f"{name}_heads")(y)
    return layers.Add(name=f"{name}_add")([x, y])
