"""Loads the weights of the authors' PyTorch network into `arakawa_unet`."""

import math
from typing import Any, NamedTuple

import keras

from keras_patchdpm import _checks
from keras_patchdpm.layers import GroupNormalization2D, SelfAttention2D
from keras_patchdpm.networks.authors_checkpoint import read_arrays
from keras_patchdpm.networks.authors_names import authors_modules
from keras_patchdpm.networks.tensor_files import differences, listed


class _Slot(NamedTuple):
    """One Keras variable, and the rows of the authors' tensor that it is read from."""

    variable: Any
    tensor: str
    shape: tuple
    rows: slice

    def read(self, array):
        """The variable's values, transposed from PyTorch's `(out, in, kh, kw)`."""
        order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[array.ndim]
        return array[self.rows].transpose(order).reshape(self.variable.shape)


def load_authors_weights(network, source, which="ema"):
    """Loads weights that the authors' code has trained into an `arakawa_unet`.

    Every weight must be in the source, with its shape, and every tensor must be used.
    This is checked before any weight is assigned. One setting cannot be checked, since
    it is in no tensor: the authors' `resnet_block_groups` must be its default, 8.

    Args:
        network: Model built by `arakawa_unet`, with the arguments of the checkpoint.
        source: Path of a checkpoint of the authors' code (needs PyTorch), or a mapping
            of their tensors' names to arrays or tensors, with or without the prefix
            `denoise_fn.`.
        which: Which weights of a checkpoint are loaded: `"ema"` (the default, averaged
            weights) or `"model"`. Not used for a mapping of tensors.

    Returns:
        `network`.

    Raises:
        ImportError: If `source` is a path and PyTorch is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or no checkpoint of tensors, or its tensors
            do not fit `network`.

    Example:

    >>> network = arakawa_unet(image_size=128, divisions=2, dim=128)
    >>> load_authors_weights(network, "model-last.pt", which="ema")

    Source: `ShineiArakawa/patch-based-ddpm` (MIT), `patched_unet.py` for the names.
    """
    _checks.one_of("which", which, ("ema", "model"))
    slots = _slots(network)
    arrays = read_arrays(source, which)
    _check_match(slots, arrays)
    for slot in slots:
        slot.variable.assign(slot.read(arrays[slot.tensor]))
    return network


def _slots(network):
    """One slot for each weight of the network."""
    if not isinstance(network, keras.Model):
        raise TypeError(
            "`network` must be a model built by `arakawa_unet`. "
            f"Received: network of type {type(network).__name__}."
        )
    layers = [layer for layer in network.layers if layer.weights]
    modules = authors_modules(layer.name for layer in layers)
    strangers = [layer.name for layer in layers if layer.name not in modules]
    if strangers or not layers:
        raise ValueError(
            "`network` must be a model built by `arakawa_unet`. Layers that the "
            f"authors' network does not have: {listed(strangers)}. "
            f"Received: network={network.name!r}."
        )
    return [slot for layer in layers for slot in _layer_slots(layer, modules)]


def _layer_slots(layer, modules):
    """The slots of one layer, in PyTorch's layouts."""
    module = modules[layer.name]
    if isinstance(layer, SelfAttention2D):
        for name, dense in (("to_qkv", layer.to_qkv), ("to_out", layer.to_out)):
            yield from _kernel_and_bias(dense, modules[f"{layer.name}/{name}"], (1, 1))
    elif isinstance(layer, keras.layers.LayerNormalization):
        shape = (1, *layer.gamma.shape, 1, 1)
        yield _Slot(layer.gamma, f"{module}.g", shape, slice(None))
        yield _Slot(layer.beta, f"{module}.b", shape, slice(None))
    elif isinstance(layer, GroupNormalization2D):
        shape = tuple(layer.gamma.shape)
        yield _Slot(layer.gamma, f"{module}.weight", shape, slice(None))
        yield _Slot(layer.beta, f"{module}.bias", shape, slice(None))
    else:
        yield from _kernel_and_bias(layer, module)


def _kernel_and_bias(layer, module, window=()):
    """Slots of a dense or convolutional layer; `window` is PyTorch's kernel size."""
    *own_window, inner, outer = layer.kernel.shape
    # The authors have one layer for scale and shift. Ours are two: its halves.
    half = {"_scale": 0, "_shift": 1}.get(layer.name[-6:])
    parts = 1 if half is None else 2
    rows = slice(None) if half is None else slice(half * outer, (half + 1) * outer)
    shape = (parts * outer, inner, *window, *own_window)
    yield _Slot(layer.kernel, f"{module}.weight", shape, rows)
    if layer.bias is not None:
        # In a transposed convolution the two channel axes are swapped.
        shape = (parts * layer.bias.shape[0],)
        yield _Slot(layer.bias, f"{module}.bias", shape, rows)


def _check_match(slots, arrays):
    """Refuses tensors whose names and shapes are not exactly those of the network."""
    wanted = {slot.tensor: slot.shape for slot in slots}
    found = {name: array.shape for name, array in arrays.items()}
    missing, surplus, other = differences(wanted, found)
    if not (missing or surplus or other):
        return
    if len(missing) == len(wanted):
        raise ValueError(
            "`source` is not a checkpoint of the authors' network: it contains none of "
            f"its tensors. Expected names such as {listed(missing, 2)}. "
            f"Received: {listed(surplus)}."
        )
    theirs, ours = _configuration(found), _configuration(wanted)
    raise ValueError(
        "The checkpoint does not fit the network. "
        + (
            "Both have the same configuration, so the checkpoint is incomplete or was "
            "changed. "
            if theirs == ours
            else "It was written with a different configuration. Build the network "
            "with the configuration of the checkpoint. "
        )
        + f"Received: a checkpoint with {theirs}; a network with {ours}.\n"
        f"Different shapes: {listed(other)}.\nMissing: {listed(missing)}.\n"
        f"Surplus: {listed(surplus)}."
    )


def _configuration(shapes):
    """The arguments of `arakawa_unet` that lead to these shapes, as text."""

    def size(name, axis=0):
        shape = shapes.get(name, ())
        return shape[axis] if axis < len(shape) else None

    dim = size("_embedding._time_embedding_layer.1.bias")
    patches = size("_embedding._pos_embedding_layer.0.weight", 1)
    inputs = size("_patched_encoder._init_conv.weight", 1)
    found = []
    if dim:
        found.append(f"dim={dim}")
    if patches:
        root = math.isqrt(patches)
        square = root * root == patches
        found.append(f"divisions={root}" if square else f"{patches} patches")
    if inputs:
        found.append(f"channels={inputs // 2}")
    widths = []
    while width := size(
        f"_patched_encoder._downsLayers.{len(widths)}.0.block1.norm.bias"
    ):
        widths.append(width)
    if dim and widths:
        found.append(f"multipliers={tuple(width // dim for width in widths)}")
    return ", ".join(found) or "unknown"
