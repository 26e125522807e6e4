"""The U-Net of `diffusers`, `UNet2DModel`, for whole images and for patches."""

import keras
from keras import layers

from keras_patchdpm import _checks
from keras_patchdpm.layers import TimestepEmbedding
from keras_patchdpm.networks import limits
from keras_patchdpm.networks._joined import vectors, with_maps
from keras_patchdpm.networks._patch_sizes import check_patch
from keras_patchdpm.networks.blocks import conv2d
from keras_patchdpm.networks.diffusers_blocks import Blocks
from keras_patchdpm.networks.recorded import record
from keras_patchdpm.patching import WholeImage

DOWN = ("DownBlock2D", "AttnDownBlock2D")
UP = ("UpBlock2D", "AttnUpBlock2D")


def unet2d(
    image_size,
    patching=None,
    *,
    channels=3,
    block_out_channels=(128, 128, 256, 256, 512, 512),
    down_block_types=None,
    up_block_types=None,
    layers_per_block=2,
    attention_head_dim=None,
    add_attention=True,
    norm_num_groups=32,
    norm_eps=1e-6,
    flip_sin_to_cos=False,
    freq_shift=1.0,
    downsample_padding=0,
    mid_block_scale_factor=1.0,
    center_input_sample=False,
    dropout=0.0,
    schedule=None,
    num_classes=None,
    name="unet2d",
):
    """The network `UNet2DModel` of the library `diffusers`, with the same numbers.

    `load_diffusers_weights` loads weights of `diffusers`. With a `patching`, the
    network has further inputs, which have no influence until it is trained: maps are
    joined to the noisy image, and vectors are added to the embedding by a dense layer
    of zeros. `start_from` copies the weights of a network of whole images into it. The
    names of the arguments are those in the `config.json` of `diffusers`; the defaults
    are those of `google/ddpm-celebahq-256`.

    Args:
        image_size: Int from 1 to 65536 or pair `(height, width)`: pixels of the WHOLE
            image.
        patching: `WholeImage`, `GridPatching`, `CascadePatching`, `RandomPatching` or a
            `Patching` of your own. Default `None`: `WholeImage()`.
        channels: Int from 1 to 4096. Channels of the image. Default 3.
        block_out_channels: 1 to 16 ints from 1 to 8192, multiples of
            `norm_num_groups`: the channels of each resolution. Each is half of the one
            before. Default `(128, 128, 256, 256, 512, 512)`.
        down_block_types: For each resolution `"DownBlock2D"` or `"AttnDownBlock2D"`,
            which has attention. Default `None`: attention in the last but one.
        up_block_types: For each resolution, the lowest first, `"UpBlock2D"` or
            `"AttnUpBlock2D"`. Default `None`: attention as in `down_block_types`.
        layers_per_block: Int from 1 to 64. Residual blocks of a resolution on the way
            down; on the way up there is one more. Default 2.
        attention_head_dim: Int from 1 to 8192 that divides the channels. Channels of
            one head of attention. Default `None`: one head.
        add_attention: Bool. Whether the middle has attention. Default: yes.
        norm_num_groups: Positive int. Groups of the normalisations. Default 32.
        norm_eps: Number above 0, which is added to variances. Default 1e-6.
        flip_sin_to_cos, freq_shift: See `layers.TimestepEmbedding`. Default `False` and
            1.
        downsample_padding: Where convolutions that halve the image are padded. 0: one
            pixel right and below; 1: one pixel on each side. Default 0.
        mid_block_scale_factor: Number of at least 1e-3, by which the sums in the middle
            are divided. Default 1.
        center_input_sample: Bool. Whether the network sees `2 * noisy - 1`. Default:
            no.
        dropout: Float in [0, 1). Dropout rate in each residual block. Default 0.
        schedule: The `Schedule` of the model. It decides whether noise levels are ints
            (`DDPMSchedule`) or floats (`EDMSchedule`). Default `None`: ints.
        num_classes: Int from 1 to 1,000,000. The network then also has the input
            `label` `(B,)`: see `layers.LabelEmbedding`. Default `None`: no labels.
        name: Name of the model. Default `"unet2d"`.

    Returns:
        Functional `keras.Model` from a dict of inputs, `noisy` `(B, h, w, C)`,
        `timestep` `(B,)` and those of the patching, to the prediction `(B, h, w, C)`.

    Raises:
        TypeError: If a number has the wrong type, `patching` is no patching or
            `schedule` no schedule.
        ValueError: If the image does not divide into the patches, a patch cannot be
            halved at each resolution, a block type is unknown, a number is out of
            range, or the network would have more than 2**34 weights.

    Example:

    >>> network = unet2d(256, block_out_channels=(64, 128, 128, 256))
    >>> network.input["noisy"].shape
    (None, 256, 256, 3)

    Source: Ho et al. 2020 (arXiv:2006.11239), appendix B; names of the layers:
    `huggingface/diffusers` (Apache-2.0), `UNet2DModel`.
    """
    image_size = limits.image_size(image_size)
    channels = _checks.integer("channels", channels, minimum=1, maximum=limits.CHANNELS)
    norm_num_groups = _checks.integer(
        "norm_num_groups", norm_num_groups, minimum=1, maximum=limits.WIDTH
    )
    widths = _widths(block_out_channels, norm_num_groups)
    down, up = _block_types(down_block_types, up_block_types, len(widths))
    layers_per_block = _checks.integer(
        "layers_per_block", layers_per_block, minimum=1, maximum=limits.BLOCKS
    )
    add_attention = _checks.boolean("add_attention", add_attention)
    attended = {width for width, kind in zip(widths, down, strict=True) if kind}
    attended |= {width for width, kind in zip(widths[::-1], up, strict=True) if kind}
    attended |= {widths[-1]} if add_attention else set()
    attention_head_dim = _head_dim(attention_head_dim, attended)
    norm_eps = _checks.real("norm_eps", norm_eps, minimum=1e-12)
    downsample_padding = _checks.integer(
        "downsample_padding", downsample_padding, minimum=0, maximum=1
    )
    scale = _checks.real("mid_block_scale_factor", mid_block_scale_factor, minimum=1e-3)
    center_input_sample = _checks.boolean("center_input_sample", center_input_sample)
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
            "schedule", schedule, asked=("timestep_dtype",), example="DDPMSchedule()"
        )
    name = _checks.string("name", name)
    waves = TimestepEmbedding(
        widths[0],
        freq_shift=freq_shift,
        flip_sin_to_cos=flip_sin_to_cos,
        name="time_proj",
    )
    image_shape = (*image_size, channels)
    specs = patching.input_specs(image_shape)
    for size in patching.window_sizes(image_shape):
        check_patch(
            size, 2 ** (len(widths) - 1), patching=patching, image_shape=image_shape
        )
    # A lower bound: the second convolution of each residual block.
    least = (2 * layers_per_block + 1) * sum(
        limits.convolution(3, width, width) for width in widths
    )
    entries = (num_classes or 0) + sum(spec.size or 0 for spec in specs.values())
    limits.check_weights(least + 4 * widths[0] * entries)
    inputs = {
        key: keras.Input(spec.shape, dtype=spec.dtype, name=key)
        for key, spec in specs.items()
    }
    timestep_dtype = "int32" if schedule is None else schedule.timestep_dtype
    inputs["timestep"] = keras.Input((), dtype=timestep_dtype, name="timestep")
    if num_classes is not None:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
    x = waves(inputs["timestep"])
    x = layers.Dense(4 * widths[0], activation="silu", name="time_embedding_linear_1")(
        x
    )
    x = layers.Dense(4 * widths[0], name="time_embedding_linear_2")(x)
    others = vectors(inputs, specs, width=widths[0], num_classes=num_classes)
    for key, vector in others.items():
        added = layers.Dense(
            4 * widths[0], kernel_initializer="zeros", name=f"{key}_added"
        )
        x = layers.Add(name=f"with_{key}_vector")([x, added(vector)])
    embedding = layers.Activation("silu", name="time_embedding_act")(x)
    seen = dict(inputs)
    if center_input_sample:
        seen["noisy"] = layers.Rescaling(2, -1, name="centered")(inputs["noisy"])
    x = conv2d(widths[0], 3, padding="same", name="conv_in")(with_maps(seen, specs))
    blocks = Blocks(
        embedding,
        groups=norm_num_groups,
        epsilon=norm_eps,
        head_size=attention_head_dim,
        dropout=dropout,
    )
    skips = [x]
    for depth, width in enumerate(widths):
        prefix = f"down_blocks_{depth}"
        for index in range(layers_per_block):
            x = blocks.residual(x, width, name=f"{prefix}_resnets_{index}")
            if down[depth]:
                x = blocks.attention(x, name=f"{prefix}_attentions_{index}")
            skips.append(x)
        if depth < len(widths) - 1:
            x = blocks.halved(x, downsample_padding, f"{prefix}_downsamplers_0")
            skips.append(x)
    x = blocks.residual(x, widths[-1], name="mid_block_resnets_0", scale=scale)
    if add_attention:
        x = blocks.attention(x, name="mid_block_attentions_0", scale=scale)
    x = blocks.residual(x, widths[-1], name="mid_block_resnets_1", scale=scale)
    for stage, width in enumerate(reversed(widths)):
        prefix = f"up_blocks_{stage}"
        for index in range(layers_per_block + 1):
            x = layers.Concatenate(name=f"{prefix}_join_{index}")([x, skips.pop()])
            x = blocks.residual(x, width, name=f"{prefix}_resnets_{index}")
            if up[stage]:
                x = blocks.attention(x, name=f"{prefix}_attentions_{index}")
        if stage < len(widths) - 1:
            x = blocks.doubled(x, f"{prefix}_upsamplers_0")
    x = blocks.activated(x, name="conv_norm_out")
    # The prediction is float32, also in mixed precision.
    x = conv2d(
        channels,
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype="float32",
        name="conv_out",
    )(x)
    arguments = {
        "name": "unet2d",
        "image_size": list(image_size),
        "channels": channels,
        "block_out_channels": list(widths),
        "down_block_types": [DOWN[kind] for kind in down],
        "up_block_types": [UP[kind] for kind in up],
        "layers_per_block": layers_per_block,
        "attention_head_dim": attention_head_dim,
        "add_attention": add_attention,
        "norm_num_groups": norm_num_groups,
        "norm_eps": norm_eps,
        "flip_sin_to_cos": waves.flip_sin_to_cos,
        "freq_shift": waves.freq_shift,
        "downsample_padding": downsample_padding,
        "mid_block_scale_factor": scale,
        "center_input_sample": center_input_sample,
        "dropout": dropout,
        "num_classes": num_classes,
    }
    return record(keras.Model(inputs, x, name=name), arguments)


def _widths(values, groups):
    """Validates `block_out_channels`, a tuple."""
    name = "block_out_channels"
    widths = limits.integers(
        name, values, minimum=1, maximum=limits.WIDTH, at_least_one=True
    )
    if any(width % groups for width in widths) or widths[0] % 2 or widths[0] < 4:
        raise ValueError(
            f"`{name}` must be multiples of `norm_num_groups`, and the first an even "
            f"number of at least 4. Received: {name}={widths}, norm_num_groups="
            f"{groups}."
        )
    return widths


def _block_types(down, up, count):
    """For each block on the way down and on the way up, whether it has attention."""
    if down is None:
        down = [DOWN[depth == count - 2] for depth in range(count)]
    down = _attended("down_block_types", down, DOWN, count=count)
    if up is None:
        return down, down[::-1]
    return down, _attended("up_block_types", up, UP, count=count)


def _attended(name, values, kinds, *, count):
    def index(name, value):
        return kinds.index(_checks.one_of(name, value, kinds)) == 1

    values = _checks.sequence(name, values, index)
    if len(values) != count:
        raise ValueError(
            f"`{name}` must have one type for each of the `block_out_channels`. "
            f"Received: {name} of {len(values)} types, {count} `block_out_channels`."
        )
    return values


def _head_dim(value, widths):
    """Validates `attention_head_dim`, which divides the widths of attention."""
    if value is None:
        return None
    name = "attention_head_dim"
    value = _checks.integer(name, value, minimum=1, maximum=limits.WIDTH)
    odd = sorted(width for width in widths if width % value)
    if odd:
        raise ValueError(
            f"`{name}` must divide the channels of blocks with attention. "
            f"Received: {name}={value}, {odd[0]} channels."
        )
    return value
