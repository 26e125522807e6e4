"""Images as the latents of an autoencoder: smaller, and with channels of their own."""

import keras
import numpy as np

from keras_patchdpm import _checks

STD = 0.5  # Of what is trained on: `sigma_data` of an `EDMSchedule`.


class LatentSpace:
    """An autoencoder of the user's, and how its latents are scaled for training.

    Models of latents are `PatchDPM(..., latents=True)`; nothing else is different.

    Args:
        encode: Function of float images in [-1, 1], `(B, H, W, C)`, to latents
            `(B, h, w, c)`, such as a `keras.Model` or its `predict_on_batch`.
        decode: Function back.
        mean, std: Floats, or one for each channel: of the latents as `encode` gives
            them. `fit` measures them.

    Raises:
        TypeError: If one of the two is no function.
        ValueError: If a standard deviation is not positive.

    Example:

    >>> space = LatentSpace(encoder, decoder).fit(images)
    >>> model = PatchDPM(network, EDMSchedule(), patching, latents=True)
    >>> model.fit(space.encode(images), batch_size=32)
    >>> sampler = PatchSampler(model, "heun", 18, decode=space.decode)
    >>> samples = sampler(num_images=4)    # uint8 images

    Source: Rombach et al. 2022 (arXiv:2112.10752), section 3; Wang et al. 2023
    (arXiv:2304.12526), section 4.3.
    """

    def __init__(self, encode, decode, mean=0.0, std=STD):
        for name, value in (("encode", encode), ("decode", decode)):
            if not callable(value):
                raise TypeError(f"`{name}` must be a function. Received: {value!r}.")
        self._encode, self._decode = encode, decode
        self.mean = np.asarray(mean, "float32")
        self.std = np.asarray(std, "float32")
        if not np.all(self.std > 0):
            raise ValueError(f"`std` must be positive. Received: std={std}.")

    def fit(self, images, batch_size=32):
        """Measures mean and standard deviation of each channel of the latents.

        Args:
            images: Array `(count, H, W, C)`, uint8 in [0, 255] or float in [-1, 1].
            batch_size: Positive int. Images at a time.

        Returns:
            `self`.
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
                "A channel of the latents never changes, and cannot be scaled. "
                f"Received: latents of the standard deviations {std}."
            )
        self.mean, self.std = mean.astype("float32"), std.astype("float32")
        return self

    def encode(self, images, batch_size=32):
        """The latents of images, scaled for training.

        Args:
            images: Array `(count, H, W, C)`, uint8 in [0, 255] or float in [-1, 1].
            batch_size: Positive int. Images at a time.

        Returns:
            Float32 array `(count, h, w, c)`.
        """
        scaled = [
            (latents - self.mean) * (STD / self.std)
            for latents in self._batches(images, batch_size)
        ]
        return np.concatenate(scaled)

    def decode(self, latents):
        """The images of latents: what a `PatchSampler` is given as `decode`.

        Args:
            latents: Float array `(B, h, w, c)`, scaled as `encode` does.

        Returns:
            Float32 array `(B, H, W, C)`, about in [-1, 1].
        """
        return _numpy(self._decode(latents * (self.std / STD) + self.mean))

    def _batches(self, images, batch_size):
        batch_size = _checks.positive_int("batch_size", batch_size)
        for start in range(0, len(images), batch_size):
            batch = np.asarray(images[start : start + batch_size])
            whole = np.issubdtype(batch.dtype, np.integer)
            batch = batch.astype("float32")
            yield _numpy(self._encode(batch / 127.5 - 1 if whole else batch))


def _numpy(values):
    return np.asarray(keras.ops.convert_to_numpy(values), "float32")
