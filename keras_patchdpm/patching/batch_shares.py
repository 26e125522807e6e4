"""Divides a training batch among the stages of a cascade."""

import math

import keras
from keras import ops

ROUNDING = 1e-4  # Images: a share of 704 of 1,024 is 704 images, not 703.


def by_stage(rows_of, images, *, shares, seed_generator):
    """Computes for each image the training example of one stage, drawn at random.

    Each stage has its share of the images, rounded down. The stage of each of the few
    images that are left is drawn, so that every stage has its share on average. Only
    the chosen stage is computed, but for those few images, for which all stages are.

    Args:
        rows_of: Function `(images, stage)` to a dict of tensors, one row for each
            image.
        images: Float tensor of shape `(B, H, W, C)`.
        shares: Floats whose sum is 1, one for each stage.
        seed_generator: `keras.random.SeedGenerator`.

    Returns:
        Dict of tensors, in the order of `images`.
    """
    batch = ops.shape(images)[0]
    # A data set may have an order, so which images a stage has is drawn in each step.
    keys = keras.random.uniform((batch,), dtype="float32", seed=seed_generator)
    order = ops.argsort(keys)
    images = ops.take(images, order, axis=0)
    parts, start = [], 0
    for stage, share in enumerate(shares):
        count = _rounded_down(batch, share)
        if _may_have_rows(count):
            parts.append(rows_of(images[start : start + count], stage))
        start = start + count
    if _may_have_rows(batch - start):
        left = [_left(batch, share) for share in shares]
        parts.append(
            _drawn(rows_of, images[start:], weights=left, seed_generator=seed_generator)
        )
    back = ops.argsort(order)
    return {
        name: ops.take(ops.concatenate([part[name] for part in parts]), back, axis=0)
        for name in parts[0]
    }


def _may_have_rows(count):
    """Whether there are rows; in a graph of TensorFlow the number is not known."""
    return not isinstance(count, int) or count > 0


def _rounded_down(batch, share):
    """The whole images in a share of a batch: an int, or a tensor if `batch` is one."""
    if isinstance(batch, int):
        return math.floor(batch * share + ROUNDING)
    return ops.cast(ops.floor(ops.cast(batch, "float32") * share + ROUNDING), "int32")


def _left(batch, share):
    """The part of an image in a share of a batch, which is left after rounding down."""
    exact = ops.cast(batch, "float32") * share
    return ops.maximum(exact - ops.cast(_rounded_down(batch, share), "float32"), 0.0)


def _drawn(rows_of, images, *, weights, seed_generator):
    """For each image the example of one stage, drawn in proportion to `weights`."""
    count = ops.shape(images)[0]
    limits = ops.cumsum(ops.stack(weights))
    keys = keras.random.uniform((count,), dtype="float32", seed=seed_generator)
    # The last limit is left out: rounding must not lead beyond the last stage.
    above = (keys * limits[-1])[:, None] >= limits[:-1]
    stage = ops.sum(ops.cast(above, "int32"), axis=-1)
    rows = [rows_of(images, number) for number in range(len(weights))]
    return {name: _choose([row[name] for row in rows], stage) for name in rows[0]}


def _choose(values, stage):
    """For each image the row of the tensor of its stage; `values` has one per stage."""
    index = ops.reshape(stage, (-1, 1, *([1] * (len(values[0].shape) - 1))))
    return ops.take_along_axis(ops.stack(values, axis=1), index, axis=1)[:, 0]
