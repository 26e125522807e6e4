"""Loads images from a folder, an array file or TensorFlow Datasets."""

import dataclasses
import functools
import math

import numpy as np

from keras_patchdpm import _checks, _files
from keras_patchdpm.datasets import _cache
from keras_patchdpm.datasets._array_file import array_images, load_npz, open_array
from keras_patchdpm.datasets._fit import Fit
from keras_patchdpm.datasets._image_file import FORMATS
from keras_patchdpm.datasets._listing import fingerprint, folder_images, list_files
from keras_patchdpm.datasets._reading import read, to_memory
from keras_patchdpm.datasets._skipped import Skipped
from keras_patchdpm.datasets._tfds import tfds_images


def load_images(
    source,
    image_size,
    *,
    split="train",
    limit=None,
    strict=False,
    smallest=None,
    crop="center",
    resample="bicubic",
    cache=None,
):
    """Reads images, crops the middle of each and resizes it.

    All images are in memory, or with `cache` in a file. `ImageFolder` reads the images
    of a folder only when they are needed.

    A folder and the folders in it are read in the order of the names. Formats are PNG,
    JPEG, WebP, BMP, TIFF and GIF (the first frame). Images become upright (EXIF
    orientation) and 8-bit RGB: of 16 bits the upper 8 are kept, and transparent pixels
    become white. Colour profiles (ICC) are ignored. Hidden files, `Thumbs.db` and
    `desktop.ini` are left out. One `UserWarning` counts all other files that are not
    read, and names the first 20 with the reason: broken files, other formats, links to
    folders, images smaller than `smallest` or with more pixels than
    `PIL.Image.MAX_IMAGE_PIXELS` (89 million; `None` removes the limit).

    Args:
        source: Path of a folder of images, or of one image; path of a `.npy` or `.npz`
            file with an array `(count, H, W, 3)` of uint8, in a `.npz` file under the
            name `"images"` or as the only array; or `"tfds:NAME"`, such as
            `"tfds:celeb_a"`.
        image_size: Positive int or pair `(height, width)`, in pixels.
        split: String. Split of a TensorFlow data set. Default `"train"`.
        limit: Positive int, the most images to read. Default `None`: all.
        strict: Bool. Whether the first file that cannot be read is an error. Default:
            no, there is a warning.
        smallest: Positive int or pair `(height, width)`, in pixels. Smaller images are
            skipped. Default `None`: `image_size`, so that no image is enlarged.
        crop: `"center"` (the default): the middle is cropped to the aspect ratio of
            `image_size`. `"top"`: the same, but the upper edge is kept, for portraits.
            `"stretch"`: nothing is cropped, and the aspect ratio changes.
        resample: `"bicubic"` (the default), or `"area"`: the mean over the area of
            each new pixel, which is softer.
        cache: Path of a folder, which is written: an array on the disk instead of in
            memory. If the folder is there, and neither the files of the source (names,
            sizes, times) nor the arguments have changed, nothing is decoded. A damaged
            or old one is written again. Default `None`: no such folder.

    Returns:
        Uint8 array of shape `(count, height, width, 3)`. With `cache`, and for a `.npy`
        array that already has this size, a memory map.

    Raises:
        ImportError: If `tensorflow-datasets` is needed and not installed.
        OSError: If `source` cannot be opened, or `cache` cannot be written.
        TypeError: If an argument has the wrong type.
        ValueError: If there is no such source, or none of its images can be read.

    Example:

    >>> images = load_images("photos/", image_size=64)
    """
    fit = Fit.checked(image_size, smallest=smallest, crop=crop, resample=resample)
    limit = math.inf if limit is None else _checks.positive_int("limit", limit)
    split = _checks.string("split", split)
    skipped = Skipped(str(source), _checks.boolean("strict", strict))
    cache = None if cache is None else _cache.cache_folder("cache", cache)
    open_source, identity, array = _source(source, split)
    if array is not None and len(array) and array.shape[1:3] == fit.size:
        return array if limit == math.inf else array[:limit]
    return collected(open_source, identity, fit, skipped, limit=limit, cache=cache)


def collected(open_source, identity, fit, skipped, *, limit=math.inf, cache=None):
    """The array of the images of a source; one warning of those that are skipped.

    Args:
        open_source: Function that returns `(count, items)`: the most images, and an
            iterable of pairs, the name of an image and a function that returns it or
            raises `Unreadable`. It is not called if there is a cache.
        identity: Function that returns a dict, which changes if the images change.
        fit: `Fit`.
        skipped: `Skipped`.
        limit: Int, the most images. Default: infinity.
        cache: `Path`, see `load_images`. Default `None`.
    """
    if cache is None:
        count, items = open_source()
        images = read(items, fit, skipped, limit=limit)
        array = to_memory(images, min(count, limit), fit.size)
    else:
        part = None if limit == math.inf else limit
        key = {**identity(), **dataclasses.asdict(fit), "limit": part}
        path = _cache.find(cache, key, skipped)
        if path is None:
            count, items = open_source()
            path = _cache.write(
                cache,
                key,
                skipped,
                images=read(items, fit, skipped, limit=limit),
                most=min(count, limit),
                size=fit.size,
            )
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    skipped.warn(len(array))
    return array


def folder_source(path, files):
    """`(open_source, identity)` for files of a folder, as `list_files` returns them."""
    return (
        functools.partial(folder_images, path, files),
        lambda: {"files": fingerprint(path, files)},
    )


def _source(source, split):
    """`(open_source, identity, array)`; the array is `None` if there is none yet."""
    if isinstance(source, str) and source.startswith("tfds:"):
        open_source = functools.partial(
            tfds_images, source.removeprefix("tfds:"), split
        )
        return open_source, lambda: {"source": source, "split": split}, None
    path = _files.path_of("source", source)
    if path.is_dir():
        return *folder_source(path, list_files(path)), None
    if path.suffix.lower() in FORMATS and path.is_file():
        return *folder_source(path.parent, [(path.name, None)]), None
    if path.suffix.lower() not in (".npy", ".npz"):
        raise ValueError(
            "`source` must be a folder of images, an image file, a .npy or .npz array "
            "or 'tfds:NAME'. "
            f"Received: source={str(path)!r}, which is not a folder or image."
        )
    array = (load_npz if path.suffix.lower() == ".npz" else open_array)(path)

    def identity():
        return {"files": fingerprint(path.parent, [(path.name, None)])}

    return functools.partial(array_images, array), identity, array
