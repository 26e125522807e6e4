"""The data sets of the original method: CelebA and LSUN bedroom."""

import functools
import os
import pathlib

from keras_patchdpm import _checks, _files
from keras_patchdpm.datasets import _cache
from keras_patchdpm.datasets._fit import Fit
from keras_patchdpm.datasets._listing import list_files
from keras_patchdpm.datasets._load_images import collected, folder_source
from keras_patchdpm.datasets._skipped import Skipped
from keras_patchdpm.datasets._tfds import tfds_images

_PARTS = {"train": (0, 64), "validation": (64, 80), "test": (80, 100)}  # Percent.
_CELEB_A = (
    "Download `img_align_celeba.zip` with a browser from "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, unpack it, and pass its "
    'folder: celeb_a(folder="img_align_celeba/").'
)
_LSUN = (
    "Download and export the images with the scripts of https://github.com/fyu/lsun "
    "(`download.py -c bedroom`, `data.py export bedroom_train_lmdb --out_dir "
    'bedroom`), and pass their folder: lsun_bedroom(folder="bedroom/").'
)


def celeb_a(split="train", image_size=128, *, folder=None, cache=None, limit=None):
    """CelebA, prepared as by Arakawa et al.: faces, square, resized by area.

    The middle square of each image (178 of 218 rows) is resized by the mean over areas.
    About 200,000 images; the training images take 6.4 GB on the disk at 128 x 128.
    `ImageBatches` mirrors them at random, as the code of the authors does.

    The first 64 % of all images are for training, the next 16 % for validation and the
    last 20 % for tests. Without `folder` they are in the order of `tensorflow-datasets`
    (its splits one after the other); with `folder`, in that of the names of the files,
    which the makers of CelebA have numbered. In both orders the test images contain
    those of the official validation and test sets. The two orders differ: do not mix
    them.

    Args:
        split: `"train"` (the default), `"validation"` or `"test"`.
        image_size: Positive int or pair `(height, width)`, in pixels. Default 128.
        folder: Path of the images, for the case that the host refuses the download, as
            CelebA's often does: the folder of the unpacked `img_align_celeba.zip`.
            Default `None`: downloaded by `tensorflow-datasets`.
        cache: Path of a folder, which is written: the prepared images. The next call
            reads them alone, and does not need `tensorflow-datasets`. Default `None`: a
            folder in `~/.keras/datasets`, or in `$KERAS_HOME/datasets`.
        limit: Positive int, the most images. Default `None`: all.

    Returns:
        Uint8 array of shape `(count, height, width, 3)`, a memory map.

    Raises:
        ImportError: If `tensorflow-datasets` is needed and not installed.
        OSError: If the images cannot be downloaded; the message says what to do.
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, or `folder` has no images.

    Example:

    >>> images = celeb_a("train", folder="img_align_celeba/")
    >>> model.fit(ImageBatches(images, batch_size=64), epochs=10)

    Source: Liu et al. 2015 (arXiv:1411.7766); Arakawa et al. 2023 (arXiv:2304.07087),
    section 4.1.
    """
    return _prepared(
        "celeb_a",
        "train+validation+test",
        split,
        image_size,
        resample="area",
        manual=_CELEB_A,
        folder=folder,
        cache=cache,
        limit=limit,
    )


def lsun_bedroom(split="train", image_size=128, *, folder=None, cache=None, limit=None):
    """LSUN bedroom, prepared as by Arakawa et al.: the middle square, resized.

    Each image is cropped in its middle to its short side. About 3 million images: the
    training images take 95 GB on the disk at 128 x 128, those of `limit` less.

    Args:
        split, image_size, folder, cache, limit: As in `celeb_a`, with the same
            defaults. `tensorflow-datasets` needs `tensorflow-io` for this data set.

    Returns:
        Uint8 array of shape `(count, height, width, 3)`, a memory map.

    Raises:
        ImportError, OSError, TypeError, ValueError: As `celeb_a`.

    Example:

    >>> images = lsun_bedroom("train", folder="bedroom/", limit=100_000)

    Source: Yu et al. 2015 (arXiv:1506.03365); Arakawa et al. 2023 (arXiv:2304.07087),
    section 4.1.
    """
    return _prepared(
        "lsun/bedroom",
        "train+validation",
        split,
        image_size,
        resample="bicubic",
        manual=_LSUN,
        folder=folder,
        cache=cache,
        limit=limit,
    )


def part_of(count, split):
    """The first index of a split of `count` images, and that after the last one."""
    first, last = _PARTS[split]
    return count * first // 100, count * last // 100


def _prepared(
    name, official, split, image_size, *, resample, manual, folder, cache, limit
):
    """The images of a split, from the cache if there is one.

    Args:
        name: String. Name in `tensorflow-datasets`.
        official: String. All splits there, in order.
        split, image_size, folder, cache, limit: As in `celeb_a`.
        resample: As in `load_images`.
        manual: String. What to do if the host refuses the download.
    """
    split = _checks.one_of("split", split, tuple(_PARTS))
    fit = Fit.checked(image_size, smallest=None, crop="center", resample=resample)
    if limit is not None:
        limit = _checks.positive_int("limit", limit)
    path = None if folder is None else _files.path_of("folder", folder)
    if path is not None and not path.is_dir():
        raise ValueError(
            f"`folder` must be the folder of the images. {manual} "
            f"Received: folder={str(path)!r}, which is not a folder."
        )
    if cache is None:
        height, width = fit.size
        cache = f"{name.replace('/', '_')}-{split}-{height}x{width}"
        cache = _home() / (cache if limit is None else f"{cache}-{limit}")
    cache = _cache.cache_folder("cache", cache)
    part = functools.partial(part_of, split=split)
    if path is None:
        source = functools.partial(_download, name, official, part=part, manual=manual)
        identity = {"source": f"tfds:{name}", "split": split}
        given = source, lambda: identity
    else:
        files = [file for file in list_files(path) if file[1] is None]
        first, last = part(len(files))
        given = folder_source(path, files[first:last])
    skipped = Skipped(f"tfds:{name}" if path is None else str(path), strict=False)
    options = {} if limit is None else {"limit": limit}
    return collected(*given, fit, skipped, cache=cache, **options)


def _download(name, official, *, part, manual):
    """`(count, items)` of a part; an error says how to get the images by hand."""
    try:
        return tfds_images(name, official, part)
    except Exception as error:  # Each host and each version of tfds has its own.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if isinstance(error, ImportError):
            raise ImportError(
                f"To download {name}, install what is missing, such as by `pip install "
                f"'keras-patchdpm[data]'`. Without it: {manual} The import failed "
                f"({reason}). Received: folder=None."
            ) from error
        raise OSError(
            f"TensorFlow Datasets could not download {name}; its host often refuses. "
            f"{manual} The download failed ({reason}). Received: folder=None."
        ) from error


def _home():
    """The folder of prepared data sets."""
    keras_home = os.environ.get("KERAS_HOME", "~/.keras")
    return pathlib.Path(keras_home).expanduser() / "datasets" / "keras_patchdpm"
