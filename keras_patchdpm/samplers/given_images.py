"""Images that a sampling is given: to change, to fill in, or to enlarge."""

import dataclasses

import numpy as np
from keras import ops

from keras_patchdpm import _checks, _images
from keras_patchdpm.resize import shrink
from keras_patchdpm.samplers.measurement import Measurement

STRENGTH = 0.6


@dataclasses.dataclass
class GivenImages:
    """The images that a call of a sampler is given.

    Each array has one image, which serves for all, or one for each that is sampled.

    Attributes:
        smaller: List of float32 arrays: the images of the first stages of a cascade,
            which are not sampled.
        images: Float32 array `(1 or num_images, H, W, C)` from which the stages start,
            or `None`: they start from noise.
        mask: Bool array `(1 or num_images, H, W, 1)`: where the images are generated.
            Elsewhere `images` are kept. `None`: everywhere.
        repeats: Positive int. Times that each step is made.
        measurement: `Measurement` of the images, or `None`.
    """

    smaller: list
    images: np.ndarray | None
    mask: np.ndarray | None
    repeats: int
    measurement: Measurement | None

    @property
    def image_buffers(self):
        """Float arrays of an image's size that a step needs in addition.

        With a mask: what a stage samples of the given images, the same with noise,
        that on the device, and the images with both kinds of pixels. With a
        measurement: the images that are measured, and their gradients.
        """
        measured = 0 if self.measurement is None else 6
        if self.mask is not None:
            return 4 + measured
        return measured + (0 if self.images is None else 2)

    def finished(self, numbers):
        """The images of the stages that are not sampled, for a batch."""
        return [_rows(images, numbers) for images in self.smaller]

    def start(self, noise, level, *, stage, numbers, previous):
        """The noisy images from which a stage starts, in the array `noise`.

        Args:
            noise: Standard normal float32 array.
            level: `NoiseLevel` of the start.
            stage, numbers, previous: `Stage`, the numbers of the images, and what they
                are conditioned on.
        """
        if self.images is None:
            return noise
        noise *= np.float32(level.sigma)
        noise += np.float32(level.alpha) * self._sampled(stage, numbers, previous)
        return noise

    def keeping(self, *, stage, numbers, previous):
        """The function `(noisy, level, rngs)` that puts kept pixels back, or `None`."""
        if self.mask is None:
            return None
        given = self._sampled(stage, numbers, previous)
        mask = _shrunk(_rows(self.mask, numbers), stage.image_size) > 0
        mask = np.broadcast_to(mask, given.shape)

        def keep(noisy, level, rngs):
            kept = np.float32(level.alpha) * given
            if level.sigma:
                for image, rng in zip(kept, rngs(), strict=True):
                    noise = rng.standard_normal(image.shape, "float32")
                    image += np.float32(level.sigma) * noise
            if isinstance(noisy, np.ndarray):
                np.copyto(noisy, kept, where=~mask)
                return noisy
            return ops.where(mask, noisy, kept)

        return keep

    def _sampled(self, stage, numbers, previous):
        """What a stage samples, for the given images."""
        images = _shrunk(_rows(self.images, numbers), stage.image_size)
        return stage.begin(np.array(images, "float32", order="C"), previous)


def check(
    model,
    num_images,
    levels,
    *,
    init_images,
    strength,
    mask,
    repeats,
    thumbnails,
    measurement,
):
    """Validates the images in a call of a sampler.

    Args:
        model: `TiledModel`.
        num_images: Positive int.
        levels: List of the `NoiseLevel`s of the sampler.
        init_images, strength, mask, repeats, thumbnails, measurement: Of the call.

    Returns:
        `(given, levels)`: `GivenImages`, and the levels of the steps to make.

    Raises:
        TypeError, ValueError: If an argument does not fit the model or the others.
    """
    repeats = _checks.positive_int("repeats", repeats)
    _check_needed("strength", strength is not None, init_images=init_images)
    _check_needed("mask", mask is not None, init_images=init_images)
    _check_needed("repeats", repeats > 1, mask=mask)
    if thumbnails is not None and init_images is not None:
        raise ValueError(
            "`thumbnails` are enlarged, and `init_images` are changed. Pass one of the "
            "two. Received: both."
        )
    if measurement is not None:
        _checks.instance("measurement", measurement, Measurement)
        measurement.check_fits(model, num_images)
    given = GivenImages(
        measurement=measurement,
        smaller=_check_thumbnails(thumbnails, num_images, model),
        images=_check_images(
            "init_images", init_images, num_images, model=model, stage=-1
        ),
        mask=_check_mask(mask, num_images, model.image_shape),
        repeats=repeats,
    )
    if init_images is None:
        return given, levels
    if strength is None:
        strength = STRENGTH if mask is None else 1.0
    strength = _checks.real("strength", strength, minimum=0, maximum=1)
    if not strength:
        raise ValueError(
            "With `strength=0` the images would stay as they are. Pass a number above "
            "0, up to 1. Received: strength=0."
        )
    steps = max(round(strength * (len(levels) - 1)), 1)
    return given, levels[-steps - 1 :]


def _check_needed(name, is_given, **other):
    """Refuses an argument without the other one that it needs."""
    ((needed, value),) = other.items()
    if is_given and value is None:
        raise ValueError(
            f"`{name}` needs `{needed}`. Pass `{needed}` too, or leave `{name}` out. "
            f"Received: {needed}=None."
        )


def _check_thumbnails(thumbnails, num_images, model):
    """The images of the first stages: a list, empty without `thumbnails`."""
    if thumbnails is None:
        return []
    sizes = [stage.image_size for stage in model.stages[:-1]]
    array = _checks.array("thumbnails", thumbnails)
    size = tuple(array.shape[1:3])
    if size not in sizes:
        wanted = (
            "This model has one stage alone: only a `CascadePatching` enlarges images."
            if not sizes
            else f"Pass images of one of the sizes {sizes}, those of its earlier "
            "stages."
        )
        raise ValueError(
            "`thumbnails` must have the size of an earlier stage of the model. "
            f"{wanted} Received: thumbnails of shape {array.shape}."
        )
    last = sizes.index(size)
    images = _check_images("thumbnails", array, num_images, model=model, stage=last)
    return [_shrunk(images, smaller) for smaller in sizes[:last]] + [images]


def _check_images(name, images, num_images, *, model, stage):
    """Float32 images in [-1, 1] of the size of a stage, or `None`."""
    if images is None:
        return None
    images = _checks.array(name, images)
    _checks.images(name, images)
    _images.check(
        images, model.stages[stage].image_shape, latents=model.latents, warn=False
    )
    _check_count(name, images, num_images)
    return ops.convert_to_numpy(_images.to_range(images, None))


def _check_mask(mask, num_images, image_shape):
    """Bool array of shape `(1 or num_images, H, W, 1)`, or `None`."""
    if mask is None:
        return None
    mask = _checks.array("mask", mask)
    size = tuple(image_shape[:2])
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim == 3:
        mask = mask[..., None]
    if mask.ndim != 4 or mask.shape[1:] != (*size, 1):
        raise ValueError(
            f"`mask` must have the shape {size}, or (num_images, {size[0]}, "
            f"{size[1]}). Received: mask of shape {mask.shape}."
        )
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError(
            "`mask` must be of bools, or of 0 and 1: where the images are generated "
            f"anew. Received: mask of {mask.dtype} with other values."
        )
    _check_count("mask", mask, num_images)
    if not mask.any():
        raise ValueError(
            "`mask` is 0 everywhere, so there is nothing to generate. Set it to 1 "
            "where the images are to change. Received: mask of zeros."
        )
    return mask.astype(bool)


def _check_count(name, images, num_images):
    if len(images) not in (1, num_images):
        raise ValueError(
            f"`{name}` must have one image for each that is sampled, or one for all. "
            f"Received: {name} of {len(images)} images, num_images={num_images}."
        )


def _rows(images, numbers):
    """A copy of the images of a batch."""
    if len(images) == 1:
        return np.repeat(images, len(numbers), axis=0)
    return images[np.array(numbers)]


def _shrunk(images, size):
    return ops.convert_to_numpy(shrink(images.astype("float32"), size))
