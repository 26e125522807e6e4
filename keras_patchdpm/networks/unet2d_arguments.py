"""Validates the arguments of `unet2d`."""

from typing import NamedTuple

from keras_patchdpm import _checks
from keras_patchdpm.networks import limits

DOWN = ("DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D")
UP = ("UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D")
RESAMPLING = ("conv", "resnet")
TIME_SCALE_SHIFT = ("default", "scale_shift")


class Block(NamedTuple):
    """One resolution, on the way down or on the way up."""

    kind: str
    attends: bool
    is_residual: bool  # Whether a residual block halves or doubles the image.


def blocks(down, up, count, *, downsample_type, upsample_type):
    """The blocks on the way down and on the way up, two lists of `Block`.

    Args:
        down, up: `down_block_types` and `up_block_types`, or `None`.
        count: Int, the number of resolutions.
        downsample_type, upsample_type: What halves and doubles the image in blocks with
            attention.
    """
    if down is None:
        down = [DOWN[depth == count - 2] for depth in range(count)]
    down = _kinds("down_block_types", down, DOWN, count=count)
    if up is None:
        up = [UP[DOWN.index(kind)] for kind in reversed(down)]
    up = _kinds("up_block_types", up, UP, count=count)
    downsample_type = _checks.one_of("downsample_type", downsample_type, RESAMPLING)
    upsample_type = _checks.one_of("upsample_type", upsample_type, RESAMPLING)
    return (
        [_block(kind, DOWN, downsample_type) for kind in down],
        [_block(kind, UP, upsample_type) for kind in up],
    )


def _block(kind, kinds, resampling):
    _, attention, residual = kinds
    attends = kind == attention
    return Block(kind, attends, kind == residual or (attends and resampling != "conv"))


def _kinds(name, values, kinds, *, count):
    def kind(name, value):
        return _checks.one_of(name, value, kinds)

    values = _checks.sequence(name, values, kind)
    if len(values) != count:
        raise ValueError(
            f"`{name}` must have one type for each of the `block_out_channels`. "
            f"Received: {name} of {len(values)} types, {count} `block_out_channels`."
        )
    return values


def widths(values, groups):
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


def embedding_width(value, default):
    """Validates `embedding_width`, an even int."""
    if value is None:
        return default
    name = "embedding_width"
    if _checks.integer(name, value, minimum=4, maximum=limits.WIDTH) % 2:
        raise ValueError(f"`{name}` must be even. Received: {name}={value}.")
    return int(value)


def heads(widths, **values):
    """Validates `attention_head_dim` and `num_attention_heads`, a dict.

    Args:
        widths: The channels of blocks with attention.
        **values: Both arguments; each divides the widths, or is `None`.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if len(given) > 1:
        raise ValueError(
            "Choose one of `attention_head_dim` and `num_attention_heads`. "
            f"Received: {', '.join(f'{name}={given[name]!r}' for name in given)}."
        )
    for name, value in given.items():
        values[name] = _checks.integer(name, value, minimum=1, maximum=limits.WIDTH)
        odd = sorted(width for width in widths if width % values[name])
        if odd:
            raise ValueError(
                f"`{name}` must divide the channels of blocks with attention. "
                f"Received: {name}={value}, {odd[0]} channels."
            )
    return values
