"""Extractors: what turns images into the features that measures compare."""

import dataclasses
import hashlib

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks, _images
from keras_patchdpm.metrics._resizing import RESIZINGS


@dataclasses.dataclass(frozen=True)
class Description:
    """What features depend on. Only features of one description may be compared.

    Args:
        extractor: String, the name of the extractor.
        weights: String. The start of the SHA-256 of the network's weights in float32,
            or `"unknown"` for a function.
        resizing: String, such as `"antialiased bicubic (Pillow)"`.
        size: `(height, width)` of the resized images.
        dimensions: Int, the number of features of an image.

    Example:

    >>> print(load_extractor("mobilenet_v2").description)
    mobilenet_v2 (weights ..., 1280 features, ...)
    """

    extractor: str
    weights: str
    resizing: str
    size: tuple
    dimensions: int

    def __str__(self):
        height, width = self.size
        return (
            f"{self.extractor} (weights {self.weights}, {self.dimensions} features, "
            f"{self.resizing} to {height}x{width})"
        )


def check_descriptions(generated, reference):
    """Refuses to compare features of two `Description`s that are not equal."""
    one, other = dataclasses.asdict(generated), dataclasses.asdict(reference)
    odd = [name for name in one if one[name] != other[name]]
    if odd:
        listed = "; ".join(f"{name}: {one[name]} and {other[name]}" for name in odd)
        raise ValueError(
            "Features of different extractors cannot be compared. Compute both "
            f"statistics with the same extractor and resizing. They differ in {listed}."
            f" Received: generated={generated}, reference={reference}."
        )


class Extractor:
    """A network that turns images into features, and how images are resized for it.

    `load_extractor` returns the extractors that have a name. This class is for your own
    network.

    Args:
        network: Keras model, or a function of an array. Its input is float32 RGB in
            [0, 255] of shape `(B, height, width, 3)`, its output `(B, D)`. What it
            needs otherwise, such as [-1, 1], it computes itself.
        name: String. Every result shows it.
        size: Positive int or pair `(height, width)`: the size that images are resized
            to.
        resizing: `"bicubic"` (the default): antialiased, by Pillow, as clean-fid does.
            `"bilinear"`: without antialiasing, so that shrinking skips pixels.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, or the network does not return
            `(B, D)`, or a function returns NaN for a grey image.

    Example:

    >>> extractor = Extractor(network, "my network", size=96)
    >>> extractor(images).shape
    (1000, 512)
    """

    def __init__(self, network, name, size, *, resizing="bicubic"):
        self._network = _checks.function("network", network)
        if isinstance(network, type):
            raise _checks.wrong_type("network", "a Keras model or a function", network)
        if not _checks.string("name", name).strip():
            raise _checks.wrong_value("name", "contain a letter", name)
        size = _checks.pair("size", size)
        resizing = _checks.one_of("resizing", resizing, RESIZINGS)
        self._resize, text = RESIZINGS[resizing]
        dimensions = _dimensions(network, name, (*size, 3))
        self.description = Description(name, _digest(network), text, size, dimensions)

    def __call__(self, images, batch_size=32):
        """Computes the features of images.

        Args:
            images: Array `(B, H, W, 3)` of uint8, or floats in [-1, 1], which are
                rounded to 8 bits as in an image file.
            batch_size: Positive int. Images that the network computes together.
                Default 32.

        Returns:
            Float32 array of shape `(B, D)`.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If the images have another shape or range, or features are NaN.
        """
        batch_size = _checks.positive_int("batch_size", batch_size)
        images = pixels(images)
        return np.concatenate(
            [
                self.features(self.resize(images[start : start + batch_size]))
                for start in range(0, len(images), batch_size)
            ]
        )

    def resize(self, images):
        """Resizes uint8 images `(B, H, W, 3)`, as the network needs them: float32."""
        return self._resize(images, self.description.size)

    def features(self, resized, batch_size=None):
        """Features `(B, D)` of resized images.

        Args:
            resized: Array from `resize`.
            batch_size: Int. A smaller batch is filled up to this size, so that the
                network is compiled once. Default `None`: it is not.
        """
        count = len(resized)
        if batch_size is not None and count < batch_size:
            last = np.repeat(resized[-1:], batch_size - count, axis=0)
            resized = np.concatenate([resized, last])
        features = _call(self._network, resized)[:count]
        if features.shape != (count, self.description.dimensions):
            raise ValueError(
                f"`network` must return {self.description.dimensions} features for "
                f"each image. Received: features of shape {features.shape} for "
                f"{count} images."
            )
        if not np.isfinite(features).all():
            raise ValueError(
                "The extractor returns NaN or infinity for an image. Check its "
                f"weights. Received: network={self.description.extractor!r}."
            )
        return features


def _call(network, resized):
    """The features of resized images, whatever their shape."""
    if isinstance(network, keras.Model):
        features = network.predict_on_batch(resized)
    else:
        features = network(resized)
    try:
        return np.asarray(ops.convert_to_numpy(features), "float32")
    except (TypeError, ValueError) as error:
        raise _checks.wrong_type(
            "network", "a function that returns one array", features
        ) from error


def _dimensions(network, name, shape):
    """The number of features of an image of `shape`; refuses other networks."""
    try:
        found = (1, *network.output_shape[1:])  # No compilation for one image.
    except (AttributeError, TypeError, ValueError):  # A function, or not built yet.
        features = _call(network, np.full((1, *shape), 127, "float32"))
        found = features.shape if np.isfinite(features).all() else ("NaN",)
    if len(found) != 2 or found[0] != 1 or not found[1]:
        raise ValueError(
            "`network` must return finite features of shape (batch, features). Pool "
            "over height and width, and leave the classifier out. Received: "
            f"network={name!r}, which returns the shape {found} for one image of "
            f"shape {shape}."
        )
    return found[1]


def pixels(images, warn=True):
    """Images as uint8 in [0, 255]; floats in [-1, 1] are rounded as in a file.

    Raises:
        TypeError: If the images are neither ints nor floats.
        ValueError: If their shape is not `(B, H, W, 3)`, or their range is wrong.
    """
    images = _checks.array("images", images)
    shape = _checks.images("images", images)
    if shape[2] != 3:
        raise ValueError(
            "`images` must have 3 channels, red, green and blue. Repeat the channel of "
            "grey images with `np.repeat(images, 3, axis=-1)`. "
            f"Received: {_checks.received('images', images)}."
        )
    try:
        _images.check(images, shape, warn=warn)
    except (TypeError, ValueError) as error:
        received = _checks.received("images", images)
        raise type(error)(f"{error} `images` is the argument: {received}.") from error
    if images.dtype.kind in "iu":
        return images.astype("uint8")
    scaled = (images.astype("float32") + 1) * 127.5
    return np.rint(scaled).clip(0, 255).astype("uint8")


def _digest(network):
    """The start of the SHA-256 of a network's weights; `"unknown"` for a function."""
    if not isinstance(network, keras.Model):
        return "unknown"
    digest = hashlib.sha256()
    for weight in network.weights:
        array = ops.convert_to_numpy(ops.cast(weight, "float32"))
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
