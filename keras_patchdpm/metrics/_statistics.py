"""Statistics of the features of a set of images, streamed, saved and loaded."""

import dataclasses
import hashlib

import keras
import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.metrics._extractor import Description, Extractor, pixels
from keras_patchdpm.metrics._load_extractor import EXTRACTORS, load_extractor
from keras_patchdpm.metrics._moments import Moments, Reservoir

_MOST_FEATURES = 10_000
_DIGITS = 16  # Of the SHA-256.


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean and covariance of the features of a set of images, and what they are of.

    `statistics` computes them.

    Args:
        mean: Float64 array of shape `(D,)`.
        covariance: Float64 array of shape `(D, D)`; the sum of squares is divided by
            `count - 1`.
        count: Int, the number of images.
        features: Float32 array of shape `(K, D)`, the features of K of the images, for
            measures that compare them one by one. K is 0 if none were kept.
        description: `Description` of the extractor.
        source: String, the name of the set of images.
        digest: String, the start of the SHA-256 of the images.

    Example:

    >>> reference = statistics(photos, "mobilenet_v2", source="photos/")
    >>> reference.mean.shape, reference.covariance.shape
    ((1280,), (1280, 1280))
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int
    features: np.ndarray
    description: Description
    source: str
    digest: str

    def __repr__(self):
        return (
            f"FeatureStatistics(count={self.count}, source={self.source!r}, "
            f"description={self.description})"
        )


def statistics(
    images,
    extractor,
    *,
    source="images without a name",
    batch_size=32,
    most_features=_MOST_FEATURES,
    seed=0,
    verbose=0,
):
    """Statistics of the features of images, which may stream in one by one.

    Mean and covariance are updated in float64 after each batch, so that neither images
    nor features need to be in memory together.

    Args:
        images: Array `(B, H, W, 3)` of uint8, or floats in [-1, 1], which are rounded
            to 8 bits. Or an iterable of images `(H, W, 3)` or of such arrays, such as
            `sampler.stream(50_000)`; sizes may differ.
        extractor: `Extractor`, or a name that `load_extractor` accepts.
        source: String, the name of the set of images, which results show.
        batch_size: Positive int. Images that the network computes together. Default 32.
        most_features: Non-negative int. The most features that are kept for
            `kernel_distance` and `precision_recall`, 4 bytes each. Of more images a
            random choice is kept. Default 10,000; 0: the Frechet distance alone.
        seed: Non-negative int. Seed of this choice. Default 0.
        verbose: 1 shows a progress bar. Default 0: nothing is shown.

    Returns:
        `FeatureStatistics`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, there are fewer than 2 images, or
            they have no 3 channels.

    Example:

    >>> reference = statistics(photos, "mobilenet_v2", source="photos/")
    >>> generated = statistics(sampler.stream(1000), "mobilenet_v2")
    >>> print(frechet_distance(generated, reference))

    Source: Chan, Golub & LeVeque 1983 (the update of mean and covariance).
    """
    _checks.string("source", source)
    batch_size = _checks.positive_int("batch_size", batch_size)
    most = _checks.integer(
        "most_features", most_features, minimum=0, maximum=_checks.LARGEST
    )
    seed = _checks.integer("seed", seed, minimum=0)
    verbose = _checks.one_of("verbose", verbose, (0, 1))
    if isinstance(extractor, str):
        _checks.one_of("extractor", extractor, EXTRACTORS)
        extractor = load_extractor(extractor)
    _checks.instance("extractor", extractor, Extractor)
    pieces, total = _pieces(images, batch_size)
    moments = Moments(extractor.description.dimensions)
    kept = Reservoir(most, extractor.description.dimensions, seed)
    digest = hashlib.sha256()
    progress = keras.utils.Progbar(total, unit_name="image") if verbose else None
    for batch in _batches(pieces, extractor, batch_size, digest=digest):
        features = extractor.features(batch, batch_size)
        moments.add(features)
        kept.add(features)
        if progress is not None:
            progress.update(moments.count)
    if moments.count < 2:
        raise ValueError(
            "`images` must contain at least 2 images, since one has no covariance. "
            f"Received: images with {moments.count} of them."
        )
    return FeatureStatistics(
        moments.mean,
        moments.covariance,
        moments.count,
        kept.array,
        extractor.description,
        source,
        digest.hexdigest()[:_DIGITS],
    )


def statistics_of_features(features, name, *, source="features without a name"):
    """Statistics of features that were computed outside of this package.

    Args:
        features: Float array of shape `(count, D)`, with a count of at least 2. All are
            kept, in float32; mean and covariance are computed in float64.
        name: String, the name of the extractor and of all that features depend on, such
            as its weights and how images were resized. Only features of the same name
            are compared.
        source: String, the name of the set of images.

    Returns:
        `FeatureStatistics`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the features have another shape or contain NaN.

    Example:

    >>> statistics_of_features(features, "DINOv2 ViT-L, 224 pixels, bicubic")
    """
    features = _checks.array("features", features)
    shape = _checks.numbers_of("features", features, ("count", "features"))
    if shape[0] < 2 or not shape[1] or not np.isfinite(features).all():
        raise ValueError(
            "`features` must contain at least 2 rows, and no NaN or infinity. "
            f"Received: {_checks.received('features', features)}."
        )
    if not _checks.string("name", name).strip():
        raise _checks.wrong_value("name", "contain a letter", name)
    _checks.string("source", source)
    moments = Moments(shape[1])
    moments.add(features)
    features = features.astype("float32")
    return FeatureStatistics(
        moments.mean,
        moments.covariance,
        moments.count,
        features,
        Description(name, "unknown", "unknown", (0, 0), shape[1]),
        source,
        hashlib.sha256(features.tobytes()).hexdigest()[:_DIGITS],
    )


def digest_of(images):
    """The `digest` of uint8 images `(B, H, W, 3)`, without their statistics."""
    digest = hashlib.sha256()
    _update(digest, images)
    return digest.hexdigest()[:_DIGITS]


def _update(digest, images):
    """Adds uint8 images to a digest, the same for every split into batches."""
    for image in images:
        digest.update(f"{image.shape}".encode() + image.tobytes())


def _pieces(images, batch_size):
    """`(pieces, total)`: an iterator of uint8 arrays, and the count if it is known."""
    if isinstance(images, np.ndarray) or keras.ops.is_tensor(images):
        images = _checks.array("images", images)
        _checks.images("images", images)
        starts = range(0, len(images), batch_size)
        pixels(images[:batch_size])  # Refuses wrong images at once.
        parts = (images[start : start + batch_size] for start in starts)
        return (pixels(part, warn=False) for part in parts), len(images)
    texts = str | bytes | dict | set | frozenset
    try:
        items = None if isinstance(images, texts) else iter(images)
    except TypeError:
        items = None
    if items is None:
        raise _checks.wrong_type("images", "an array or an iterable of arrays", images)
    return _streamed(items), None


def _streamed(items):
    """Yields the items of an iterable as uint8 arrays `(B, H, W, 3)`."""
    for number, item in enumerate(items):
        array = _checks.array("images", item)
        yield pixels(array[None] if array.ndim == 3 else array, warn=not number)


def _batches(pieces, extractor, batch_size, *, digest):
    """Yields resized images, `batch_size` at a time; updates the digest."""
    waiting = []
    for piece in pieces:
        _update(digest, piece)
        waiting.extend(extractor.resize(piece))
        while len(waiting) >= batch_size:
            yield np.stack(waiting[:batch_size])
            del waiting[:batch_size]
    if waiting:
        yield np.stack(waiting)
