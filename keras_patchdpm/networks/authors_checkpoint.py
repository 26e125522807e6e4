"""Reads the authors' checkpoints into a dict of NumPy arrays."""

import importlib
import os
from collections.abc import Mapping

import numpy as np

from keras_patchdpm import _files

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
        source = _read_checkpoint(str(_files.path_of("source", source)))
    return _arrays(_network_tensors(source, which))


def _torch(path):
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "Reading a checkpoint of the authors needs PyTorch, which is not "
            "installed. Install it with `pip install keras-patchdpm[torch]`, or pass "
            "a mapping of names to arrays as `source`, which needs no PyTorch. "
            f"Received: source={path!r}."
        ) from error


def _read_checkpoint(path):
    """Reads the file of the authors' trainer, without running code in the file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            "There is no file at that path. `source` must be the path of a checkpoint, "
            f"or a mapping of names to arrays. Received: source={path!r}."
        )
    torch = _torch(path)
    try:
        checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # Damaged bytes can raise anything.
        reason = str(error).strip().split("\n")[0][:200]
        raise ValueError(
            "The file is not a PyTorch checkpoint of tensors. It is truncated, has "
            "another format, or contains Python objects, which are refused because "
            "reading them could run code. Copy the file again from its source. "
            f"PyTorch says: {type(error).__name__}: {reason}. "
            f"Received: source={path!r} of {os.path.getsize(path)} bytes."
        ) from error
    if not isinstance(checkpoint, Mapping):
        raise ValueError(
            "The checkpoint must be a dict of tensors, or a dict with `model` and "
            "`ema`. "
            f"Received: a {type(checkpoint).__name__} in source={path!r}."
        )
    return checkpoint


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
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu().float().numpy()
        try:
            arrays[name] = np.asarray(tensor).astype("float32")
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


def listed(items, most=6):
    """The first `most` of `items` and the number of the others, as text."""
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return (", ".join(str(item) for item in items[:most]) or "none") + more
