"""Blocks of the U-Net: functions from tensors to tensors."""

import functools
import random

from keras import layers

from keras_patchdpm.layers import PixelPositionEmbedding, SelfAttention2D

GROUPS = 8

# The package's images have their channels last, whatever Keras is set to.
conv2d = functools.partial(layers.Conv2D, data_format="channels_last")
conv2d_transpose = functools.partial(
    layers.Conv2DTranspose, data_format="channels_last"
)


def group_norm(x, name):
    """Group normalisation over at most 8 groups that divide the channels."""
    groups = next(g for g in range(GROUPS, 0, -1) if x.shape[-1] % g == 0)
    return layers.GroupNormalization(groups, epsilon=1e-5, name=name)(x)


def modulate(x, embedding, name):
    """Scales and shifts the channels of `x` as the embedding says."""
    width = x.shape[-1]
    scale = layers.Dense(width, name=f"{name}_scale")(embedding)
    shift = layers.Dense(width, name=f"{name}_shift")(embedding)
    scale = layers.Reshape((1, 1, width), name=f"{name}_scale_map")(scale)
    shift = layers.Reshape((1, 1, width), name=f"{name}_shift_map")(shift)
    scaled = layers.Multiply(name=f"{name}_scaled")([x, scale])
    return layers.Add(name=f"{name}_out")([x, scaled, shift])


def residual_block(x, embedding, *, width, name, dropout=0.0):
    """Two 3x3 convolutions around `x`, modulated by `embedding`.

    The last one starts at zero, so that the block starts as the identity.
    """
    skip = x
    if x.shape[-1] != width:
        skip = conv2d(width, 1, name=f"{name}_skip")(x)
    x = group_norm(x, f"{name}_norm1")
    x = layers.Activation("silu", name=f"{name}_act1")(x)
    x = conv2d(width, 3, padding="same", name=f"{name}_conv1")(x)
    x = group_norm(x, f"{name}_norm2")
    x = modulate(x, embedding, f"{name}_modulation")
    x = layers.Activation("silu", name=f"{name}_act2")(x)
    if dropout:
        # Without a seed PyTorch draws from a state that no backup of Keras has.
        seed = random.randrange(2**31)  # As Keras chooses one: `set_random_seed` holds.
        x = layers.Dropout(dropout, seed=seed, name=f"{name}_dropout")(x)
    x = conv2d(
        width, 3, padding="same", kernel_initializer="zeros", name=f"{name}_conv2"
    )(x)
    return layers.Add(name=f"{name}_add")([skip, x])


def attention_block(x, embedding, *, name, head_size=32):
    """Attention around `x`; every pixel knows where it lies, and what `embedding` says.

    So a pixel of a patch can find its own place in the pooled image.
    """
    width = x.shape[-1]
    y = group_norm(x, f"{name}_norm")
    if None not in y.shape[1:]:  # Patches of any size are told coordinates instead.
        y = PixelPositionEmbedding(name=f"{name}_position")(y)
    shift = layers.Dense(width, name=f"{name}_shift")(embedding)
    shift = layers.Reshape((1, 1, width), name=f"{name}_shift_map")(shift)
    y = layers.Add(name=f"{name}_shifted")([y, shift])
    y = SelfAttention2D(max(width // head_size, 1), head_size, name=f"{name}_heads")(y)
    return layers.Add(name=f"{name}_add")([x, y])
