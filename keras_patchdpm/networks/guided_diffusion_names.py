"""The names of the layers of `unet2d` in OpenAI's guided-diffusion."""

import re

from keras_patchdpm.networks.diffusers_blocks import HEADS

_NAMES = {
    "time_embedding_linear_1": "time_embed.0",
    "time_embedding_linear_2": "time_embed.2",
    "label_vector": "label_emb",
    "conv_in": "input_blocks.0.0",
    "mid_block_resnets_0": "middle_block.0",
    "mid_block_attentions_0": "middle_block.1",
    "mid_block_resnets_1": "middle_block.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_PARTS = {
    # Of residual blocks.
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "time_emb_proj_scale": "emb_layers.1",
    "time_emb_proj_shift": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
    # Of attention.
    "group_norm": "norm",
    HEADS: "",
}
_CONVOLUTION = {"downsamplers": "op", "upsamplers": "conv"}
_BLOCK = r"(down|up)_blocks_(\d+)_([a-z]+)_(\d+)_(.+)"
_MIDDLE = r"(mid_block_[a-z]+_\d+)_(.+)"


def module(name, arguments):
    """The module of guided-diffusion for a layer of `unet2d`.

    Args:
        name: Name of the layer.
        arguments: Dict, those that the network was built with.

    Returns:
        String such as `input_blocks.1.0.in_layers.2`. For layers without weights it
        names nothing.

    Source: `openai/guided-diffusion` (MIT), `unet.py`.
    """
    if match := re.fullmatch(_BLOCK, name):
        side, stage, kind, index, part = match.groups()
        place = _place(side, kind, int(stage), int(index), arguments=arguments)
        parts = {**_PARTS, "conv": _CONVOLUTION.get(kind)}
        return f"{place}.{parts.get(part, part)}".rstrip(".")
    if match := re.fullmatch(_MIDDLE, name):
        block, part = match.groups()
        return f"{_NAMES[block]}.{_PARTS.get(part, part)}".rstrip(".")
    return _NAMES.get(name, name)


def _place(side, kind, stage, index, *, arguments):
    """The place of a block in the list of its side: `output_blocks.2.1`."""
    count = arguments["layers_per_block"]
    if side == "down":
        # Those that halve the image have a place of their own, after the others.
        number = 1 + stage * (count + 1)
        number += count if kind == "downsamplers" else index
        return f"input_blocks.{number}.{int(kind == 'attentions')}"
    number = stage * (count + 1)
    if kind == "upsamplers":
        # Those that double it are after the block and the attention of the last place.
        attends = arguments["up_block_types"][stage] == "AttnUpBlock2D"
        return f"output_blocks.{number + count}.{1 + attends}"
    return f"output_blocks.{number + index}.{int(kind == 'attentions')}"
