"""Loads weights of the library `diffusers` into `unet2d`."""

import re
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_patchdpm.layers import GroupNormalization2D, SelfAttention2D
from keras_patchdpm.networks import int8, tensor_files
from keras_patchdpm.networks.diffusers_blocks import HEADS
from keras_patchdpm.networks.recorded import recorded
from keras_patchdpm.networks.tensor_files import differences, listed

# Names in files of `diffusers` before version 0.13.
_FORMER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


class _Slot(NamedTuple):
    """One Keras variable, and the tensors that it is joined from."""

    variable: Any
    tensors: tuple
    shape: tuple  # Of each tensor.

    def read(self, tensors):
        """The variable's values, transposed from PyTorch's `(out, in, kh, kw)`."""
        arrays = [
            tensor_files.finite(name, tensors.read(name)) for name in self.tensors
        ]
        joined = np.concatenate(arrays)
        order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[joined.ndim]
        return joined.transpose(order)


def load_diffusers_weights(network, source):
    """Loads weights of `UNet2DModel` of the library `diffusers` into a `unet2d`.

    Every weight must be in the source, with its shape, and every tensor must be used.
    This is checked before any weight is assigned. No code in a file is run.
    `PatchDPM.from_preset` reads a whole folder of `diffusers`, with its configuration.

    Args:
        network: Model built by `unet2d` for whole images, with the arguments in the
            `config.json` of `diffusers`. Into a network of patches, copy the weights
            with `start_from`.
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
    slots(network)  # Raises an error before the file is opened.
    with tensor_files.opened(source) as tensors:
        assign(network, tensors)
    return network


def assign(network, tensors):
    """Assigns `Tensors` with the names of `diffusers` to a network of `unet2d`."""
    places = slots(network)
    tensors = _with_new_names(tensors)
    _check_match(places, tensors.shapes)
    int8.assign(network, {one.variable.path: one.read(tensors) for one in places})


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


def slots(network):
    """One slot for each weight of the network."""
    if not isinstance(network, keras.Model):
        raise TypeError(
            "`network` must be a model built by `unet2d`. "
            f"Received: network of type {type(network).__name__}."
        )
    if (recorded(network) or {}).get("name") != "unet2d":
        raise ValueError(
            "`network` must be a model built by `unet2d`. "
            f"Received: network={network.name!r}."
        )
    others = [name for name in network.input if name not in ("noisy", "timestep")]
    if others:
        raise ValueError(
            "The networks of `diffusers` have no inputs for patches or labels. Build "
            "`unet2d` without `patching` and `num_classes`, load the weights, and copy "
            "them into your network with `networks.start_from`. "
            f"Received: network={network.name!r} with the inputs {others}."
        )
    return [slot for layer in network.layers for slot in _layer_slots(layer)]


def _layer_slots(layer):
    """The slots of one layer, in PyTorch's layouts."""
    module = _module(layer.name)
    if isinstance(layer, SelfAttention2D):
        module = module.removesuffix(f".{HEADS}")
        parts = [f"{module}.{name}" for name in ("to_q", "to_k", "to_v")]
        yield from _kernel_and_bias(layer.to_qkv, parts)
        yield from _kernel_and_bias(layer.to_out, [f"{module}.to_out.0"])
    elif isinstance(layer, GroupNormalization2D):
        shape = tuple(layer.gamma.shape)
        yield _Slot(layer.gamma, (f"{module}.weight",), shape)
        yield _Slot(layer.beta, (f"{module}.bias",), shape)
    elif layer.weights:
        yield from _kernel_and_bias(layer, [module])


def _kernel_and_bias(layer, modules):
    """Slots of a dense or convolutional layer, joined from `modules`."""
    *window, inner, outer = layer.kernel.shape
    outer //= len(modules)
    weights = tuple(f"{module}.weight" for module in modules)
    yield _Slot(layer.kernel, weights, (outer, inner, *window))
    biases = tuple(f"{module}.bias" for module in modules)
    yield _Slot(layer.bias, biases, (outer,))


def _module(name):
    """The name of a layer in `diffusers`: `down_blocks.0.resnets.1.conv1`."""
    name = re.sub(r"_(\d+)_", r".\1.", name)
    for block in ("mid_block", "time_embedding"):
        name = name.replace(f"{block}_", f"{block}.")
    return name


def _check_match(places, found):
    """Refuses tensors whose names and shapes are not exactly those of the network."""
    wanted = {name: slot.shape for slot in places for name in slot.tensors}
    missing, surplus, other = differences(wanted, found)
    if not (missing or surplus or other):
        return
    if len(missing) == len(wanted):
        raise ValueError(
            "`source` has no weights of `UNet2DModel`: it contains none of its "
            f"tensors. Expected names such as {listed(missing, 2)}. "
            f"Received: source with {listed(surplus)}."
        )
    raise ValueError(
        "The tensors in `source` do not fit the network. If only some are missing, the "
        "file is incomplete: copy it again. Otherwise build the network with the "
        "arguments in the config.json next to the file. Received: source with "
        f"{len(found)} tensors.\nDifferent shapes: {listed(other)}.\n"
        f"Missing: {listed(missing)}.\nSurplus: {listed(surplus)}."
    )
