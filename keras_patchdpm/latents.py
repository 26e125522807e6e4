"""Latents: images that an autoencoder has encoded, for training and sampling."""

import keras
import numpy as np

from keras_patchdpm import _checks

STD = 0.5  # Standard deviation of scaled latents: `sigma_data` of an `EDMSchedule`.
FAR = 10.0  # Images in [-1, 1] have no such value, even after a resize.


class LatentSpace:
    """An autoencoder of your own, with the scale of its latents for training.

    A model of latents is `PatchDPM(..., latents=True)`; everything else is as for
    images.

    Args:
        encode: Function of float images in [-1, 1], `(B, H, W, C)`, to latents
            `(B, h, w, c)`, such as a `keras.Model` or its `predict_on_batch`.
        decode: Function of latents to images, the inverse of `encode`.
        mean: Float, or one for each channel. Mean of the latents that `encode` returns.
            `fit` measures it. Default 0.
        std: Positive float, or one for each channel. Standard deviation of the latents
            that `encode` returns. `fit` measures it. Default 0.5: not scaled.

    Raises:
        TypeError: If `encode` or `decode` is no function.
        ValueError: If `mean` is not finite, `std` is not positive, or one of them is
            neither a number nor a list of numbers.

    Example:

    >>> space = LatentSpace(encoder, decoder).fit(images)
    >>> model = PatchDPM(network, EDMSchedule(), patching, latents=True)
    >>> model.compile(keras.optimizers.Adam(1e-4))
    >>> model.fit(space.encode(images), batch_size=32)
    >>> sampler = PatchSampler(model, "heun", 18, decode=space.decode)
    >>> samples = sampler(num_images=4)    # uint8 images

    Source: Rombach et al. 2022 (arXiv:2112.10752), section 3; Wang et al. 2023
    (arXiv:2304.12526), section 4.3.
    """

    def __init__(self, encode, decode, *, mean=0.0, std=STD):
        self._encode = _checks.function("encode", encode)
        self._decode = _checks.function("decode", decode)
        self.mean = _per_channel("mean", mean)
        self.std = _per_channel("std", std)
        if not np.all(self.std > 0):
            raise ValueError(f"`std` must be positive. Received: std={std}.")

    def fit(self, images, batch_size=32):
        """Measures mean and standard deviation of each channel of the latents.

        Args:
            images: Array `(count, H, W, C)`, uint8 in [0, 255] or float in [-1, 1].
            batch_size: Positive int. Images in one call of `encode`. Default 32.

        Returns:
            `self`.

        Raises:
            TypeError: If the images have another type.
            ValueError: If there are no images, they are far outside [-1, 1], a channel
                of the latents is constant, or `encode` returns anything but finite
                latents `(B, h, w, c)`.
        """
        count, total, squares = 0, 0.0, 0.0
        for latents in self._batches(images, batch_size):
            latents = latents.astype("float64")
            count += latents[..., 0].size
            total = total + latents.sum((0, 1, 2))
            squares = squares + (latents**2).sum((0, 1, 2))
        mean = total / count
        std = np.sqrt(squares / count - mean**2)
        if not np.all(std > 0):
            raise ValueError(
                "A channel of the latents is constant, so it cannot be scaled. Pass "
                "more images, or check `encode`. "
                f"Received: latents with the standard deviations {std}."
            )
        self.mean, self.std = mean.astype("float32"), std.astype("float32")
        return self

    def encode(self, images, batch_size=32):
        """Encodes images to latents, scaled for training.

        Args:
            images: Array `(count, H, W, C)`, uint8 in [0, 255] or float in [-1, 1].
            batch_size: Positive int. Images in one call of `encode`. Default 32.

        Returns:
            Float32 array `(count, h, w, c)`.

        Raises:
            TypeError, ValueError: As `fit`.
        """
        scaled = [
            (latents - self.mean) * (STD / self.std)
            for latents in self._batches(images, batch_size)
        ]
        return np.concatenate(scaled)

    def decode(self, latents):
        """Decodes latents to images; pass it to `PatchSampler` as `decode`.

        Args:
            latents: Float array `(B, h, w, c)`, scaled as by `encode`.

        Returns:
            Float32 array `(B, H, W, C)`, about in [-1, 1].

        Raises:
            ValueError: If `latents`, or the result of the user's `decode`, does not
                have four axes, or is not finite.
        """
        latents = _checks.array("latents", latents)
        _checks.images("latents", latents)
        if not np.isfinite(latents).all():
            raise _checks.wrong_value("latents", "be finite", latents)
        images = _numpy(self._decode(latents * (self.std / STD) + self.mean))
        return _checked("decode", images, len(latents))

    def _batches(self, images, batch_size):
        batch_size = _checks.positive_int("batch_size", batch_size)
        images = _checks.array("images", images)
        _checks.images("images", images)
        if not len(images):
            raise ValueError(
                "`images` must contain at least one image. Received: images of shape "
                f"{np.shape(images)}."
            )
        for start in range(0, len(images), batch_size):
            batch = _to_range(np.asarray(images[start : start + batch_size]))
            latents = _numpy(self._encode(batch))
            yield _checked("encode", latents, len(batch))


def _per_channel(name, value):
    """Validates a finite number, or one for each channel; a float32 array."""
    try:
        found = np.asarray(value)
        numbers = found.dtype != bool and found.size and found.ndim <= 1
        found = found.astype("float32", casting="same_kind") if numbers else None
    except (TypeError, ValueError):
        found = None
    if found is None or not np.isfinite(found).all():
        raise ValueError(
            f"`{name}` must be a finite number, or one for each channel. "
            f"Received: {name}={value!r}."
        )
    return found


def _to_range(images):
    """Converts images to float32 in [-1, 1]."""
    if images.dtype == "uint8":
        return images.astype("float32") / 127.5 - 1
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(
            "`images` must be uint8 in [0, 255] or float in [-1, 1]. "
            f"Received: images of dtype {images.dtype}."
        )
    largest = np.abs(images).max()
    if not largest <= FAR:  # Refuses NaN too.
        raise ValueError(
            "Float `images` must be in [-1, 1], or only slightly outside. Scale images "
            "in [0, 255] with `images / 127.5 - 1`. Received: absolute values up to "
            f"{largest}."
        )
    return images.astype("float32")


def _checked(name, values, count):
    """Validates the result of a function of the user."""
    if values.ndim != 4 or len(values) != count or not np.isfinite(values).all():
        raise ValueError(
            f"`{name}` must return finite numbers of shape (batch, height, width, "
            f"channels), here for {count} images. Received: an array of shape "
            f"{values.shape}"
            + ("." if np.isfinite(values).all() else " with NaN or infinity.")
        )
    return values


def _numpy(values):
    return np.asarray(keras.ops.convert_to_numpy(values), "float32")
