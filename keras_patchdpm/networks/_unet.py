"""The default U-Net, for every patching and every schedule."""

import keras
from keras import layers

from keras_patchdpm import _checks
from keras_patchdpm.layers import (
    DepthToSpace,
    GlobalContentConditioning,
    LabelEmbedding,
    PositionOneHotEmbedding,
    SpaceToDepth,
    TimestepEmbedding,
)
from keras_patchdpm.networks import limits
from keras_patchdpm.networks.blocks import (
    attention_block,
    conv2d,
    group_norm,
    residual_block,
)
from keras_patchdpm.networks.recorded import record
from keras_patchdpm.patching import WholeImage

_FAR = 1024  # Pixels: how far an error message searches for another image size.


def unet(
    image_size,
    patching=None,
    *,
    channels=3,
    width=64,
    multipliers=(1, 2, 2),
    blocks_per_level=2,
    attention_levels=None,
    stem=1,
    dropout=0.0,
    schedule=None,
    num_classes=None,
    name="unet",
):
    """A U-Net for the patches of images of `image_size`.

    In the arguments, a level is one resolution of the U-Net.

    Args:
        image_size: Int from 1 to 65536 or pair `(height, width)`: pixels of the WHOLE
            image.
        patching: `GridPatching`, `CascadePatching`, `RandomPatching`, `WholeImage` or a
            `Patching` of your own: the one of the model. It decides which inputs the
            network has. Default `None`: `WholeImage()`.
        channels: Int from 1 to 4096. Channels of the image. Default 3.
        width: Even int from 4 to 8192. Channels of the first level. Default 64.
        multipliers: 1 to 16 ints from 1 to 64, one for each level: its channels over
            `width`. Each level but the first halves the feature map. Default
            `(1, 2, 2)`.
        blocks_per_level: Int from 1 to 64. Residual blocks of a level, on the way down
            and again on the way up. Default 2.
        attention_levels: Ints, the levels (0 is the first) that end with attention. Its
            memory grows with the square of the number of pixels. Default `None`: all
            levels but the first.
        stem: Int from 1 to 64. Blocks of `stem` x `stem` pixels are moved into the
            channels before the first convolution: with 2 the network costs about a
            fourth. Default 1: not moved.
        dropout: Float in [0, 1). Dropout rate in each residual block. Default 0.
        schedule: The `Schedule` of the model. It decides whether noise levels are ints
            (`DDPMSchedule`) or floats (`EDMSchedule`). Default `None`: ints.
        num_classes: Int from 1 to 1,000,000. The network then also has the input
            `label` `(B,)`: see `layers.LabelEmbedding`. Default `None`: no labels.
        name: Name of the model. Default `"unet"`.

    Returns:
        Functional `keras.Model` from a dict of inputs, `noisy` `(B, h, w, C)`, `level`
        `(B,)` and those of the patching, to the prediction `(B, h, w, C)`.

    Raises:
        TypeError: If a number has the wrong type, `patching` is no patching or
            `schedule` no schedule.
        ValueError: If the image does not divide into the patches, a patch cannot be
            halved in each level, a number is out of range, or the network would have
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
    blocks_per_level = _checks.integer(
        "blocks_per_level", blocks_per_level, minimum=1, maximum=limits.BLOCKS
    )
    if attention_levels is None:
        attention_levels = range(1, len(multipliers))
    attention_levels = limits.integers(
        "attention_levels", attention_levels, minimum=0, maximum=len(multipliers) - 1
    )
    stem = _checks.integer("stem", stem, minimum=1, maximum=limits.STEM)
    dropout = _checks.real("dropout", dropout, minimum=0, maximum=0.999)
    if num_classes is not None:
        num_classes = _checks.integer(
            "num_classes", num_classes, minimum=1, maximum=limits.CLASSES
        )
    patching = WholeImage() if patching is None else patching
    _checks.like(
        "patching", patching, asked=("input_specs",), example="GridPatching(2)"
    )
    if schedule is not None:
        _checks.like(
            "schedule", schedule, asked=("level_dtype",), example="DDPMSchedule()"
        )
    name = _checks.string("name", name)
    image_shape = (*image_size, channels)
    specs = patching.input_specs(image_shape)
    level_dtype = "int32" if schedule is None else schedule.level_dtype
    for size in patching.window_sizes(image_shape):
        _check_patch(
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
            blocks=blocks_per_level,
            attention_levels=attention_levels,
        )
    )
    inputs = {
        key: keras.Input(spec.shape, dtype=spec.dtype, name=key)
        for key, spec in specs.items()
    }
    inputs["level"] = keras.Input((), dtype=level_dtype, name="level")
    if num_classes is not None:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
    embedding = _embedding(inputs, specs, width=width, num_classes=num_classes)
    x = _with_maps(inputs, specs)
    if stem > 1:
        x = SpaceToDepth(stem, name="stem")(x)
    x = conv2d(width, 3, padding="same", name="first")(x)

    def level_blocks(x, level, side):
        for block in range(blocks_per_level):
            prefix = f"{side}{level}_block{block}"
            x = residual_block(
                x,
                embedding,
                width=width * multipliers[level],
                name=prefix,
                dropout=dropout,
            )
        if level in attention_levels:
            x = attention_block(x, embedding, name=f"{side}{level}_attention")
        return x

    skips = []
    for level in range(len(multipliers)):
        if level:
            x = conv2d(
                x.shape[-1], 3, strides=2, padding="same", name=f"down{level}_halve"
            )(x)
        x = level_blocks(x, level, "down")
        skips.append(x)
    x = residual_block(x, embedding, width=x.shape[-1], name="middle", dropout=dropout)
    for level in reversed(range(len(multipliers))):
        x = layers.Concatenate(name=f"up{level}_join")([x, skips[level]])
        x = level_blocks(x, level, "up")
        if level:
            x = layers.UpSampling2D(
                2, data_format="channels_last", name=f"up{level}_double"
            )(x)
            x = conv2d(
                width * multipliers[level - 1],
                3,
                padding="same",
                name=f"up{level}_conv",
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
        "blocks_per_level": blocks_per_level,
        "attention_levels": list(attention_levels),
        "stem": stem,
        "dropout": dropout,
        "num_classes": num_classes,
    }
    return record(keras.Model(inputs, x, name=name), arguments)


def _least_weights(patch, *, stem, width, multipliers, blocks, attention_levels):
    """A lower bound of the weights of the blocks."""
    widths = [width * multiplier for multiplier in multipliers]
    # On the way down and up, two convolutions in each block.
    weights = 4 * blocks * sum(limits.convolution(3, size, size) for size in widths)
    if None not in patch:
        for level in attention_levels:
            h, w = (side // stem >> level for side in patch)
            weights += 2 * h * w * widths[level]
    return weights


def _with_maps(inputs, specs):
    """The noisy image, concatenated with all inputs that are maps."""
    x, maps = inputs["noisy"], []
    for name, spec in specs.items():
        if spec.kind == "content":
            layer = GlobalContentConditioning(name=f"with_{name}")
            x = layer(x, inputs[name])
        elif spec.kind == "map" and name != "noisy":
            maps.append(inputs[name])
    return layers.Concatenate(name="with_maps")([x, *maps]) if maps else x


def _embedding(inputs, specs, *, width, num_classes):
    """One vector of the noise level, the label and all inputs that are no maps."""
    x = TimestepEmbedding(width, name="level_waves")(inputs["level"])
    vectors = [layers.Dense(4 * width, activation="silu", name="level_dense")(x)]
    for name, spec in specs.items():
        if spec.kind in _VECTORS:
            vectors.append(
                _VECTORS[spec.kind](
                    inputs[name], size=spec.size, width=width, name=name
                )
            )
    if num_classes is not None:
        label = LabelEmbedding(num_classes, 4 * width, name="label_vector")
        vectors.append(label(inputs["label"]))
    x = vectors[0]
    if len(vectors) > 1:
        x = layers.Concatenate(name="all_vectors")(vectors)
    return layers.Dense(4 * width, activation="silu", name="embedding")(x)


def _position(x, *, size, width, name):
    """The vector of a patch's position, from its one-hot code."""
    x = PositionOneHotEmbedding(size, 4 * width, name=f"{name}_vector")(x)
    return layers.Activation("silu", name=f"{name}_act")(x)


def _index(x, *, size, width, name):
    """A learned vector for each value of an int."""
    return layers.Embedding(size, 4 * width, name=f"{name}_vector")(x)


def _number(x, *, size, width, name):
    """The vector of a float: scaled to the range of timesteps, embedded like them."""
    x = layers.Rescaling(1000, dtype="float32", name=f"{name}_scaled")(x)
    x = TimestepEmbedding(width, name=f"{name}_waves")(x)
    return layers.Dense(4 * width, activation="silu", name=f"{name}_dense")(x)


_VECTORS = {"position": _position, "index": _index, "number": _number}


def _check_width(width):
    """Refuses an odd `width`: the noise level is embedded in half as many sines."""
    if _checks.integer("width", width, minimum=4, maximum=limits.WIDTH) % 2:
        raise ValueError(f"`width` must be even. Received: width={width}.")
    return int(width)


def _check_patch(size, factor, *, patching, image_shape):
    """Refuses patches that the stem and the levels cannot divide evenly."""
    h, w = size
    if h % factor or w % factor:
        fitting = [
            _fitting_sides(patching, image_shape, axis=axis, factor=factor)
            for axis in (0, 1)
        ]
        wanted = "larger images"
        if all(fitting):
            height, width = (" or ".join(map(str, sides)) for sides in fitting)
            wanted = f"an `image_size` of {height} by {width} pixels"
        raise ValueError(
            f"Patches, with their halo, of {h}x{w} pixels are no multiple of {factor}, "
            f"which the stem and the levels of the network need. Choose {wanted}, "
            "fewer `divisions`, another `halo`, fewer `multipliers` or a smaller "
            f"`stem`. Received: image_size={image_shape[:2]}, patch size {h}x{w}, "
            f"stem * 2**(levels - 1) = {factor}."
        )


def _fitting_sides(patching, image_shape, *, axis, factor):
    """The nearest image sides whose patches are multiples of `factor`, a list."""

    def fits(side):
        shape = (*image_shape[:axis], side, *image_shape[axis + 1 :])
        try:
            patch = patching.input_specs(shape)["noisy"].shape[axis]
        except ValueError:  # The patching refuses the size.
            return False
        return patch is not None and patch % factor == 0

    side = image_shape[axis]
    if fits(side):
        return [side]
    below = filter(fits, range(side - 1, max(side - _FAR, 0), -1))
    above = filter(fits, range(side + 1, side + _FAR))
    return [found for found in (next(below, None), next(above, None)) if found]
