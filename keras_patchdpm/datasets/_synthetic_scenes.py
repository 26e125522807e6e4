"""Draws small scenes as training images, without a download."""

import math

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.datasets._arrays import check_fits

_CHUNK = 256  # The most scenes that are drawn together,
_PIXELS = 2**24  # and the most pixels of them, which limits the memory.
_BYTES = 64  # About the memory for each of these pixels.
_MINIMUM_SIZE = 8


def synthetic_scenes(count, image_size=32, seed=0):
    """Draws scenes of a sky, the ground, a sun and a house.

    The content of a patch depends on its position (sky above, ground below) and on the
    rest of the image: a scene has one colour theme, the horizon is one straight line,
    and the house and the sun cross the borders of patches. The theme is a hue: the sky
    has this hue, and the ground has the opposite hue and is darker. Only sky and ground
    are at the left and the right edge, so that the first and the last column of pixels
    are equal in every scene.

    Args:
        count: Positive int.
        image_size: Positive int or pair `(height, width)` in pixels, at least 8.
            Default 32.
        seed: Non-negative int. Scene k depends on `seed` and k alone. Default 0.

    Returns:
        Uint8 array of shape `(count, height, width, 3)`.

    Raises:
        TypeError: If an argument is not an int.
        ValueError: If an argument is out of range, or the images do not fit in the
            machine's memory.

    Example:

    >>> images = synthetic_scenes(1000, image_size=32)
    >>> images.shape
    (1000, 32, 32, 3)
    """
    count = _checks.positive_int("count", count)
    size = _checks.pair("image_size", image_size)
    for pixels in size:
        _checks.integer("image_size", pixels, minimum=_MINIMUM_SIZE)
    seed = _checks.integer("seed", seed, minimum=0)
    pixels = math.prod(size)
    together = max(1, min(_CHUNK, _PIXELS // pixels))
    needed = count * (3 * pixels + 9 * 8) + min(count, together) * pixels * _BYTES
    check_fits(needed, f"count={count}, image_size={size}")
    # Drawn row by row, so that row k is the same for every count.
    draws = np.random.default_rng(seed).random((count, 9))
    images = np.empty((count, *size, 3), "uint8")
    for start in range(0, count, together):
        chunk = slice(start, start + together)
        scenes = _draw(draws[chunk].astype("float32"), *size)
        images[chunk] = np.rint(scenes * 255)
    return images


def _draw(draws, height, width):
    """Scenes in [0, 1], one for each row of nine numbers in [0, 1).

    Lengths are shares of the height or the width. The distance of objects to the left
    and the right edge is at least an eighth of the width.
    """
    hue, *rest = (column[:, None, None] for column in draws.T)
    lows = (0.56, 0.25, 0.15, 0.08, 0.34, 0.14, 0.16, 0.03)
    highs = (0.76, 0.75, 0.42, 0.11, 0.66, 0.20, 0.26, 0.11)
    horizon, sun_x, sun_y, sun_r, house_x, house_w, wall, depth = (
        low + (high - low) * draw
        for low, high, draw in zip(lows, highs, rest, strict=True)
    )
    y = ((np.arange(height, dtype="float32") + 0.5) / height)[None, :, None]
    x = ((np.arange(width, dtype="float32") + 0.5) / width)[None, None, :]
    base = horizon + depth
    eaves = base - wall
    top = eaves - 0.16

    def below(edge):
        return _cover((y - edge) * height)

    away = np.abs(x - house_x)
    from_sun = np.hypot((x - sun_x) * width, (y - sun_y) * height)
    sun = _cover(sun_r * min(height, width) - from_sun)
    walls = _cover((house_w - away) * width) * below(eaves) * (1 - below(base))
    slope = house_w * np.minimum((y - top) / (eaves - top), 1)
    roof = _cover((slope - away) * width) * below(top) * (1 - below(eaves))

    # The sky is brightest at the horizon.
    glow = np.clip(y / horizon, 0, 1)[..., None]
    scene = _colour(hue, 0.65, 0.65) * (1 - glow) + _colour(hue, 0.25, 1.0) * glow
    opposite = hue + 0.5
    for mask, colour in (
        (sun, np.array((1.0, 0.95, 0.7), "float32")),
        (below(horizon), _colour(opposite, 0.75, 0.4)),
        (walls, _colour(hue, 0.1, 0.9)),
        (roof, _colour(opposite, 0.9, 0.6)),
    ):
        mask = mask[..., None]
        scene = scene * (1 - mask) + colour * mask
    return np.clip(scene, 0, 1)


def _cover(distance):
    """The covered share of a pixel, from its signed distance to the edge."""
    return np.clip(distance + 0.5, 0, 1)


def _colour(hue, saturation, value):
    """RGB of shape `(..., 3)` from HSV, where the hue is a share of a full turn."""
    turns = (hue[..., None] * 6 + np.array((5, 3, 1), "float32")) % 6
    dip = np.clip(np.minimum(turns, 4 - turns), 0, 1)
    return value * (1 - saturation * dip)
