"""Loads images from a folder, an array file or TensorFlow Datasets."""

import math

import numpy as np
from PIL import Image, ImageOps

from keras_patchdpm import _checks, _files
from keras_patchdpm.datasets._array_file import array_images, open_array
from keras_patchdpm.datasets._arrays import check_fits
from keras_patchdpm.datasets._image_folder import folder_images
from keras_patchdpm.datasets._skipped import Skipped, Unreadable
from keras_patchdpm.datasets._tfds import tfds_images


def load_images(
    source, image_size, *, split="train", limit=None, strict=False, smallest=None
):
    """Reads images, crops the middle of each and resizes it.

    A folder and the folders in it are read in the order of the names. Formats are PNG,
    JPEG, WebP, BMP, TIFF and GIF (the first frame). Images become upright (EXIF
    orientation) and 8-bit RGB: of 16 bits the upper 8 are kept, and transparent pixels
    become white. Colour profiles (ICC) are ignored. Hidden files, `Thumbs.db` and
    `desktop.ini` are left out. One `UserWarning` counts all other files that are not
    read, and names the first 20 with the reason: broken files, other formats, links to
    folders, images smaller than `smallest` or with more pixels than
    `PIL.Image.MAX_IMAGE_PIXELS` (89 million; `None` removes the limit).

    Args:
        source: Path of a folder of images, path of a `.npy` array `(count, H, W, 3)`
            of uint8, or `"tfds:NAME"`, such as `"tfds:celeb_a"`.
        image_size: Positive int or pair `(height, width)`, in pixels.
        split: String. Split of a TensorFlow data set. Default `"train"`.
        limit: Positive int, the most images to read. Default `None`: all.
        strict: Bool. Whether the first file that cannot be read is an error. Default:
            no, there is a warning.
        smallest: Positive int or pair `(height, width)`, in pixels. Smaller images are
            skipped. Default `None`: `image_size`, so that no image is enlarged.

    Returns:
        Uint8 array of shape `(count, height, width, 3)`. A `.npy` array that already
        has this size stays on the disk, as a memory map.

    Raises:
        ImportError: If `tensorflow-datasets` is needed and not installed.
        OSError: If `source` cannot be opened.
        TypeError: If an argument has the wrong type.
        ValueError: If there is no such source, or none of its images can be read.

    Example:

    >>> images = load_images("photos/", image_size=64)
    """
    size = _checks.pair("image_size", image_size)
    smallest = size if smallest is None else _checks.pair("smallest", smallest)
    limit = math.inf if limit is None else _checks.positive_int("limit", limit)
    if not isinstance(split, str):
        raise TypeError(f"`split` must be a string. Received: split={split!r}.")
    skipped = Skipped(str(source), _checks.boolean("strict", strict))
    if isinstance(source, str) and source.startswith("tfds:"):
        count, items = tfds_images(source.removeprefix("tfds:"), split)
    else:
        path = _files.path_of("source", source)
        if path.is_dir():
            count, items = folder_images(path)
        elif path.suffix.lower() == ".npy":
            array = open_array(path)
            if len(array) and array.shape[1:3] == size:
                return array if limit == math.inf else array[:limit]
            count, items = array_images(array)
        else:
            raise ValueError(
                "`source` must be a folder of images, a .npy array or 'tfds:NAME'. "
                f"Received: source={str(path)!r}, which is not a folder."
            )
    return _read(
        items,
        min(count, limit),
        limit=limit,
        size=size,
        smallest=smallest,
        skipped=skipped,
    )


def _read(items, most, *, limit, size, smallest, skipped):
    """Reads up to `limit` images into an array; there are at most `most`."""
    shape = (most, *size, 3)
    check_fits(math.prod(shape), f"{most} images, image_size={size}")
    images = np.empty(shape, "uint8")
    count = 0
    for name, read in items:
        try:
            image = _fit(read(), size, smallest)
        except Unreadable as error:
            skipped.add(name, error)
            continue
        images[count] = image
        count += 1
        if count >= limit:
            break
    if not count:
        found = f" {skipped.summary()}\n" if skipped.errors else " "
        raise ValueError(
            f"There is no image in {skipped.source} that can be read.{found}"
            f"Received: source={skipped.source!r}, smallest={smallest}."
        )
    skipped.warn(count)
    return images[:count]


def _fit(image, size, smallest):
    """Crops the middle to the aspect ratio of `size`, then resizes to `size`."""
    if image.height < smallest[0] or image.width < smallest[1]:
        raise Unreadable(
            f"smaller than `smallest`, {smallest[0]}x{smallest[1]} pixels",
            f"{image.height}x{image.width}",
        )
    image = image.convert("RGB")
    if (image.height, image.width) == size:
        return np.asarray(image)
    return np.asarray(ImageOps.fit(image, size[::-1], Image.Resampling.BICUBIC))
