"""Loads weights of the library `diffusers` into `unet2d`."""

import re

from keras_patchdpm.networks import tensor_files, unet2d_slots
from keras_patchdpm.networks.diffusers_blocks import HEADS
from keras_patchdpm.networks.unet2d_slots import TensorNames, kernel_and_bias

# Names in files of `diffusers` before version 0.13.
_FORMER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def load_diffusers_weights(network, source):
    """Loads weights of `UNet2DModel` of the library `diffusers` into a `unet2d`.

    Every weight must be in the source, with its shape, and every tensor must be used.
    This is checked before any weight is assigned. No code in a file is run. A variance
    that the network predicts too, which has as many channels again, is not read. The
    vector of "no label" is 0.
    `PatchDPM.from_preset` reads a whole folder of `diffusers`, with its configuration.

    Args:
        network: Model built by `unet2d` for whole images, with the arguments in the
            `config.json` of `diffusers`; `num_class_embeds` is `num_classes`. Into a
            network of patches, copy the weights with `start_from`.
        source: Path of a `.safetensors` file (needs the extra `hub`), of a `.npz` file
            of the same names, or of a `.bin`, `.pt` or `.pth` file of PyTorch (needs
            PyTorch); or a mapping of names to arrays or tensors.

    Returns:
        `network`.

    Raises:
        TypeError: If `network` is no model, or `source` neither a path nor a mapping.
        ImportError: If the library that reads the file is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or its tensors do not fit `network`.

    Example:

    >>> network = unet2d(256)
    >>> load_diffusers_weights(network, "diffusion_pytorch_model.safetensors")

    Source: `huggingface/diffusers` (Apache-2.0), `UNet2DModel` for the names.
    """
    unet2d_slots.check_network(network, "`diffusers`")
    with tensor_files.opened(source) as tensors:
        assign(network, tensors)
    return network


def assign(network, tensors):
    """Assigns `Tensors` with the names of `diffusers` to a network of `unet2d`."""
    unet2d_slots.assign(network, _with_new_names(tensors), NAMES)


def _with_new_names(tensors):
    """The tensors, by the names of today's `diffusers`."""

    def new(name):
        parts = name.rsplit(".", 2)
        if len(parts) == 3 and parts[1] in _FORMER and "attentions" in parts[0]:
            return f"{parts[0]}.{_FORMER[parts[1]]}.{parts[2]}"
        return name

    names = {new(name): name for name in tensors.shapes}
    shapes = {name: tensors.shapes[former] for name, former in names.items()}
    return tensor_files.Tensors(shapes, lambda name: tensors.read(names[name]))


def _module(name):
    """The name of a layer in `diffusers`: `down_blocks.0.resnets.1.conv1`."""
    if name == "label_vector":
        return "class_embedding"
    name = re.sub(r"_(\d+)_", r".\1.", name)
    name = re.sub(r"_proj_(scale|shift)$", "_proj", name)
    for block in ("mid_block", "time_embedding"):
        name = name.replace(f"{block}_", f"{block}.")
    return name


def _attention(layer, module):
    module = module.removesuffix(f".{HEADS}")
    parts = [f"{module}.{name}" for name in ("to_q", "to_k", "to_v")]
    yield from kernel_and_bias(layer.to_qkv, parts)
    yield from kernel_and_bias(layer.to_out, [f"{module}.to_out.0"])


NAMES = TensorNames(
    network="`UNet2DModel`",
    module=_module,
    attention=_attention,
    advice="build the network with the arguments in the config.json next to the file",
)
