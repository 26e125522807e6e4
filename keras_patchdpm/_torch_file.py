"""Reads a file of PyTorch's tensors without running code in the file."""

import importlib
import os
from collections.abc import Mapping

import numpy as np


def read(path, argument, otherwise):
    """The content of a file that was written by `torch.save`.

    Args:
        path: String, the path of the file.
        argument: String. Name of the argument with the path, for error messages.
        otherwise: String, what to do without PyTorch, such as `"pass a .npz file"`.

    Returns:
        Mapping, as the file has it.

    Raises:
        ImportError: If PyTorch is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, contains anything but tensors, or is no
            mapping.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"There is no file at that path. `{argument}` must be the path of a file. "
            f"Received: {argument}={path!r}."
        )
    torch = _torch(path, argument, otherwise)
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # Damaged bytes can raise anything.
        reason = str(error).strip().split("\n")[0][:200]
        raise ValueError(
            "The file is not a PyTorch checkpoint of tensors. It is truncated, has "
            "another format, or contains Python objects, which are refused because "
            "reading them could run code. Copy the file again from its source. "
            f"PyTorch says: {type(error).__name__}: {reason}. "
            f"Received: {argument}={path!r} of {os.path.getsize(path)} bytes."
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(
            "The checkpoint must be a dict of tensors, or a dict with `model` and "
            "`ema`. "
            f"Received: a {type(content).__name__} in {argument}={path!r}."
        )
    return content


def as_array(tensor):
    """A tensor of any library as a float32 array; raises `TypeError`, `ValueError`."""
    try:
        array = tensor.detach().cpu().float().numpy()
    except AttributeError:  # No tensor of PyTorch.
        array = np.asarray(tensor)
    return array.astype("float32")


def _torch(path, argument, otherwise):
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "Reading this file needs PyTorch, which is not installed. Install it with "
            f"`pip install keras-patchdpm[torch]`, or {otherwise}, which needs no "
            f"PyTorch. Received: {argument}={path!r}."
        ) from error
