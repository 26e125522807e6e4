"""Arranges images in one picture, and saves images to files."""

import io
import math

import numpy as np
from PIL import Image

from keras_patchdpm import _checks, _files
from keras_patchdpm.datasets._arrays import check_fits
from keras_patchdpm.datasets._image_file import FORMATS

_LOSSY = ("JPEG", "WEBP")
_HEADER = 128  # Bytes before the values of a `.npy` file.


def tile(images, columns=None, margin=2):
    """Arranges images in rows of one picture, with white margins.

    Args:
        images: Uint8 array of shape `(B, H, W, C)`, with one image or more.
        columns: Positive int, the images in a row. Default `None`: about as many as
            there are rows.
        margin: Int of at least 0. Pixels between the images. Default 2.

    Returns:
        Uint8 array of shape `(height, width, C)`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range.

    Example:

    >>> picture = tile(images, columns=4)
    """
    images = _check_images(images)
    margin = _checks.integer("margin", margin, minimum=0)
    _, height, width, channels = images.shape
    columns, size = _layout(images.shape, columns, margin)
    picture = np.full((*size, channels), 255, "uint8")
    for index, image in enumerate(images):
        row, col = divmod(index, columns)
        top, left = row * (height + margin), col * (width + margin)
        picture[top : top + height, left : left + width] = image
    return picture


def save_images(images, path, columns=None):
    """Saves images to a file, as one picture or as an array.

    An old file at `path` is replaced only when the new one is complete.

    Args:
        images: Uint8 array of shape `(B, H, W, C)`, with one image or more. A picture
            needs 1 channel (grey) or 3 (RGB).
        path: Path of the file. The suffix decides the format: `.npy` for the array;
            `.png`, `.jpg`, `.webp`, `.bmp`, `.tif` or `.gif` for one picture of all
            images. JPEG and WebP lose detail; GIF keeps 256 colours.
        columns: Positive int, the images in a row of the picture. Default `None`: about
            as many as there are rows.

    Raises:
        OSError: If the file cannot be written, for example on a full disk. An old file
            stays.
        TypeError: If an argument has the wrong type.
        ValueError: If the suffix is unknown, there is no such folder, or an argument is
            out of range.

    Example:

    >>> save_images(keras_patchdpm.sample(n=2), "faces.png")
    """
    images = _check_images(images)
    path = check_path(path, images.shape, columns)
    with _files.replacing(path) as file:
        if path.suffix.lower() == ".npy":
            np.save(file, images)
        else:
            file.write(_encode(tile(images, columns), path))


def check_path(path, shape, columns=None):
    """Refuses a path that `save_images` cannot write, before the images are computed.

    Args:
        path: As in `save_images`.
        shape: `(B, H, W, C)` of the images that will be saved.
        columns: As in `save_images`.

    Returns:
        `path`, a `Path` with `~` expanded.

    Raises:
        OSError: If the folder is read-only, the name too long or the disk too full.
        TypeError: If an argument has the wrong type.
        ValueError: If `save_images` would refuse the arguments.
    """
    path = _files.path_of("path", path)
    suffix, num_bytes = path.suffix.lower(), math.prod(shape)
    if suffix == ".npy":
        return _files.check_writable(path, num_bytes + _HEADER)
    if suffix not in FORMATS:
        raise ValueError(
            "`path` must end in .npy or in the suffix of an image format: "
            f"{', '.join(FORMATS)}. Received: path={str(path)!r}."
        )
    if shape[-1] not in (1, 3):
        raise ValueError(
            "A picture has 1 channel (grey) or 3 (RGB). Select 1 or 3 channels, or "
            f"write an array (.npy). Received: images of shape={tuple(shape)}."
        )
    _, size = _layout(shape, columns)
    _encode(
        np.zeros((*size, shape[-1]), "uint8"), path
    )  # Refuses a picture that is too large for the format.
    lossy = FORMATS[suffix] in _LOSSY
    return _files.check_writable(path, num_bytes // 10 if lossy else num_bytes)


def _check_images(images):
    """Validates images: a NumPy array of uint8 with four axes, none of them empty."""
    try:
        found = np.asarray(images)
    except Exception as error:  # Ragged lists, or tensors on another device.
        raise TypeError(
            f"`images` must be a uint8 array: NumPy cannot read it ({error}). "
            f"Received: images of type {type(images).__name__}."
        ) from error
    if found.dtype != np.uint8:
        raise TypeError(
            "`images` must be a uint8 array, with values in [0, 255]. Received: images "
            f"of dtype {found.dtype} (of type {type(images).__name__})."
        )
    if found.ndim != 4 or 0 in found.shape:
        raise ValueError(
            "`images` must have the shape (batch, height, width, channels), with no "
            f"axis of size 0. Received: images of shape={found.shape}."
        )
    return found


def _layout(shape, columns, margin=2):
    """`(columns, (height, width))` of a picture of images with the given `shape`."""
    count, height, width, channels = shape
    if columns is None:
        columns = math.ceil(math.sqrt(count))
    columns = _checks.positive_int("columns", columns)
    rows = math.ceil(count / columns)
    size = (rows * (height + margin) - margin, columns * (width + margin) - margin)
    check_fits(math.prod(size) * channels, f"columns={columns}, margin={margin}")
    return columns, size


def _encode(picture, path):
    """The bytes of a picture file; refuses a picture that the format cannot hold."""
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    buffer = io.BytesIO()
    try:
        Image.fromarray(picture).save(buffer, FORMATS[path.suffix.lower()])
    except (OSError, ValueError, OverflowError) as error:
        height, width = picture.shape[:2]
        raise ValueError(
            f"A {path.suffix} file cannot store a picture of {height}x{width} pixels "
            f"({error}). Choose .png or .npy, or fewer images. Received: "
            f"path={str(path)!r}."
        ) from error
    return buffer.getvalue()
