"""Starts a network from the weights of one with fewer inputs."""

import numpy as np
from keras import ops

from keras_patchdpm.networks import int8
from keras_patchdpm.networks.recorded import recorded
from keras_patchdpm.networks.tensor_files import listed

_ALWAYS = ("noisy", "timestep")


def start_from(network, source):
    """Copies the weights of `source` into `network`, which may have further inputs.

    A network of whole images becomes the start of a network of patches: at first, the
    new network computes for every patch what `source` computes, whatever its other
    inputs are. Kernels that receive the new inputs are widened with zeros; the weights
    of the new inputs themselves stay as they are.

    Args:
        network: Model that a builder of this package has just built, with the arguments
            of `source` but other inputs: another `patching`, `num_classes` or
            `image_size`.
        source: Model of the same builder, with the same inputs or with `noisy` and
            `timestep` alone: a network of whole images without labels.

    Returns:
        `network`.

    Raises:
        TypeError: If an argument is no functional model over a dict of inputs.
        ValueError: If the networks differ in more than their inputs (the message lists
            the weights), or `source` has inputs that `network` does not have.

    Example:

    >>> source = PatchDPM.from_preset("hf://google/ddpm-celebahq-256")
    >>> patching = GridPatching(2)
    >>> network = start_from(unet2d(256, patching), source.network)
    >>> model = PatchDPM(network, source.schedule, patching)
    """
    for name, value in (("network", network), ("source", source)):
        _check_network(name, value)
    new_inputs = _new_inputs(network, source)
    theirs = {weight.path: weight for weight in source.weights}
    values, odd = {}, []
    for weight in network.weights:
        if weight.path not in theirs:
            if not weight.path.startswith(tuple(f"{name}_" for name in new_inputs)):
                odd.append(f"{weight.path} is only in `network`")
            continue
        value = ops.convert_to_numpy(theirs.pop(weight.path))
        if new_inputs and _is_wider(weight.shape, value.shape):
            value = _widened(value, weight.shape, _blocks(network, value))
        if value.shape == tuple(weight.shape):
            values[weight.path] = value
        else:
            odd.append(f"{weight.path} is {value.shape}, not {tuple(weight.shape)}")
    odd += [f"{path} is only in `source`" for path in theirs]
    if odd:
        raise ValueError(
            "The networks differ in more than their inputs. Build `network` with the "
            "arguments of `source`, and another `patching`. "
            f"Received: network={network.name!r}, source={source.name!r}, with "
            f"{len(odd)} different weights: {listed(odd)}."
        )
    for weight in network.weights:
        if weight.path in values:
            weight.assign(values[weight.path])
    return network


def _check_network(name, value):
    try:
        inputs = value.input
    except (AttributeError, ValueError):  # No model, or not a functional one.
        inputs = None
    if not isinstance(inputs, dict) or not set(_ALWAYS) <= set(inputs):
        raise TypeError(
            f"`{name}` must be a functional model over a dict of inputs, such as "
            "`unet2d(256)` or the attribute `network` of a `PatchDPM`. "
            f"Received: {name} of type {type(value).__name__}."
        )
    if int8.scales(value):
        raise ValueError(
            f"`{name}` has int8 kernels, which are only for sampling. Load the preset "
            f"without `storage`. Received: {name}={value.name!r}."
        )


def _new_inputs(network, source):
    """The names of the inputs that only `network` has."""
    ours, theirs = ([*one.input] for one in (network, source))
    channels = [one.input["noisy"].shape[-1] for one in (network, source)]
    new = [name for name in ours if name not in theirs]
    others = [name for name in theirs if name not in _ALWAYS]
    if channels[0] != channels[1] or set(theirs) - set(ours) or (new and others):
        raise ValueError(
            "`source` must have the inputs of `network`, or `noisy` and `timestep` "
            "alone, with the same channels of `noisy`. Choose a network of whole "
            f"images as `source`. Received: network with the inputs {ours} and "
            f"{channels[0]} channels, source with {theirs} and {channels[1]} channels."
        )
    return new


def _is_wider(shape, former):
    """Whether only the axis of the inputs of a kernel, the last but one, is larger."""
    return (
        len(shape) == len(former) > 1
        and shape[-2] > former[-2]
        and (*shape[:-2], shape[-1]) == (*former[:-2], former[-1])
    )


def _blocks(network, kernel):
    """How often the image's channels are repeated in the inputs of a kernel.

    The stem of `unet` moves blocks of pixels into the channels.
    """
    stem = (recorded(network) or {}).get("stem", 1)
    return stem**2 if kernel.ndim == 4 else 1


def _widened(kernel, shape, blocks):
    """A kernel with further inputs after those of each block, of weight zero."""
    grouped = kernel.reshape((*kernel.shape[:-2], blocks, -1, kernel.shape[-1]))
    wanted = shape[-2] // blocks - grouped.shape[-2]
    zeros = np.zeros((*grouped.shape[:-2], wanted, grouped.shape[-1]), kernel.dtype)
    return np.concatenate([grouped, zeros], axis=-2).reshape(shape)
