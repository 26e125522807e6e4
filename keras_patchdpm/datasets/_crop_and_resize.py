"""Augmentation: random crops of whole images, resized to the size of the image."""

import math

import numpy as np
from keras import ops

from keras_patchdpm import _checks
from keras_patchdpm.datasets._arrays import check_fits, in_dtype

AREA = (0.8, 1.0)
ASPECT = (0.9, 1.1)


def random_crop_and_resize(images, rng, *, area=AREA, aspect=ASPECT, size=None):
    """Crops a random part of each image and resizes it to the size of the image.

    Use it as `ImageBatches(images, 32, augment=random_crop_and_resize)`: then it is
    applied before patches are cut, whose coordinates stay right.

    Args:
        images: Array `(B, H, W, C)`, uint8 or float.
        rng: `numpy.random.Generator`.
        area: `(least, most)` in (0, 1]: area of the part over that of the image.
            Default `(0.8, 1.0)`.
        aspect: `(least, most)`, positive: width of the part over its height, for a
            square image. Default `(0.9, 1.1)`.
        size: `(height, width)` of the result. Default `None`: that of the images.

    Returns:
        Array `(B, height, width, C)` of the same dtype.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a range is empty or out of bounds, or the result does not fit in
            the machine's memory.

    Example:

    >>> batch = random_crop_and_resize(images, np.random.default_rng(0))

    Source: Szegedy et al. 2015 (arXiv:1409.4842), section 6.
    """
    area, aspect = _check_range("area", area, 1), _check_range("aspect", aspect, 100)
    _checks.instance("rng", rng, np.random.Generator)
    images = _checks.array("images", images)
    _checks.images("images", images)
    size = images.shape[1:3] if size is None else _checks.pair("size", size)
    needed = 4 * len(images) * math.prod(size) * images.shape[-1]
    check_fits(needed, f"{len(images)} images, size={size}")
    areas, aspects = (
        rng.uniform(*ends, len(images)).astype("float32") for ends in (area, aspect)
    )
    sides = np.sqrt(np.stack([areas / aspects, areas * aspects], -1)).clip(0, 1)
    first = rng.uniform(0, 1, sides.shape) * (1 - sides)
    boxes = np.concatenate([first, first + sides], axis=-1)
    found = ops.convert_to_numpy(crop_and_resize(images, boxes, size))
    return in_dtype(found, images.dtype)


def random_crop_and_resize_layer(size, *, area=AREA, aspect=ASPECT, seed=None):
    """`random_crop_and_resize` as a layer of keras-cv, for `tf.data` on any backend.

    Keras itself has no such layer, and `keras.ops` do not run in `tf.data` on JAX and
    PyTorch. Needs the `cv` extra: `pip install 'keras-patchdpm[cv]'`.

    Args:
        size: `(height, width)` of the result.
        area, aspect: As in `random_crop_and_resize`, with the same defaults.
        seed: Non-negative int. Default `None`: another seed each time.

    Returns:
        `keras_cv.layers.RandomCropAndResize`.

    Raises:
        ImportError: If keras-cv, or TensorFlow, is not installed.
        TypeError: If an argument has another type.
        ValueError: If an argument is out of range.

    Example:

    >>> layer = random_crop_and_resize_layer((64, 64))
    >>> dataset = dataset.map(lambda images: layer(images, training=True))
    """
    area, aspect = _check_range("area", area, 1), _check_range("aspect", aspect, 100)
    size = _checks.pair("size", size)
    if seed is not None:
        seed = _checks.integer("seed", seed, minimum=0, maximum=_checks.LARGEST)
    try:
        import keras_cv
    except ImportError as error:
        raise ImportError(
            "This layer comes from keras-cv, which needs TensorFlow: install both with "
            "`pip install 'keras-patchdpm[cv]'`, or use `random_crop_and_resize`, "
            f"which needs neither. The import failed with: {error}"
        ) from error
    return keras_cv.layers.RandomCropAndResize(
        target_size=size,
        crop_area_factor=area,
        aspect_ratio_factor=aspect,
        seed=seed,
    )


def crop_and_resize(images, boxes, size):
    """Crops and resizes images bilinearly, as `tf.image.crop_and_resize` does.

    Args:
        images: Array or tensor `(B, H, W, C)`.
        boxes: Array `(B, 4)`: top, left, bottom, right, where 0 is the centre of the
            first pixel and 1 that of the last.
        size: `(height, width)` of the result.

    Returns:
        Float32 tensor `(B, height, width, C)`.
    """
    images = ops.cast(images, "float32")
    boxes = np.asarray(boxes, "float32")
    down, across = (
        _shares(
            boxes[:, axis],
            boxes[:, axis + 2],
            count=images.shape[axis + 1],
            size=size[axis],
        )
        for axis in (0, 1)
    )
    rows = ops.einsum("bih,bhwc->biwc", down, images)
    return ops.einsum("bjw,biwc->bijc", across, rows)


def _shares(first, last, *, count, size):
    """The weights `(B, size, count)` of `count` old pixels in `size` new pixels."""
    steps = np.linspace(0, 1, size) if size > 1 else np.array([0.5])
    at = (first[:, None] + (last - first)[:, None] * steps) * (count - 1)
    shares = 1 - np.abs(at[..., None] - np.arange(count))
    return np.maximum(shares, 0).astype("float32")


def _check_range(name, ends, most):
    """Validates a range `(low, high)` of two positive numbers."""

    def end(name, value):
        return _checks.real(name, value, minimum=1e-6, maximum=most)

    low, high = _checks.sequence(name, ends, end, count=2)
    if low > high:
        raise _checks.wrong_value(
            name, "be a range `(low, high)` with `low <= high`", ends
        )
    return low, high
