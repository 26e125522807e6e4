"""Reads tensors of other libraries by name: safetensors, `.npz`, PyTorch, mappings."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np

from keras_patchdpm import _files, _npz, _torch_file

SUFFIXES = (".safetensors", ".npz", ".bin", ".pt", ".pth")


@dataclasses.dataclass(frozen=True)
class Tensors:
    """Tensors by name, which are read one at a time.

    Attributes:
        shapes: Dict of names to tuples.
        read: Function of a name to an array of any float type.
    """

    shapes: dict
    read: Callable


@contextlib.contextmanager
def opened(source):
    """Context with the `Tensors` of a file or a mapping. No code in a file is run.

    Args:
        source: Path of a `.safetensors`, `.npz`, `.bin`, `.pt` or `.pth` file, or a
            mapping of names to arrays or tensors.

    Raises:
        TypeError: If `source` is neither a path nor a mapping.
        ImportError: If the library that reads the file is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file has another suffix, is damaged, or contains anything but
            tensors.
    """
    if isinstance(source, Mapping):
        yield _of_mapping(source)
        return
    path = _files.path_of("source", source)
    if not path.is_file():
        raise FileNotFoundError(
            "There is no file at that path. `source` must be the path of a file with "
            f"one of the suffixes {', '.join(SUFFIXES)}. Received: source='{path}'."
        )
    if path.suffix == ".safetensors":
        with opened_safetensors(path) as tensors:
            yield tensors
    elif path.suffix == ".npz":
        yield _of_mapping(_npz_arrays(path))
    elif path.suffix in SUFFIXES:
        otherwise = "convert the file to .safetensors or .npz"
        yield _of_mapping(_torch_file.read(str(path), "source", otherwise))
    else:
        raise ValueError(
            "`source` must be a file with one of the suffixes "
            f"{', '.join(SUFFIXES)}. Received: source='{path}'."
        )


@contextlib.contextmanager
def opened_safetensors(path):
    """Context with the `Tensors` of a `.safetensors` file.

    Raises:
        ImportError: If safetensors is not installed.
        ValueError: If the file is damaged.
    """
    module = safetensors()
    try:
        file = module.safe_open(path, framework="np")
    except module.SafetensorError as error:
        raise ValueError(
            "The file is not a safetensors file, or it is truncated. Copy it again "
            f"from its source. Safetensors says: {error}. "
            f"Received: source='{path}' of {path.stat().st_size} bytes."
        ) from error
    with file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
        yield Tensors(shapes, file.get_tensor)


def safetensors():
    """The module `safetensors`.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import safetensors as module
    except ImportError as error:
        raise ImportError(
            "Files of the format safetensors need the library safetensors, which is "
            "not installed. Install it with `pip install keras-patchdpm[hub]`. "
            'Received: a file or a `format` of "safetensors".'
        ) from error
    return module


def finite(name, array):
    """A tensor as a finite float32 array.

    Raises:
        ValueError: If it contains no numbers, NaN or infinity; the message names it.
    """
    try:
        array = _torch_file.as_array(array)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if not np.isfinite(array).all():
        raise ValueError(
            "`source` must contain finite numbers. Copy the file again from its "
            f"source. Received: {name} with other values."
        )
    return array


def _of_mapping(tensors):
    tensors = {str(name): tensor for name, tensor in tensors.items()}
    shapes = {name: tuple(_shape(tensor)) for name, tensor in tensors.items()}
    return Tensors(shapes, functools.partial(tensors.__getitem__))


def _shape(tensor):
    """The shape of an array, a tensor or nested lists."""
    return getattr(tensor, "shape", None) or np.shape(tensor)


def _npz_arrays(path):
    try:
        with _npz.opened(path) as arrays:
            return dict(arrays)
    except Exception as error:  # Damaged bytes can raise any error.
        raise ValueError(
            "The file is not a .npz file of arrays, or it is truncated. Files with "
            "Python objects are refused because reading them could run code. NumPy "
            f"says: {type(error).__name__}: {str(error)[:200]}. "
            f"Received: source='{path}' of {path.stat().st_size} bytes."
        ) from error


def listed(items, most=6):
    """The first `most` of `items` and the number of the others, as text."""
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return (", ".join(str(item) for item in items[:most]) or "none") + more


def differences(wanted, found):
    """How the tensors of a source differ from those of a network.

    Args:
        wanted, found: Dicts of names to shapes.

    Returns:
        `(missing, surplus, other)`: lists of names, and of descriptions of shapes.
    """
    missing = [name for name in wanted if name not in found]
    surplus = [name for name in found if name not in wanted]
    other = [
        f"{name} is {found[name]}, not {shape}"
        for name, shape in wanted.items()
        if found.get(name, shape) != shape
    ]
    return missing, surplus, other
