"""Writes images as a PNG file, with the standard library alone."""

import pathlib
import struct
import zlib

import numpy as np

SUFFIXES = (".png", ".npy")
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # Channels to the colour type of PNG.


def check_path(path):
    """Refuses a path that cannot be written, before a long computation.

    Args:
        path: String.

    Returns:
        `Path`.

    Raises:
        ValueError: If the suffix is unknown, or the folder does not exist.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"The file must end in {' or '.join(SUFFIXES)}. Received: {str(path)!r}."
        )
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"There is no folder {path.absolute().parent}. Create it, or choose "
            f"another path. Received: {str(path)!r}."
        )
    return path


def save(images, path):
    """Writes images, side by side in one picture, or as an array.

    Args:
        images: Uint8 array of shape `(B, H, W, C)`, `C` from 1 to 4 for a picture.
        path: String: a `.png` or a `.npy` file.

    Raises:
        ValueError: If a picture cannot have that many channels, or as `check_path`.
    """
    path = check_path(path)
    if path.suffix.lower() == ".npy":
        np.save(path, images, allow_pickle=False)
        return
    picture = np.concatenate(images, axis=1)
    height, width, channels = picture.shape
    if channels not in _COLOURS:
        raise ValueError(
            "A .png has 1 to 4 channels. Write a .npy file. "
            f"Received: images of shape {images.shape}."
        )
    lines = np.zeros((height, 1 + width * channels), "uint8")  # Filter 0: none.
    lines[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">2I5B", width, height, 8, _COLOURS[channels], 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in chunks))


def _chunk(name, data):
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum
