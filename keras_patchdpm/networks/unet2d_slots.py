"""Where other libraries have the weights of `unet2d`, and their assignment."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_patchdpm.layers import GroupNormalization2D, LabelEmbedding, SelfAttention2D
from keras_patchdpm.networks import int8, tensor_files
from keras_patchdpm.networks.recorded import recorded
from keras_patchdpm.networks.tensor_files import differences, listed

ALL = slice(None)


def transposed(array, rows=ALL):
    """Some `rows` of PyTorch's `(out, in, kh, kw)`, in the layout of Keras."""
    order = {4: (2, 3, 1, 0), 3: (2, 1, 0), 2: (1, 0), 1: (0,)}[array.ndim]
    return array[rows].transpose(order)


def _with_no_label(array):
    """The vectors of labels, and zeros for "no label"."""
    return np.pad(array, ((0, 1), (0, 0)))


class Slot(NamedTuple):
    """One Keras variable, and the tensors that it is joined from."""

    variable: Any
    tensors: tuple
    shape: tuple  # Of each tensor.
    convert: Callable = transposed

    def read(self, tensors):
        """The variable's values."""
        arrays = [
            tensor_files.finite(name, tensors.read(name)) for name in self.tensors
        ]
        return self.convert(np.concatenate(arrays)).reshape(self.variable.shape)


class TensorNames(NamedTuple):
    """The names of one library.

    Attributes:
        network: String, the class of its network, for error messages.
        module: Function of a layer's name to that of the library's module.
        attention: Function of a `SelfAttention2D` and its module to slots.
        advice: String, how to build a network that fits.
    """

    network: str
    module: Callable
    attention: Callable
    advice: str


def check_network(network, library):
    """Refuses what is no `unet2d` for whole images.

    Args:
        network: The argument of a function that loads weights.
        library: String, the name of the library.

    Returns:
        Dict, the arguments that the network was built with.

    Raises:
        TypeError: If `network` is no model.
        ValueError: If it was not built by `unet2d`, or has inputs for patches.
    """
    if not isinstance(network, keras.Model):
        raise TypeError(
            "`network` must be a model built by `unet2d`. "
            f"Received: network of type {type(network).__name__}."
        )
    arguments = recorded(network) or {}
    if arguments.get("name") != "unet2d":
        raise ValueError(
            "`network` must be a model built by `unet2d`. "
            f"Received: network={network.name!r}."
        )
    known = ("noisy", "timestep", "label")
    others = [name for name in network.input if name not in known]
    if others:
        raise ValueError(
            f"The networks of {library} have no inputs for patches. Build `unet2d` "
            "without `patching`, load the weights, and copy them into your network "
            "with `networks.start_from`. "
            f"Received: network={network.name!r} with the inputs {others}."
        )
    return arguments


def slots(network, shapes, library):
    """One slot for each weight of the network.

    Args:
        network: Model built by `unet2d`.
        shapes: Dict of the names of tensors to their shapes. Of networks that predict a
            variance too, which are twice as many channels, the first half is read.
        library: `TensorNames`.
    """
    places = []
    for layer in network.layers:
        module = library.module(layer.name)
        if isinstance(layer, SelfAttention2D):
            places += library.attention(layer, module)
        elif isinstance(layer, LabelEmbedding):
            shape = (layer.num_classes, layer.units)
            names = (f"{module}.weight",)
            places.append(Slot(layer.kernel, names, shape, _with_no_label))
        elif isinstance(layer, GroupNormalization2D):
            shape = tuple(layer.gamma.shape)
            places.append(Slot(layer.gamma, (f"{module}.weight",), shape))
            places.append(Slot(layer.beta, (f"{module}.bias",), shape))
        elif layer.weights:
            half = _half(layer, shapes.get(f"{module}.bias"))
            places += kernel_and_bias(layer, [module], half=half)
    return places


def _half(layer, shape):
    """Which half of the channels of a tensor a layer is: 0 or 1, or `None` for all."""
    if layer.name == "conv_out":
        return 0 if shape == (2 * layer.filters,) else None
    # Other libraries have one layer for scale and shift.
    return {"_scale": 0, "_shift": 1}.get(layer.name[-6:])


def kernel_and_bias(layer, modules, *, half=None, rows=ALL, window=()):
    """Slots of a dense or convolutional layer, joined from `modules`.

    Args:
        layer: Layer with `kernel` and `bias`.
        modules: Names of the other library's modules.
        half: 0 or 1, the half of the module's channels that the layer is. Default
            `None`: all.
        rows: The order of the module's channels, an int array. Default: unchanged.
        window: The size of PyTorch's kernel, if it has one and the layer does not.
    """
    *own_window, inner, outer = layer.kernel.shape
    if half is not None:
        rows = slice(half * outer, (half + 1) * outer)
        outer *= 2
    outer //= len(modules)
    convert = functools.partial(transposed, rows=rows)
    weights = tuple(f"{module}.weight" for module in modules)
    shape = (outer, inner, *window, *own_window)
    yield Slot(layer.kernel, weights, shape, convert)
    biases = tuple(f"{module}.bias" for module in modules)
    yield Slot(layer.bias, biases, (outer,), convert)


def assign(network, tensors, library):
    """Assigns `Tensors` to a network: all of them, or none after an error."""
    places = slots(network, tensors.shapes, library)
    _check_match(places, tensors.shapes, library)
    int8.assign(network, {one.variable.path: one.read(tensors) for one in places})


def _check_match(places, shapes, library):
    """Refuses tensors whose names and shapes are not exactly those of the network."""
    wanted = {name: slot.shape for slot in places for name in slot.tensors}
    missing, surplus, other = differences(wanted, shapes)
    if not (missing or surplus or other):
        return
    if len(missing) == len(wanted):
        raise ValueError(
            f"`source` has no weights of {library.network}: it contains none of its "
            f"tensors. Expected names such as {listed(missing, 2)}. "
            f"Received: source with {listed(surplus)}."
        )
    _check_labels(wanted, shapes, f"{library.module('label_vector')}.weight")
    raise ValueError(
        "The tensors in `source` do not fit the network. If only some are missing, the "
        f"file is incomplete: copy it again. Otherwise {library.advice}. Received: "
        f"source with {len(shapes)} tensors.\nDifferent shapes: {listed(other)}.\n"
        f"Missing: {listed(missing)}.\nSurplus: {listed(surplus)}."
    )


def _check_labels(wanted, shapes, name):
    """Refuses the labels of the network, or of the source, if only one has them."""
    if name in shapes and name not in wanted:
        raise ValueError(
            "The weights in `source` are conditioned on labels. Build the network with "
            f"`num_classes={shapes[name][0]}`. "
            f"Received: {name} of shape {shapes[name]}, and a network without labels."
        )
    if name in wanted and name not in shapes:
        raise ValueError(
            "The weights in `source` are not conditioned on labels. Build `unet2d` "
            "without `num_classes`, load the weights, and copy them into your network "
            f"with `networks.start_from`. Received: source without {name}, and a "
            f"network with num_classes={wanted[name][0]}."
        )
