"""The formats of a preset's weights: names, shapes and types first, arrays later."""

import contextlib
import io
import math
import zipfile

import numpy as np

from keras_patchdpm import _npz
from keras_patchdpm.networks import tensor_files

FORMATS = ("npz", "safetensors")
_DTYPES = ("float16", "float32", "float64", "int8")
_CODES = {"F16": "float16", "F32": "float32", "F64": "float64", "I8": "int8"}


@contextlib.contextmanager
def opened(path, file):
    """Context with the archive at `path`, `Npz` or `Safetensors`.

    Args:
        path: `Path` of the archive. Its suffix is one of `FORMATS`.
        file: The binary file at `path`, open for reading.
    """
    if path.suffix == ".npz":
        with _npz.LOCK, zipfile.ZipFile(file) as archive:
            yield Npz(archive)
    else:
        with tensor_files.safetensors().safe_open(path, framework="np") as archive:
            yield Safetensors(archive)


def pack(arrays, format):
    """A dict of arrays as the bytes of an archive.

    Args:
        arrays: Dict of names to arrays.
        format: One of `FORMATS`.
    """
    if format == "safetensors":
        tensor_files.safetensors()
        from safetensors.numpy import save

        return save({name: np.ascontiguousarray(one) for name, one in arrays.items()})
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


class Npz:
    """Compressed arrays. A small file may contain arrays of many gigabytes.

    Args:
        archive: `zipfile.ZipFile`.
    """

    def __init__(self, archive):
        self._archive = archive

    def headers(self):
        """Dict of names to `(shape, name of the dtype)`; refuses other types."""
        headers = {}
        for member in self._archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name in headers or name == member.filename:
                raise ValueError(f"{name!r} is not a .npy file, or occurs twice")
            headers[name] = self._header(member)
        return headers

    def array(self, name):
        """The array of that name."""
        with self._archive.open(f"{name}.npy") as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    def _header(self, member):
        """Reads shape and type of one array; refuses other types and a wrong size."""
        with self._archive.open(member) as file:
            # Version 1 has at most 64 KB of header.
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError(f"{member.filename} has another version of the format")
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            size = math.prod(shape) * dtype.itemsize
            if dtype.name not in _DTYPES:
                raise ValueError(f"{member.filename} contains {dtype.name}, not floats")
            if min(shape, default=0) < 0 or member.file_size - file.tell() != size:
                raise ValueError(
                    f"the size of {member.filename} does not match its shape {shape}"
                )
        return shape, dtype.name


class Safetensors:
    """Arrays that are not compressed. The library checks their sizes.

    Args:
        archive: `safetensors.safe_open`.
    """

    def __init__(self, archive):
        self._archive = archive

    def headers(self):
        """Dict of names to `(shape, name of the dtype)`; refuses other types."""
        slices = {name: self._archive.get_slice(name) for name in self._archive.keys()}
        codes = {name: one.get_dtype() for name, one in slices.items()}
        for name, code in codes.items():
            if code not in _CODES:
                raise ValueError(f"{name} contains {code}, not floats")
        return {
            name: (tuple(one.get_shape()), _CODES[codes[name]])
            for name, one in slices.items()
        }

    def array(self, name):
        """The array of that name."""
        return self._archive.get_tensor(name)
