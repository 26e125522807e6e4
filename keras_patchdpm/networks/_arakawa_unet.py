"""The network of Arakawa et al., layer by layer as the authors built it."""

import keras
from keras import layers

from keras_patchdpm import _checks
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.layers import (
    GlobalContentConditioning,
    GroupNormalization2D,
    LabelEmbedding,
    LinearAttention,
    PositionOneHotEmbedding,
    SelfAttention2D,
    TimestepEmbedding,
    UpsamplingConvolution2D,
)
from keras_patchdpm.networks import limits
from keras_patchdpm.networks.blocks import conv2d, modulation
from keras_patchdpm.networks.recorded import record

GROUPS = 8
NUM_HEADS = 4
HEAD_SIZE = 32
EPSILON = 1e-5  # The default of PyTorch; that of Keras is 1e-3.


def arakawa_unet(
    image_size=128,
    divisions=2,
    *,
    dim=128,
    channels=3,
    multipliers=(1, 2, 4, 8),
    num_classes=None,
    name="arakawa_unet",
):
    """The U-Net of Arakawa et al. for one patch, with one-hot position and GCC.

    Each resolution has two residual blocks and linear attention; the middle has full
    attention. The timestep and the one-hot position are embedded together. The
    embedding scales and shifts the first convolution of every block but the last.
    `load_authors_weights` loads weights that the authors' code has trained.

    Args:
        image_size: Int from 1 to 65536 or `(height, width)`. Pixels of the whole image.
            Default 128.
        divisions: Positive int N (a grid of N x N patches) or `(rows, cols)`. Default
            2.
        dim: Multiple of 8 up to 8192. Channels of the first resolution. Default 128.
        channels: Int from 1 to 4096. Channels of the image. Default 3.
        multipliers: 1 to 16 ints from 1 to 64, the first one 1. Channels of each
            resolution over `dim`; each resolution is half of the one before. Default
            `(1, 2, 4, 8)`.
        num_classes: Int from 1 to 1,000,000. The network then also has the input
            `label`: see `layers.LabelEmbedding`. Default `None`: no labels, as in the
            original method.
        name: Name of the model. Default `"arakawa_unet"`.

    Returns:
        A functional `keras.Model` that predicts the noise, float32 `(B, h, w, C)`, from
        a dict of inputs: `noisy` `(B, h, w, C)`; `timestep` int `(B,)`, from
        0; `patch_index` int `(B,)`; `content` `(B, h, w, C)`, the noisy image pooled to
        the size of the patch; with `num_classes` also `label` int `(B,)`.

    Raises:
        TypeError: If a size is not an int.
        ValueError: If the image does not divide into patches, a patch cannot be halved
            once for each resolution after the first, `dim` is no multiple of 8,
            `multipliers` does not start with 1, a number is out of range, or the
            network would have more than 2**34 weights.

    Example:

    >>> network = arakawa_unet(image_size=128, divisions=2, dim=64)
    >>> network.input["noisy"].shape
    (None, 64, 64, 3)

    Source: Arakawa et al. 2023 (arXiv:2304.07087), sections 3.2 and 3.3, with the
    defaults of their code, `ShineiArakawa/patch-based-ddpm` (MIT).
    """
    grid = PatchGrid(divisions)
    dim = _checks.positive_int("dim", dim)
    widths = _widths(dim, multipliers)
    image_size = limits.image_size(image_size)
    h, w = _patch_size(grid, image_size, len(widths))
    channels = _checks.integer("channels", channels, minimum=1, maximum=limits.CHANNELS)
    if num_classes is not None:
        num_classes = _checks.integer(
            "num_classes", num_classes, minimum=1, maximum=limits.CLASSES
        )
    # A lower bound: two blocks in each resolution, two convolutions in each block.
    least = 4 * sum(limits.convolution(3, width, width) for width in widths)
    limits.check_weights(least + (grid.num_patches + (num_classes or 0)) * dim)
    name = _checks.string("name", name)
    inputs = {
        "noisy": keras.Input((h, w, channels), name="noisy"),
        "timestep": keras.Input((), dtype="int32", name="timestep"),
        "patch_index": keras.Input((), dtype="int32", name="patch_index"),
        "content": keras.Input((h, w, channels), name="content"),
    }
    if num_classes is not None:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
    embedding = _embedding(
        inputs, num_patches=grid.num_patches, dim=dim, num_classes=num_classes
    )
    conditioned = GlobalContentConditioning(name="conditioned")
    x = conditioned(inputs["noisy"], inputs["content"])
    x = conv2d(dim // 3 * 2, 7, padding="same", name="first_conv")(x)
    x = _u_net(x, embedding, widths)
    x = _block(x, None, width=dim, name="last_block")
    x = conv2d(channels, 1, dtype="float32", name="output")(x)
    arguments = {
        "name": "arakawa_unet",
        "image_size": list(image_size),
        "divisions": list(grid.divisions),
        "dim": widths[0],
        "channels": channels,
        "multipliers": [width // widths[0] for width in widths],
        "num_classes": num_classes,
    }
    return record(keras.Model(inputs, x, name=name), arguments)


def _u_net(x, embedding, widths):
    """The U-Net; the outputs of its first resolution are not joined on the way up."""
    skips = []
    for depth, width in enumerate(widths):
        if depth:
            x = conv2d(
                x.shape[-1], 4, 2, padding="same", name=f"down{depth - 1}_resample"
            )(x)
        x = _stage(x, embedding, width=width, name=f"down{depth}")
        skips.append(x)
    x = _block(x, embedding, width=widths[-1], name="mid_block1")
    x = _attention(x, SelfAttention2D, "mid_attention")
    x = _block(x, embedding, width=widths[-1], name="mid_block2")
    for stage, width in enumerate(reversed(widths[:-1])):
        x = layers.Concatenate(name=f"up{stage}_concat")([x, skips.pop()])
        x = _stage(x, embedding, width=width, name=f"up{stage}")
        x = UpsamplingConvolution2D(width, name=f"up{stage}_resample")(x)
    return x


def _stage(x, embedding, *, width, name):
    """Two residual blocks and linear attention."""
    x = _block(x, embedding, width=width, name=f"{name}_block1")
    x = _block(x, embedding, width=width, name=f"{name}_block2")
    x = _attention(x, LinearAttention, f"{name}_attention")
    return x


def _block(x, embedding, *, width, name):
    """A residual block of two 3x3 convolutions, the first scaled and shifted."""
    skip = x
    if x.shape[-1] != width:
        skip = conv2d(width, 1, name=f"{name}_skip")(x)
    for part in (1, 2):
        x = conv2d(width, 3, padding="same", name=f"{name}_conv{part}")(x)
        scaled = {}
        if part == 1 and embedding is not None:
            scaled = modulation(embedding, width=width, name=name)
        norm = GroupNormalization2D(GROUPS, EPSILON, name=f"{name}_norm{part}")
        x = norm(x, **scaled)
        x = layers.Activation("silu", name=f"{name}_act{part}")(x)
    return layers.Add(name=f"{name}_add")([x, skip])


def _attention(x, kind, name):
    """Residual attention, normalised before; linear attention also after."""
    skip = x
    x = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_prenorm")(x)
    x = kind(NUM_HEADS, HEAD_SIZE, name=name)(x)
    if kind is LinearAttention:
        x = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)
    return layers.Add(name=f"{name}_add")([x, skip])


def _embedding(inputs, *, num_patches, dim, num_classes):
    """Timestep, position and label in one vector of length `4 * dim`."""
    time = TimestepEmbedding(dim, name="embedding_sinusoid")(inputs["timestep"])
    time = layers.Dense(dim, name="embedding_timestep")(time)
    time = layers.Activation("gelu", name="embedding_timestep_act")(time)
    place = PositionOneHotEmbedding(num_patches, dim, name="embedding_place")
    place = place(inputs["patch_index"])
    place = layers.Activation("gelu", name="embedding_place_act")(place)
    parts = [time, place]
    if "label" in inputs:
        label = LabelEmbedding(num_classes, dim, name="embedding_label")
        parts.append(label(inputs["label"]))
    joint = layers.Concatenate(name="embedding_concat")(parts)
    joint = layers.Dense(4 * dim, name="embedding")(joint)
    return layers.Activation("silu", name="embedding_act")(joint)


def _widths(dim, multipliers):
    """Channels of each resolution, from the finest to the coarsest."""
    if _checks.integer("dim", dim, minimum=1, maximum=limits.WIDTH) % GROUPS:
        raise ValueError(
            f"`dim` must be a multiple of {GROUPS}, the number of groups in the "
            f"normalisation: {_either(dim, GROUPS)}. Received: dim={dim}."
        )
    multipliers = limits.multipliers(multipliers)
    if multipliers[:1] != (1,):
        raise ValueError(
            "`multipliers` must start with 1, since the last block of the authors' "
            f"network has `dim` channels. Received: multipliers={multipliers}."
        )
    return [dim * multiplier for multiplier in multipliers]


def _patch_size(grid, image_size, num_depths):
    """`(h, w)` of a patch; refuses patches that cannot be halved often enough."""
    patch_size = grid.patch_size(image_size)
    multiple = 2 ** (num_depths - 1)
    if any(size % multiple for size in patch_size):
        fitting = [
            _either(size, parts * multiple)
            for size, parts in zip(image_size, grid.divisions, strict=True)
        ]
        raise ValueError(
            f"A patch of {patch_size[0]}x{patch_size[1]} pixels cannot be halved "
            f"{num_depths - 1} times. With {num_depths} `multipliers`, its height and "
            f"width must be multiples of {multiple}. Choose an image of "
            f"{fitting[0]} by {fitting[1]} pixels for this grid, other `divisions` or "
            f"fewer `multipliers`. Received: image_size={image_size}, "
            f"divisions={grid.divisions}."
        )
    return patch_size


def _either(size, multiple):
    """The multiples of `multiple` below and above `size`, as text."""
    below = size // multiple * multiple
    return f"{below} or {below + multiple}" if below else f"{multiple}"
