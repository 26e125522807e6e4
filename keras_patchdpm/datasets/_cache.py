"""Decoded images on the disk: a folder of an array and of what it was made from."""

import json
import math

import numpy as np

from keras_patchdpm import _files

_ARRAY, _DESCRIPTION = "images.npy", "description.json"
_VERSION = 1  # Of the files and of the way in which images are decoded.


def cache_folder(name, value):
    """Validates the path of a cache: it can be written, and is no other folder."""
    path = _files.path_of(name, value)
    if path.exists() and not (path / _DESCRIPTION).is_file():
        if not path.is_dir() or any(path.iterdir()):
            raise ValueError(
                f"`{name}` must be a folder that does not exist yet, or a cache that "
                f"this package has written. Received: {name}={str(path)!r}."
            )
    return path


def cached(path, identity, *, most, size, read, skipped):
    """Opens the cache at `path`, which is written first if it is missing or old.

    The folder is complete or not there at all, see `_files.replacing_folder`.

    Args:
        path: `Path` of the folder.
        identity: Dict, of which source the images are and how they were prepared. If it
            is another one, the cache is written again.
        most: Int. The most images.
        size: `(height, width)` of the images.
        read: Function that returns an iterator of the images.
        skipped: `Skipped`, which has the files that `read` skips. If the cache is used,
            those that were skipped when it was written are added.

    Returns:
        `Path` of the `.npy` file.
    """
    identity = json.loads(json.dumps({"version": _VERSION, **identity}))
    found = _description(path)
    if found.get("identity") == identity:
        skipped.restore(found["skipped"])
        return path / _ARRAY
    path.parent.mkdir(parents=True, exist_ok=True)
    size_in_bytes = most * math.prod(size) * 3
    _files.check_writable(path.with_name(f"{path.name}.npy"), size_in_bytes)
    with _files.replacing_folder(path) as temporary:
        with open(temporary / _ARRAY, "x+b") as file:
            _write(file, read(), most, size)
        description = {"identity": identity, "skipped": skipped.listed()}
        (temporary / _DESCRIPTION).write_text(json.dumps(description, indent=1))
    return path / _ARRAY


def _description(path):
    """What an earlier call has written, or an empty dict."""
    try:
        found = json.loads((path / _DESCRIPTION).read_text())
        complete = np.lib.format.open_memmap(path / _ARRAY, mode="r")
    except (OSError, ValueError):
        return {}
    usable = isinstance(found, dict) and complete.dtype == np.uint8
    return found if usable else {}


def _write(file, images, most, size):
    """Writes images one by one, so that they are never in memory together."""
    _write_header(file, most, size)
    start, count = file.tell(), 0
    for image in images:
        file.write(image.tobytes())
        count += 1
    file.seek(0)
    _write_header(file, count, size)
    if file.tell() != start:  # NumPy leaves room for the number of images.
        raise RuntimeError(
            "NumPy has written headers of different lengths. "
            f"Received: {start} and {file.tell()} bytes."
        )


def _write_header(file, count, size):
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *size, 3)}
    np.lib.format.write_array_header_1_0(file, header)
