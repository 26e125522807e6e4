"""Describes the network inputs of a stage as plain data.

The inputs are functions of a patching. They are called with random images, and what
they return is recognised. The description is then compared with the functions.
"""

import numpy as np
from keras import ops

from keras_patchdpm_edge.resampling import resample

BATCH = 16  # Images that a function is called with at a time.


def image_inputs(stage, earlier):
    """The inputs of a stage that are the same for all tiles of an image.

    Args:
        stage: `Stage`.
        earlier: List of the earlier `Stage`s.

    Returns:
        Dict of names to dicts: `{"kind": "value", "value": number}`; `{"kind":
        "previous", "stage": number}`, the image of an earlier stage; or `{"kind":
        "pooled", "rows": taps, "cols": taps}`, the noisy image, resized.

    Raises:
        ValueError: If an input is none of these.
    """
    rng = np.random.default_rng(0)
    noisy = _images(rng, stage)
    previous = tuple(_images(rng, one) for one in earlier)

    def conditions(noisy):
        others = tuple(np.repeat(image[:1], len(noisy), axis=0) for image in previous)
        return _arrays(stage.conditions(noisy, others))

    return {
        name: _image_input(name, value, conditions, noisy=noisy, previous=previous)
        for name, value in _arrays(stage.conditions(noisy, previous)).items()
    }


def _image_input(name, value, conditions, *, noisy, previous):
    for number, image in enumerate(previous):
        if _same(value, image):
            return {"kind": "previous", "stage": number}
    if (value == value.flat[0]).all():
        return {"kind": "value", "value": value.flat[0].item()}
    if value.ndim == 4:
        size = noisy.shape[1:]
        rows, cols = separable(lambda images: conditions(images)[name], size)
        if _same(value, [resample(image, rows, cols) for image in noisy]):
            return {"kind": "pooled", "rows": rows, "cols": cols}
    raise _unknown(name, "the noisy image")


def tile_inputs(stage):
    """The inputs of a stage that are the same for all images.

    Args:
        stage: `Stage`.

    Returns:
        Dict of names to dicts: `{"kind": "index"}`, the number of the tile; or
        `{"kind": "pixels", "rows": numbers, "cols": numbers}`, for each pixel the
        number of its column, then that of its row.

    Raises:
        ValueError: If an input is none of these.
    """
    size, window = stage.image_size, stage.tiling.window_size
    starts = [
        [*range(0, whole - side, side), whole - side]
        for whole, side in zip(size, window, strict=True)
    ]
    grid = np.meshgrid(*starts, indexing="ij")
    corners = np.stack(grid, axis=-1).reshape(-1, 2).astype("int32")
    index = np.arange(len(corners), dtype="int32")
    values = _arrays(stage.tile_conditions(index, corners))
    return {
        name: _tile_input(name, value, index, corners=corners, size=size)
        for name, value in values.items()
    }


def _tile_input(name, value, index, *, corners, size):
    if _same(value, index):
        return {"kind": "index"}
    if value.ndim == 4 and value.shape[-1] == 2:
        rows, cols = (np.zeros(whole) for whole in size)
        height, width = value.shape[1:3]
        for window, (top, left) in zip(value, corners, strict=True):
            cols[left : left + width] = window[0, :, 0]
            rows[top : top + height] = window[:, 0, 1]
        built = [
            np.stack(
                np.broadcast_arrays(
                    cols[None, left : left + width], rows[top : top + height, None]
                ),
                axis=-1,
            )
            for top, left in corners
        ]
        if _same(value, built):
            return {"kind": "pixels", "rows": rows.tolist(), "cols": cols.tolist()}
    raise _unknown(name, "the position of a patch")


def separable(resize, size):
    """The matrices of a function that resizes images along both axes.

    Args:
        resize: Function of float32 images `(B, H, W, C)` to an array `(B, h, w, C)`.
        size: `(H, W, C)`.

    Returns:
        `(rows, cols)`, as `resample` uses them.
    """
    height, width, channels = size
    total = resize(np.ones((1, *size), "float32"))[0, 0, 0, 0]
    rows, cols = [], []
    for matrix, count, shape in (
        (rows, height, (-1, height, 1, 1)),
        (cols, width, (-1, 1, width, 1)),
    ):
        for start in range(0, count, BATCH):
            lines = np.eye(count, dtype="float32")[start : start + BATCH]
            images = np.broadcast_to(lines.reshape(shape), (len(lines), *size))
            resized = resize(np.ascontiguousarray(images))
            matrix.append(
                resized[:, :, 0, 0] if matrix is rows else resized[:, 0, :, 0]
            )
    rows, cols = (np.concatenate(matrix).T for matrix in (rows, cols))
    return _taps(rows), _taps(cols / (total or 1))


def _taps(matrix):
    """For each row of a matrix its first non-zero column, and the weights from it."""
    taps = []
    for row in matrix:
        used = np.flatnonzero(row)
        first, last = (used[0], used[-1] + 1) if len(used) else (0, 1)
        taps.append([int(first), *row[first:last].tolist()])
    return taps


def _images(rng, stage):
    return rng.standard_normal((2, *stage.image_shape), "float32")


def _arrays(tensors):
    return {name: ops.convert_to_numpy(value) for name, value in tensors.items()}


def _same(one, other):
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and np.allclose(one, other, atol=1e-5)


def _unknown(name, source):
    return ValueError(
        f"The input `{name}` of the network cannot be exported: it is computed from "
        f"{source} in a way that the description of an exported model does not know. "
        "It knows constants, earlier images, pooled images, numbers and coordinates "
        f"of patches. Received: a patching with the input `{name}`."
    )
