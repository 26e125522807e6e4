"""Limits of the size of a network, checked before memory is allocated for it."""

import contextlib
import contextvars
import math

from keras_patchdpm import _checks

IMAGE_SIZE = 65_536  # Pixels of a side.
CHANNELS = 4_096
WIDTH = 8_192
LEVELS = 16
MULTIPLIER = 64
BLOCKS = 64
STEM = 64
CLASSES = 10**6
WEIGHTS = 2**34  # 64 GiB in float32.

_most_weights = contextvars.ContextVar("most_weights", default=WEIGHTS)


@contextlib.contextmanager
def at_most_weights(count):
    """Context in which builders refuse networks with more weights, in this thread.

    Args:
        count: Int, the largest number of weights.
    """
    token = _most_weights.set(min(count, WEIGHTS))
    try:
        yield
    finally:
        _most_weights.reset(token)


def check_weights(least):
    """Refuses a network that has too many weights, before it is built.

    Args:
        least: Int, a lower bound of the number of weights.

    Raises:
        ValueError: If `least` is above the limit.
    """
    most = _most_weights.get()
    if least > most:
        raise ValueError(
            f"The network would have at least {least} weights, and the limit is "
            f"{most}. Choose a smaller width or image, or fewer depths, blocks, "
            f"patches or classes. Received: at least {least} weights."
        )


def image_size(value):
    """Validates `(height, width)` of an image, each side at most `IMAGE_SIZE`."""
    size = _checks.pair("image_size", value)
    for side in size:
        _checks.integer("image_size", side, minimum=1, maximum=IMAGE_SIZE)
    return size


def multipliers(values):
    """Validates `multipliers`, a tuple of positive ints."""
    return integers(
        "multipliers", values, minimum=1, maximum=MULTIPLIER, at_least_one=True
    )


def integers(name, values, *, minimum, maximum, at_least_one=False):
    """Validates a tuple of at most `LEVELS` ints within `[minimum, maximum]`."""
    if not isinstance(values, list | tuple | range):
        raise TypeError(
            f"`{name}` must be a list of ints. Received: {name}={values!r} "
            f"(of type {type(values).__name__})."
        )
    if len(values) > LEVELS or (at_least_one and not values):
        raise ValueError(
            f"`{name}` must have {int(at_least_one)} to {LEVELS} elements. "
            f"Received: {len(values)} elements, {name}={list(values[:LEVELS])}."
        )
    return tuple(
        _checks.integer(name, value, minimum=minimum, maximum=maximum)
        for value in values
    )


def convolution(side, inner, outer):
    """The number of weights of a kernel of `side` x `side` pixels."""
    return math.prod((side, side, inner, outer))
