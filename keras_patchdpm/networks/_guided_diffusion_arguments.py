"""The arguments of `unet2d` for the networks of OpenAI's guided-diffusion."""

from keras_patchdpm import _checks
from keras_patchdpm.networks import limits, unet2d_arguments

# What guided-diffusion cannot choose, as arguments of `unet2d`.
FIXED = {
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "flip_sin_to_cos": True,
    "freq_shift": 0.0,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1.0,
    "center_input_sample": False,
    "add_attention": True,
}
_MULTIPLIERS = {
    64: (1, 2, 3, 4),
    128: (1, 1, 2, 3, 4),
    256: (1, 1, 2, 2, 4, 4),
    512: (0.5, 1, 1, 2, 2, 4, 4),
}


def guided_diffusion_arguments(
    image_size,
    *,
    num_channels=256,
    channel_mult=None,
    num_res_blocks=2,
    attention_resolutions=(32, 16, 8),
    num_heads=None,
    num_head_channels=None,
    resblock_updown=True,
    use_scale_shift_norm=True,
):
    """The arguments of `unet2d` for a network of OpenAI's guided-diffusion.

    The arguments have the names of the flags of guided-diffusion. The defaults are
    those of `256x256_diffusion_uncond.pt` and of the networks of LSUN. `class_cond` is
    `unet2d(num_classes=1000)`; `learn_sigma` is not needed, since the variance that
    such a network predicts is not read.

    Args:
        image_size: Int from 1 to 65536. Pixels of a side of the images that the
            network was trained on.
        num_channels: Multiple of 32 up to 8192. Default 256.
        channel_mult: 1 to 16 numbers from 1 / 64 to 64: the channels of each
            resolution over `num_channels`. Default `None`: those of guided-diffusion
            for images of 64, 128, 256 or 512 pixels.
        num_res_blocks: Int from 1 to 64. Residual blocks of a resolution. Default 2.
        attention_resolutions: Ints. Pixels of a side of the feature maps that have
            attention. Default `(32, 16, 8)`.
        num_heads: Int from 1 to 8192. Heads of each attention. Default `None`: as many
            as `num_head_channels` gives.
        num_head_channels: Int from 1 to 8192. Channels of one head. Default `None`: 64
            without `num_heads`.
        resblock_updown: Bool. Whether residual blocks halve and double the image.
            Default: yes.
        use_scale_shift_norm: Bool. Whether the embedding scales and shifts. Default:
            yes.

    Returns:
        Dict of arguments of `unet2d`, without `image_size`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a number is out of range, `channel_mult` is `None` for another
            `image_size`, an attention resolution is none of the network's, or both
            `num_heads` and `num_head_channels` are given.

    Example:

    >>> network = unet2d(256, **guided_diffusion_arguments(256))
    >>> load_guided_diffusion_weights(network, "256x256_diffusion_uncond.pt")

    Source: Dhariwal & Nichol 2021 (arXiv:2105.05233), section 3; the flags:
    `openai/guided-diffusion` (MIT), README and `script_util.py`.
    """
    image_size = _checks.integer(
        "image_size", image_size, minimum=1, maximum=limits.IMAGE_SIZE
    )
    num_channels = _num_channels(num_channels)
    if channel_mult is None:
        channel_mult = _multipliers(image_size)
    widths = [
        int(num_channels * factor)
        for factor in _checks.sequence("channel_mult", channel_mult, _multiplier)
    ]
    attended = _attended(attention_resolutions, image_size, len(widths))
    updown = _checks.boolean("resblock_updown", resblock_updown)
    scale_shift = _checks.boolean("use_scale_shift_norm", use_scale_shift_norm)
    heads = {"num_heads": num_heads, "num_head_channels": num_head_channels}
    heads = {
        name: _checks.integer(name, value, minimum=1, maximum=limits.WIDTH)
        for name, value in heads.items()
        if value is not None
    } or {"num_head_channels": 64}
    if len(heads) > 1:
        raise ValueError(
            "Choose one of `num_heads` and `num_head_channels`. guided-diffusion uses "
            "`num_head_channels` if it has both. Received: num_heads="
            f"{num_heads}, num_head_channels={num_head_channels}."
        )
    plain, attention, residual = unet2d_arguments.DOWN
    plain = residual if updown else plain
    return {
        "block_out_channels": widths,
        "down_block_types": [
            attention if depth in attended else plain for depth in range(len(widths))
        ],
        "layers_per_block": _checks.integer(
            "num_res_blocks", num_res_blocks, minimum=1, maximum=limits.BLOCKS
        ),
        "downsample_type": "resnet" if updown else "conv",
        "upsample_type": "resnet" if updown else "conv",
        "resnet_time_scale_shift": "scale_shift" if scale_shift else "default",
        "num_attention_heads": heads.get("num_heads"),
        "attention_head_dim": heads.get("num_head_channels"),
        "embedding_width": num_channels,
        **FIXED,
    }


def _num_channels(value):
    name, groups = "num_channels", FIXED["norm_num_groups"]
    if _checks.integer(name, value, minimum=groups, maximum=limits.WIDTH) % groups:
        raise ValueError(
            f"`{name}` must be a multiple of {groups}, the number of groups in the "
            f"normalisation. Received: {name}={value}."
        )
    return int(value)


def _multipliers(image_size):
    if image_size not in _MULTIPLIERS:
        raise ValueError(
            "guided-diffusion has no default of `channel_mult` for this size. Pass "
            "`channel_mult`, or choose a size of "
            f"{', '.join(map(str, _MULTIPLIERS))} pixels. "
            f"Received: image_size={image_size}, channel_mult=None."
        )
    return _MULTIPLIERS[image_size]


def _multiplier(name, value):
    most = limits.MULTIPLIER
    return _checks.real(name, value, minimum=1 / most, maximum=most)


def _attended(resolutions, image_size, count):
    """The depths that have attention, a list."""
    name = "attention_resolutions"
    sides = [image_size // 2**depth for depth in range(count)]
    resolutions = limits.integers(
        name, resolutions, minimum=1, maximum=limits.IMAGE_SIZE
    )
    odd = [side for side in resolutions if side not in sides]
    if odd:
        raise ValueError(
            f"`{name}` must be sizes of feature maps of the network: "
            f"{', '.join(map(str, sides))}. Received: {name}={resolutions}, "
            f"image_size={image_size}, {count} `channel_mult`."
        )
    return [sides.index(side) for side in resolutions]
