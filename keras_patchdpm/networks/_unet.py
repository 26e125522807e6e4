"""The default U-Net, for every patching and every schedule."""

import keras
from keras import layers

from keras_patchdpm import _checks, augmentation
from keras_patchdpm.layers import DepthToSpace, SpaceToDepth
from keras_patchdpm.networks import limits
from keras_patchdpm.networks._joined import embedding_of, with_maps
from keras_patchdpm.networks._patch_sizes import check_patch
from keras_patchdpm.networks.blocks import (
    attention_block,
    conv2d,
    group_norm,
    residual_block,
)
from keras_patchdpm.networks.recorded import record
from keras_patchdpm.patching import WholeImage


def unet(
    image_size,
    patching=None,
    *,
    channels=3,
    width=64,
    multipliers=(1, 2, 2),
    blocks_per_depth=2,
    attention_depths=None,
    stem=1,
    dropout=0.0,
    schedule=None,
    num_classes=None,
    augmented=False,
    name="unet",
):
    """A U-Net for the patches of images of `image_size`.

    In the arguments, a depth is one resolution of the U-Net; depth 0 is the full one.

    Args:
        image_size: Int from 1 to 65536 or pair `(height, width)`: pixels of the WHOLE
            image.
        patching: `GridPatching`, `CascadePatching`, `RandomPatching`, `WholeImage` or a
            `Patching` of your own: the one of the model. It decides which inputs the
            network has. Default `None`: `WholeImage()`.
        channels: Int from 1 to 4096. Channels of the image. Default 3.
        width: Even int from 4 to 8192. Channels at depth 0. Default 64.
        multipliers: 1 to 16 ints from 1 to 64, one for each depth: its channels over
            `width`. Each depth but the first halves the feature map. Default
            `(1, 2, 2)`.
        blocks_per_depth: Int from 1 to 64. Residual blocks at each depth, on the way
            down and again on the way up. Default 2.
        attention_depths: Ints, the depths that end with attention. Its memory grows
            with the square of the number of pixels. Default `None`: all but depth 0.
        stem: Int from 1 to 64. Blocks of `stem` x `stem` pixels are moved into the
            channels before the first convolution: with 2 the network costs about a
            fourth. Default 1: not moved.
        dropout: Float in [0, 1). Dropout rate in each residual block. Default 0.
        schedule: The `Schedule` of the model. It decides whether noise levels are ints
            (`DDPMSchedule`) or floats (`EDMSchedule`). Default `None`: ints.
        num_classes: Int from 1 to 1,000,000. The network then also has the input
            `label` `(B,)`: see `layers.LabelEmbedding`. Default `None`: no labels.
        augmented: Bool. Whether the network also has the input `augmentation_labels`
            `(B, 9)`, for `PatchDPM(augmentation=)`. Default: no.
        name: Name of the model. Default `"unet"`.

    Returns:
        Functional `keras.Model` from a dict of inputs, `noisy` `(B, h, w, C)`,
        `timestep` `(B,)` and those of the patching, to the prediction `(B, h, w, C)`.

    Raises:
        TypeError: If a number has the wrong type, `patching` is no patching or
            `schedule` no schedule.
        ValueError: If the image does not divide into the patches, a patch cannot be
            halved at each depth, a number is out of range, or the network would have
            more than 2**34 weights.

    Example:

    >>> network = unet(64, GridPatching(2), width=64, stem=2)

    Source: Ho et al. 2020 (arXiv:2006.11239), appendix B; modulation: Dhariwal &
    Nichol 2021 (arXiv:2105.05233), section 3.
    """
    image_size = limits.image_size(image_size)
    channels = _checks.integer("channels", channels, minimum=1, maximum=limits.CHANNELS)
    width = _check_width(width)
    multipliers = limits.multipliers(multipliers)
    blocks_per_depth = _checks.integer(
        "blocks_per_depth", blocks_per_depth, minimum=1, maximum=limits.BLOCKS
    )
    if attention_depths is None:
        attention_depths = range(1, len(multipliers))
    attention_depths = limits.integers(
        "attention_depths", attention_depths, minimum=0, maximum=len(multipliers) - 1
    )
    stem = _checks.integer("stem", stem, minimum=1, maximum=limits.STEM)
    dropout = _checks.real("dropout", dropout, minimum=0, maximum=0.999)
    if num_classes is not None:
        num_classes = _checks.integer(
            "num_classes", num_classes, minimum=1, maximum=limits.CLASSES
        )
    augmented = _checks.boolean("augmented", augmented)
    patching = WholeImage() if patching is None else patching
    _checks.like(
        "patching", patching, asked=("input_specs",), example="GridPatching(2)"
    )
    if schedule is not None:
        _checks.like(
            "schedule", schedule, asked=("timestep_dtype",), example="DDPMSchedule()"
        )
    name = _checks.string("name", name)
    image_shape = (*image_size, channels)
    specs = patching.input_specs(image_shape)
    timestep_dtype = "int32" if schedule is None else schedule.timestep_dtype
    for size in patching.window_sizes(image_shape):
        check_patch(
            size,
            stem * 2 ** (len(multipliers) - 1),
            patching=patching,
            image_shape=image_shape,
        )
    vectors = (num_classes or 0) + sum(spec.size or 0 for spec in specs.values())
    limits.check_weights(
        4 * width * vectors
        + limits.convolution(3, channels * stem**2, width)
        + _least_weights(
            specs["noisy"].shape[:2],
            stem=stem,
            width=width,
            multipliers=multipliers,
            blocks=blocks_per_depth,
            attention_depths=attention_depths,
        )
    )
    inputs = {
        key: keras.Input(spec.shape, dtype=spec.dtype, name=key)
        for key, spec in specs.items()
    }
    inputs["timestep"] = keras.Input((), dtype=timestep_dtype, name="timestep")
    if num_classes is not None:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
    if augmented:
        inputs[augmentation.LABELS] = augmentation.labels_input()
    embedding = embedding_of(inputs, specs, width=width, num_classes=num_classes)
    x = with_maps(inputs, specs)
    if stem > 1:
        x = SpaceToDepth(stem, name="stem")(x)
    x = conv2d(width, 3, padding="same", name="first")(x)

    def blocks(x, depth, side):
        for block in range(blocks_per_depth):
            prefix = f"{side}{depth}_block{block}"
            x = residual_block(
                x,
                embedding,
                width=width * multipliers[depth],
                name=prefix,
                dropout=dropout,
            )
        if depth in attention_depths:
            x = attention_block(x, embedding, name=f"{side}{depth}_attention")
        return x

    skips = []
    for depth in range(len(multipliers)):
        if depth:
            x = conv2d(
                x.shape[-1], 3, strides=2, padding="same", name=f"down{depth}_halve"
            )(x)
        x = blocks(x, depth, "down")
        skips.append(x)
    x = residual_block(x, embedding, width=x.shape[-1], name="middle", dropout=dropout)
    for depth in reversed(range(len(multipliers))):
        x = layers.Concatenate(name=f"up{depth}_join")([x, skips[depth]])
        x = blocks(x, depth, "up")
        if depth:
            x = layers.UpSampling2D(
                2, data_format="channels_last", name=f"up{depth}_double"
            )(x)
            x = conv2d(
                width * multipliers[depth - 1],
                3,
                padding="same",
                name=f"up{depth}_conv",
            )(x)
    x = layers.Activation("silu", name="last_act")(group_norm(x, "last_norm"))
    # The prediction is float32, also in mixed precision.
    x = conv2d(
        channels * stem**2,
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype="float32",
        name="last",
    )(x)
    if stem > 1:
        x = DepthToSpace(stem, dtype="float32", name="last_pixels")(x)
    arguments = {
        "name": "unet",
        "image_size": list(image_size),
        "channels": channels,
        "width": width,
        "multipliers": list(multipliers),
        "blocks_per_depth": blocks_per_depth,
        "attention_depths": list(attention_depths),
        "stem": stem,
        "dropout": dropout,
        "num_classes": num_classes,
    }
    return record(keras.Model(inputs, x, name=name), arguments)


def _least_weights(patch, *, stem, width, multipliers, blocks, attention_depths):
    """A lower bound of the weights of the blocks."""
    widths = [width * multiplier for multiplier in multipliers]
    # On the way down and up, two convolutions in each block.
    weights = 4 * blocks * sum(limits.convolution(3, size, size) for size in widths)
    if None not in patch:
        for depth in attention_depths:
            h, w = (side // stem >> depth for side in patch)
            weights += 2 * h * w * widths[depth]
    return weights


def _check_width(width):
    """Refuses an odd `width`: the noise level is embedded in half as many sines."""
    if _checks.integer("width", width, minimum=4, maximum=limits.WIDTH) % 2:
        raise ValueError(f"`width` must be even. Received: width={width}.")
    return int(width)
