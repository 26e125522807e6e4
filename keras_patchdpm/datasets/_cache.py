"""Decoded images on the disk: a folder of an array and of what it was made from."""

import contextlib
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


def find(path, identity, skipped):
    """Looks for a cache that is complete and of the same images.

    Args:
        path: `Path` of the folder.
        identity: Dict, of which source the images are and how they were prepared.
        skipped: `Skipped`, to which the files are added that were skipped when the
            cache was written.

    Returns:
        `Path` of the `.npy` file, or `None` if there is no such cache.
    """
    description = _description(path)
    if description.get("identity") != _plain(identity):
        return None
    skipped.restore(description["skipped"])
    return path / _ARRAY


def write(path, identity, skipped, *, images, most, size):
    """Writes a cache, in the place of an older one.

    The folder is complete or not there at all, see `_files.replacing_folder`.

    Args:
        path, identity: As in `find`.
        skipped: `Skipped`, which has the skipped files when `images` ends.
        images: Iterator of arrays.
        most: Int. The most images.
        size: `(height, width)` of the images.

    Returns:
        `Path` of the `.npy` file.
    """
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        size_in_bytes = most * math.prod(size) * 3
        _files.check_writable(path.with_name(f"{path.name}.npy"), size_in_bytes)
        with _files.replacing_folder(path) as temporary:
            with open(temporary / _ARRAY, "x+b") as file:
                _write(file, images, most=most, size=size)
            description = {"identity": _plain(identity), "skipped": skipped.listed()}
            (temporary / _DESCRIPTION).write_text(json.dumps(description, indent=1))
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # Another process has written to it.
                path.parent.rmdir()
        raise
    return path / _ARRAY


def _plain(identity):
    """`identity` with the types of JSON, and the version of this module."""
    return json.loads(json.dumps({"version": _VERSION, **identity}))


def _description(path):
    """What an earlier call has written, or an empty dict."""
    try:
        description = json.loads((path / _DESCRIPTION).read_text())
        complete = np.lib.format.open_memmap(path / _ARRAY, mode="r")
    except (OSError, ValueError):
        return {}
    usable = isinstance(description, dict) and complete.dtype == np.uint8
    return description if usable else {}


def _write(file, images, *, most, size):
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
