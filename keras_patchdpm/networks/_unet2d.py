"""The U-Net of `diffusers`, `UNet2DModel`, for whole images and for patches."""

import functools

import keras
from keras import layers

from keras_patchdpm import _checks
from keras_patchdpm.layers import LabelEmbedding, TimestepEmbedding
from keras_patchdpm.networks import limits, unet2d_arguments
from keras_patchdpm.networks._joined import vectors, with_maps
from keras_patchdpm.networks._patch_sizes import check_patch
from keras_patchdpm.networks.blocks import conv2d
from keras_patchdpm.networks.diffusers_blocks import DOUBLED, HALVED, Blocks
from keras_patchdpm.networks.recorded import record
from keras_patchdpm.patching import WholeImage


def unet2d(
    image_size,
    patching=None,
    *,
    channels=3,
    block_out_channels=(128, 128, 256, 256, 512, 512),
    down_block_types=None,
    up_block_types=None,
    layers_per_block=2,
    downsample_type="conv",
    upsample_type="conv",
    resnet_time_scale_shift="default",
    attention_head_dim=None,
    num_attention_heads=None,
    add_attention=True,
    norm_num_groups=32,
    norm_eps=1e-6,
    flip_sin_to_cos=False,
    freq_shift=1.0,
    embedding_width=None,
    downsample_padding=0,
    mid_block_scale_factor=1.0,
    center_input_sample=False,
    dropout=0.0,
    schedule=None,
    num_classes=None,
    name="unet2d",
):
    """The network `UNet2DModel` of the library `diffusers`, with the same numbers.

    `load_diffusers_weights` loads weights of `diffusers`, and
    `load_guided_diffusion_weights` those of guided-diffusion. With a `patching`, the
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
        down_block_types: For each resolution `"DownBlock2D"`, `"AttnDownBlock2D"`,
            which has attention, or `"ResnetDownsampleBlock2D"`, in which a residual
            block halves the image. Default `None`: attention in the last but one.
        up_block_types: For each resolution, the lowest first, `"UpBlock2D"`,
            `"AttnUpBlock2D"` or `"ResnetUpsampleBlock2D"`. Default `None`: those that
            correspond to `down_block_types`.
        layers_per_block: Int from 1 to 64. Residual blocks of a resolution on the way
            down; on the way up there is one more. Default 2.
        downsample_type, upsample_type: What halves and doubles the image in blocks with
            attention: `"conv"`, a convolution, or `"resnet"`, a residual block. Default
            `"conv"`.
        resnet_time_scale_shift: `"default"`: the embedding is added in each residual
            block; `"scale_shift"`: it scales and shifts. Default `"default"`.
        attention_head_dim: Int from 1 to 8192 that divides the channels. Channels of
            one head of attention. Default `None`: one head.
        num_attention_heads: Int from 1 to 8192 that divides the channels. Heads of each
            attention, in place of `attention_head_dim`. Default `None`.
        add_attention: Bool. Whether the middle has attention. Default: yes.
        norm_num_groups: Positive int. Groups of the normalisations. Default 32.
        norm_eps: Number above 0, which is added to variances. Default 1e-6.
        flip_sin_to_cos, freq_shift: See `layers.TimestepEmbedding`. Default `False` and
            1.
        embedding_width: Even int from 4 to 8192. Sines and cosines of the noise level;
            the embedding has four times as many channels. Default `None`: the first of
            `block_out_channels`.
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
            `label` `(B,)`, whose vector is added to the embedding: see
            `layers.LabelEmbedding`. Default `None`: no labels.
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

    Source: Ho et al. 2020 (arXiv:2006.11239), appendix B; residual blocks that halve
    and double, scale and shift: Dhariwal & Nichol 2021 (arXiv:2105.05233), section 3;
    names of the layers: `huggingface/diffusers` (Apache-2.0), `UNet2DModel`.
    """
    image_size = limits.image_size(image_size)
    channels = _checks.integer("channels", channels, minimum=1, maximum=limits.CHANNELS)
    norm_num_groups = _checks.integer(
        "norm_num_groups", norm_num_groups, minimum=1, maximum=limits.WIDTH
    )
    widths = unet2d_arguments.widths(block_out_channels, norm_num_groups)
    down, up = unet2d_arguments.blocks(
        down_block_types,
        up_block_types,
        len(widths),
        downsample_type=downsample_type,
        upsample_type=upsample_type,
    )
    _checks.one_of(
        "resnet_time_scale_shift",
        resnet_time_scale_shift,
        unet2d_arguments.TIME_SCALE_SHIFT,
    )
    layers_per_block = _checks.integer(
        "layers_per_block", layers_per_block, minimum=1, maximum=limits.BLOCKS
    )
    add_attention = _checks.boolean("add_attention", add_attention)
    both_ways = [*zip(widths, down, strict=True), *zip(widths[::-1], up, strict=True)]
    attended = {width for width, block in both_ways if block.attends}
    attended |= {widths[-1]} if add_attention else set()
    heads = unet2d_arguments.heads(
        attended,
        attention_head_dim=attention_head_dim,
        num_attention_heads=num_attention_heads,
    )
    embedding_width = unet2d_arguments.embedding_width(embedding_width, widths[0])
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
        embedding_width,
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
    limits.check_weights(least + 4 * embedding_width * entries)
    inputs = {
        key: keras.Input(spec.shape, dtype=spec.dtype, name=key)
        for key, spec in specs.items()
    }
    timestep_dtype = "int32" if schedule is None else schedule.timestep_dtype
    inputs["timestep"] = keras.Input((), dtype=timestep_dtype, name="timestep")
    if num_classes is not None:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
    x = waves(inputs["timestep"])
    dense = functools.partial(layers.Dense, 4 * embedding_width)
    x = dense(activation="silu", name="time_embedding_linear_1")(x)
    x = dense(name="time_embedding_linear_2")(x)
    others = vectors(inputs, specs, width=embedding_width, num_classes=None)
    for key, vector in others.items():
        others[key] = dense(kernel_initializer="zeros", name=f"{key}_added")(vector)
    if num_classes is not None:
        label = LabelEmbedding(
            num_classes, 4 * embedding_width, "zeros", name="label_vector"
        )
        others["label"] = label(inputs["label"])
    for key, vector in others.items():
        x = layers.Add(name=f"with_{key}_vector")([x, vector])
    embedding = layers.Activation("silu", name="time_embedding_act")(x)
    seen = dict(inputs)
    if center_input_sample:
        seen["noisy"] = layers.Rescaling(2, -1, name="centered")(inputs["noisy"])
    x = conv2d(widths[0], 3, padding="same", name="conv_in")(with_maps(seen, specs))
    blocks = Blocks(
        embedding,
        groups=norm_num_groups,
        epsilon=norm_eps,
        num_heads=heads["num_attention_heads"],
        head_size=heads["attention_head_dim"],
        scale_shift=resnet_time_scale_shift == "scale_shift",
        dropout=dropout,
    )
    skips = [x]
    for depth, width in enumerate(widths):
        prefix = f"down_blocks_{depth}"
        for index in range(layers_per_block):
            x = blocks.residual(x, width, name=f"{prefix}_resnets_{index}")
            if down[depth].attends:
                x = blocks.attention(x, name=f"{prefix}_attentions_{index}")
            skips.append(x)
        if depth < len(widths) - 1:
            last = f"{prefix}_downsamplers_0"
            if down[depth].is_residual:
                x = blocks.residual(x, width, name=last, resampled=HALVED)
            else:
                x = blocks.halved(x, downsample_padding, last)
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
            if up[stage].attends:
                x = blocks.attention(x, name=f"{prefix}_attentions_{index}")
        if stage < len(widths) - 1:
            last = f"{prefix}_upsamplers_0"
            if up[stage].is_residual:
                x = blocks.residual(x, width, name=last, resampled=DOUBLED)
            else:
                x = blocks.doubled(x, last)
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
        "down_block_types": [block.kind for block in down],
        "up_block_types": [block.kind for block in up],
        "layers_per_block": layers_per_block,
        "downsample_type": downsample_type,
        "upsample_type": upsample_type,
        "resnet_time_scale_shift": resnet_time_scale_shift,
        **heads,
        "add_attention": add_attention,
        "norm_num_groups": norm_num_groups,
        "norm_eps": norm_eps,
        "flip_sin_to_cos": waves.flip_sin_to_cos,
        "freq_shift": waves.freq_shift,
        "embedding_width": embedding_width,
        "downsample_padding": downsample_padding,
        "mid_block_scale_factor": scale,
        "center_input_sample": center_input_sample,
        "dropout": dropout,
        "num_classes": num_classes,
    }
    return record(keras.Model(inputs, x, name=name), arguments)
