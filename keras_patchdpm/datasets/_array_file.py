"""Reads images from a `.npy` or `.npz` file."""

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
    _check_is_file(path)
    try:
        images = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    except Exception as error:  # A damaged header can raise any error in NumPy.
        raise ValueError(
            "`source` is not a complete .npy array of images. Write it with "
            f"`numpy.save`. Received: source={str(path)!r} ({_first_line(error)})."
        ) from error
    return _check_images(path, images)


def load_npz(path):
    """Reads an array of images of a `.npz` file into memory.

    Args:
        path: `Path` of a `.npz` file. The array is the only one, or named `images`.

    Returns:
        Array of type uint8 and shape `(count, H, W, 3)`.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If the file has no such array. No code in it is executed.
    """
    _check_is_file(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays)
            name = names[0] if len(names) == 1 else "images"
            images = arrays[name] if name in names else None
    except OSError:
        raise
    except Exception as error:  # Damaged bytes can raise any error.
        raise ValueError(
            "`source` is not a complete .npz file of arrays. Write it with "
            "`numpy.savez(path, images=images)`. "
            f"Received: source={str(path)!r} ({_first_line(error)})."
        ) from error
    if images is None:
        raise ValueError(
            "A .npz file must have one array, or one that is named 'images'. Write it "
            "with `numpy.savez(path, images=images)`. "
            f"Received: source={str(path)!r} with the arrays {names}."
        )
    return _check_images(path, images)


def _check_is_file(path):
    """Refuses pipes and other files that may not end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(
            "`source` must be a folder or a regular file. "
            f"Received: source={str(path)!r}."
        )


def _check_images(path, images):
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            "An array of images must be uint8 of shape (count, height, width, 3). "
            f"Received: {path} of dtype {images.dtype} and shape {images.shape}."
        )
    return images


def array_images(images):
    """`(count, items)` for an array, as in a `Source`."""
    items = (
        (f"image {number}", functools.partial(Image.fromarray, image))
        for number, image in enumerate(images)
    )
    return len(images), items


def _first_line(error):
    return next(iter(str(error).splitlines()), type(error).__name__)
