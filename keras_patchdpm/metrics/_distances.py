"""Frechet distance, kernel distance, precision and recall of two sets of features."""

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.metrics._extractor import check_descriptions
from keras_patchdpm.metrics._score import score
from keras_patchdpm.metrics._statistics import FeatureStatistics

_ROWS = 1024  # Features that are compared at a time.
_SUBSET = 1000


def frechet_distance(generated, reference):
    """Frechet distance of two sets of images: of two Gaussians with their moments.

    `|m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))`, with mean m and covariance C of
    the features. 0 is the same. With the features of `"inception_v3"` it is the Frechet
    inception distance (FID); with others it is not. It is biased: fewer images give a
    larger distance, so that only distances of the same counts can be compared.

    Args:
        generated: `FeatureStatistics` of generated images.
        reference: `FeatureStatistics` of real images.

    Returns:
        `Score`. There is a warning if a set has no more images than features: its
        covariance is then singular, and the bias large.

    Raises:
        TypeError: If an argument is no `FeatureStatistics`.
        ValueError: If the extractors or their resizing differ.

    Example:

    >>> float(frechet_distance(generated, reference))
    12.3

    Source: Heusel et al. 2017 (arXiv:1706.08500), equation 6.
    """
    _check_pair(generated, reference)
    dimensions = generated.description.dimensions
    few = min((generated, reference), key=lambda each: each.count)
    if few.count <= dimensions:
        _checks.warn(
            f"{few.source} has {few.count} images, no more than the {dimensions} "
            "features of the extractor. The Frechet distance is much too large, and "
            f"comparable only with that of the same counts. Use more than {dimensions} "
            "images, or the kernel distance, which has no such bias."
        )
    apart = generated.mean - reference.mean
    first, second = _root(generated.covariance), _root(reference.covariance)
    # trace((C1 C2)^(1/2)) is the sum of the singular values of C1^(1/2) C2^(1/2).
    shared = np.linalg.svd(first.T @ second, compute_uv=False).sum()
    traces = np.trace(generated.covariance) + np.trace(reference.covariance)
    value = max(apart @ apart + traces - 2 * shared, 0.0)  # Rounding can go below 0.
    return score("Frechet distance", value, generated, reference, features=False)


def kernel_distance(generated, reference, *, subsets=100, subset_size=None, seed=0):
    """Kernel distance of two sets of images, without bias by their counts.

    The unbiased estimate of the squared maximum mean discrepancy with the kernel
    `(x . y / D + 1)^3` of features of length D, averaged over random subsets. It can be
    slightly below 0. With the features of `"inception_v3"` it is the kernel inception
    distance (KID), which is often printed times 1000.

    Args:
        generated: `FeatureStatistics` of generated images, with their features.
        reference: `FeatureStatistics` of real images, with their features.
        subsets: Positive int, the number of random subsets. Default 100.
        subset_size: Int of at least 2, the images of each set in a subset. Default
            `None`: 1000, or half of the smaller set if that is less: a subset of all
            images would have no spread.
        seed: Non-negative int. Seed of the subsets. Default 0.

    Returns:
        `Score`; its `spread` is the standard deviation over the subsets.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, the extractors or their resizing
            differ, or no features were kept.

    Example:

    >>> distance = kernel_distance(generated, reference)
    >>> distance.value, distance.spread
    (0.0123, 0.0004)

    Source: Binkowski et al. 2018 (arXiv:1801.01401).
    """
    subsets = _checks.positive_int("subsets", subsets)
    seed = _checks.integer("seed", seed, minimum=0)
    _check_pair(generated, reference, least_features=2)
    smaller = min(len(generated.features), len(reference.features))
    if subset_size is None:
        size = max(2, min(_SUBSET, smaller // 2))
    else:
        size = _checks.integer("subset_size", subset_size, minimum=2, maximum=smaller)
    rng = np.random.default_rng(seed)
    values = [
        _squared_discrepancy(
            *(
                each.features[rng.choice(len(each.features), size, replace=False)]
                for each in (generated, reference)
            )
        )
        for _ in range(subsets)
    ]
    return score(
        "kernel distance",
        np.mean(values),
        generated,
        reference,
        features=True,
        spread=float(np.std(values)),
        settings=f"{subsets} subsets of {size} images",
    )


def precision_recall(generated, reference, *, neighbours=3):
    """Precision and recall: how many images lie where those of the other set lie.

    Around each image is a ball that reaches to its k-th nearest neighbour of the same
    set, in the space of features. Precision is the share of generated images in a ball
    of a reference image: quality. Recall is the share of reference images in a ball of
    a generated one: variety. Both need about as many images of each set.

    Args:
        generated: `FeatureStatistics` of generated images, with their features.
        reference: `FeatureStatistics` of real images, with their features.
        neighbours: Positive int, k. Default 3.

    Returns:
        `(precision, recall)`, two `Score`s in [0, 1].

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, the extractors or their resizing
            differ, or fewer than `neighbours + 1` features were kept.

    Example:

    >>> precision, recall = precision_recall(generated, reference)
    >>> float(precision), float(recall)
    (0.71, 0.42)

    Source: Kynkaanniemi et al. 2019 (arXiv:1904.06991).
    """
    neighbours = _checks.positive_int("neighbours", neighbours)
    _check_pair(generated, reference, least_features=neighbours + 1)
    counts = len(generated.features), len(reference.features)
    if max(counts) > 1.5 * min(counts):
        _checks.warn(
            "Precision and recall depend on the counts, and the sets have "
            f"{counts[0]} and {counts[1]} features. Use as many of each set."
        )
    options = {"features": True, "settings": f"{neighbours} neighbours"}
    values = (
        _share_inside(inner.features, outer.features, neighbours)
        for inner, outer in ((generated, reference), (reference, generated))
    )
    return tuple(
        score(name, value, generated, reference, **options)
        for name, value in zip(("precision", "recall"), values, strict=True)
    )


def _check_pair(generated, reference, least_features=0):
    """Refuses two sets that cannot be compared."""
    for name, each in (("generated", generated), ("reference", reference)):
        _checks.instance(name, each, FeatureStatistics)
        if len(each.features) < least_features:
            raise ValueError(
                f"`{name}` must have at least {least_features} features, and it has "
                f"{len(each.features)} of {each.count} images. Use more images, or a "
                f"larger `most_features` of `statistics`. Received: {name}={each}."
            )
    check_descriptions(generated.description, reference.description)


def _root(covariance):
    """A matrix R of shape `(D, rank)` with `R R^T = covariance`."""
    values, vectors = np.linalg.eigh(covariance)
    least = values.max(initial=0) * len(values) * np.finfo("float64").eps
    positive = values > least
    return vectors[:, positive] * np.sqrt(values[positive])


def _squared_discrepancy(first, second):
    """The unbiased estimate for two sets of as many features."""
    first, second = first.astype("float64"), second.astype("float64")
    count, length = first.shape

    def kernel(a, b):
        product = a @ b.T / length + 1
        return product * product * product  # Many times faster than a power.

    def within(a):
        own = kernel(a, a)
        return (own.sum() - np.trace(own)) / (count * (count - 1))

    return within(first) + within(second) - 2 * kernel(first, second).mean()


def _share_inside(inner, outer, neighbours):
    """Share of `inner` in the ball of any of `outer`."""
    radii = np.concatenate(
        [
            np.partition(_squared(part, outer), neighbours, axis=1)[:, neighbours]
            for part in _parts(outer)
        ]
    )
    inside = [(_squared(part, outer) <= radii).any(axis=1) for part in _parts(inner)]
    return np.concatenate(inside).mean()


def _parts(rows):
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def _squared(rows, others):
    """Squared distances `(B, K)` in float64; `others` are converted in parts."""
    rows = rows.astype("float64")
    own = np.einsum("bd,bd->b", rows, rows)[:, None]
    parts = (part.astype("float64") for part in _parts(others))
    found = [
        own + np.einsum("kd,kd->k", part, part) - 2 * rows @ part.T for part in parts
    ]
    return np.maximum(np.concatenate(found, axis=1), 0)
