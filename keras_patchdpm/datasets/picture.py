"""Images laid out in one picture, and written to files."""

import math
import os
import pathlib

import numpy as np

from keras_patchdpm import _checks


def tile(images, columns=None, margin=2):
    """Lays images out in rows, white between them.

    Args:
        images: Uint8 array of shape `(count, H, W, C)`.
        columns: Positive int, or `None` for a picture about as wide as high.
        margin: Int of at least 0. Pixels between the images.

    Returns:
        Uint8 array of shape `(height, width, C)`.
    """
    height, width, channels = _checks.image_shape("images", images.shape)
    columns = columns or math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    size = (rows * (height + margin) - margin, columns * (width + margin) - margin)
    picture = np.full((*size, channels), 255, "uint8")
    for index, image in enumerate(images):
        row, col = divmod(index, columns)
        top, left = row * (height + margin), col * (width + margin)
        picture[top : top + height, left : left + width] = image
    return picture


def save_images(images, path, columns=None):
    """Writes images, whole or not at all: as one picture, or as an array.

    Args:
        images: Uint8 array of shape `(count, H, W, C)`, C being 1 or 3.
        path: Of the file. `.npy` is an array, any ending Pillow knows a picture.
        columns: Of the picture, as in `tile`.

    Raises:
        ValueError: If `path` is nothing that can be written.
    """
    from PIL import Image

    path = check_path(path)
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.part{path.suffix}")
    if path.suffix == ".npy":
        np.save(temporary, images)
    else:
        picture = tile(images, columns)
        picture = picture[..., 0] if picture.shape[-1] == 1 else picture
        Image.fromarray(picture).save(temporary)
    os.replace(temporary, path)


def check_path(path):
    """Returns `path` as a `Path` if images can be written there.

    To be called before a long work whose result would be lost.
    """
    from PIL import Image

    path = pathlib.Path(path)
    known = {".npy", *Image.registered_extensions()}
    if path.suffix.lower() not in known:
        raise ValueError(
            "The name of the file must end in .png, .npy or another format that can "
            f"be written. Received: {str(path)!r}."
        )
    if not path.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {path.parent}. Received: {str(path)!r}.")
    return path
