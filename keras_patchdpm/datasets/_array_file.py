"""Reads images from a `.npy` file."""

import functools
import stat

import numpy as np
from PIL import Image


def open_array(path):
    """Opens an array of images as a memory map, which reads only the parts in use.

    Args:
        path: `Path` of a `.npy` file.

    Returns:
        `numpy.memmap` of type uint8 and shape `(count, H, W, 3)`.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If the file is no such array. No code in it is executed.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(
            "`source` must be a folder or a regular file. "
            f"Received: source={str(path)!r}."
        )
    try:
        images = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # A damaged header can raise any error in NumPy.
        raise ValueError(
            "`source` is not a complete .npy array of images. Write it with "
            f"`numpy.save`. Received: source={str(path)!r} ({_first_line(error)})."
        ) from error
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            "An array of images must be uint8 of shape (count, height, width, 3). "
            f"Received: {path} of dtype {images.dtype} and shape {images.shape}."
        )
    return images


def array_images(images):
    """`(count, items)` for an array, as `folder_images` returns them for a folder."""
    items = (
        (f"image {number}", functools.partial(Image.fromarray, image))
        for number, image in enumerate(images)
    )
    return len(images), items


def _first_line(error):
    return next(iter(str(error).splitlines()), type(error).__name__)
