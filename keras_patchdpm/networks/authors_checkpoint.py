"""Reads the authors' checkpoints into a dict of NumPy arrays."""

from collections.abc import Mapping

import numpy as np

from keras_patchdpm import _files, _torch_file
from keras_patchdpm.networks.tensor_files import listed

PREFIX = "denoise_fn."
UNUSED = "_patched_decoder._embedder."


def read_arrays(source, which):
    """The network's tensors in a checkpoint, as finite float32 arrays.

    Args:
        source: Path of a checkpoint of the authors' code, or a mapping of names to
            arrays or tensors, or of `"ema"` and `"model"` to such mappings.
        which: `"ema"` or `"model"`.

    Returns:
        Dict of the authors' names, without prefix, to NumPy arrays, without the buffers
        of their schedule and the one layer that they never call.

    Raises:
        TypeError: If `source` is neither a path nor a mapping.
        ImportError: If `source` is a path and PyTorch is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, or no checkpoint of tensors.
    """
    if not isinstance(source, Mapping):
        source = _torch_file.read(
            str(_files.path_of("source", source)),
            "source",
            "pass a mapping of names to arrays as `source`",
        )
    return _arrays(_network_tensors(source, which))


def _network_tensors(source, which):
    """The tensors of the network in a checkpoint, a dict by name."""
    states = [key for key in ("ema", "model") if isinstance(source.get(key), Mapping)]
    if states:
        if which not in states:
            raise ValueError(
                f"The checkpoint has no {which!r} weights. It has: {listed(states)}. "
                f"Received: which={which!r}."
            )
        source = source[which]
    tensors = {str(name): source[name] for name in source}
    if any(name.startswith(PREFIX) for name in tensors):
        # Tensors without the prefix are buffers of the authors' schedule.
        tensors = {
            name.removeprefix(PREFIX): tensor
            for name, tensor in tensors.items()
            if name.startswith(PREFIX)
        }
    return {k: v for k, v in tensors.items() if not k.startswith(UNUSED)}


def _arrays(tensors):
    """Converts tensors of any library to float32 NumPy arrays; refuses NaN."""
    arrays, refused = {}, []
    for name, tensor in tensors.items():
        try:
            arrays[name] = _torch_file.as_array(tensor)
        except (TypeError, ValueError):
            refused.append(f"{name} ({type(tensor).__name__})")
            continue
        if not np.isfinite(arrays[name]).all():
            refused.append(f"{name} (NaN or infinite)")
    if refused:
        raise ValueError(
            f"`source` must contain finite numbers. Received: {listed(refused)}."
        )
    return arrays
