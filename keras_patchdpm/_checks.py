"""Argument checks shared by the package: each returns the value or raises."""

import math
import numbers
import pathlib
import sys
import warnings

import numpy as np

_PACKAGE = str(pathlib.Path(__file__).parent)


def integer(name, value, minimum=None, maximum=None):
    """Returns `value` as an int within `[minimum, maximum]`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"`{name}` must be an int. Received: {name}={value!r} "
            f"(of type {type(value).__name__})."
        )
    if minimum is not None and value < minimum:
        raise ValueError(
            f"`{name}` must be at least {minimum}. Received: {name}={value}."
        )
    if maximum is not None and value > maximum:
        raise ValueError(
            f"`{name}` must be at most {maximum}. Received: {name}={value}."
        )
    return int(value)


def positive_int(name, value):
    """Returns `value` as an int of at least 1."""
    return integer(name, value, minimum=1)


def real(name, value, minimum=None, maximum=None):
    """Returns `value` as a finite float within `[minimum, maximum]`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"`{name}` must be a number. Received: {name}={value!r} "
            f"(of type {type(value).__name__})."
        )
    try:
        number = float(value)
    except OverflowError:  # An int of hundreds of digits.
        number = math.inf
    above = minimum is None or number >= minimum  # Not so for NaN.
    below = maximum is None or number <= maximum
    if not (above and below and math.isfinite(number)):
        if minimum is None and maximum is None:
            wanted = "be finite"
        elif maximum is None:
            wanted = f"be at least {minimum}, and finite"
        elif minimum is None:
            wanted = f"be at most {maximum}, and finite"
        else:
            wanted = f"lie in [{minimum}, {maximum}]"
        raise ValueError(f"`{name}` must {wanted}. Received: {name}={value}.")
    return number


def boolean(name, value):
    """Returns `value` as a bool; anything else is refused, `"false"` above all."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(
            f"`{name}` must be True or False. Received: {name}={value!r} "
            f"(of type {type(value).__name__})."
        )
    return bool(value)


def function(name, value):
    """Returns `value` if it can be called."""
    if not callable(value):
        raise TypeError(
            f"`{name}` must be a function. Received: {name}={value!r} "
            f"(of type {type(value).__name__})."
        )
    return value


def one_of(name, value, options):
    """Returns the option that equals `value` and has its type."""
    for option in options:
        # Not `in`: False equals 0, and arrays compare element by element.
        if option is value or (isinstance(value, type(option)) and option == value):
            return option
    listed = ", ".join(repr(option) for option in options)
    raise ValueError(f"`{name}` must be one of {listed}. Received: {name}={value!r}.")


def pair(name, value):
    """Returns `(value, value)` for an int, `tuple(value)` for two ints."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(
                f"`{name}` must be an int or two ints. Received: {name}={value!r}."
            )
        return positive_int(name, value[0]), positive_int(name, value[1])
    value = positive_int(name, value)
    return value, value


def image_shape(name, shape):
    """Returns `(height, width, channels)` of a `(B, H, W, C)` shape."""
    if len(shape) != 4 or None in tuple(shape[1:]):
        raise ValueError(
            f"`{name}` must have the shape (batch, height, width, channels), of fixed "
            f"height and width. Received: shape={tuple(shape)}."
        )
    return tuple(shape[1:])


def warn(message):
    """Warns, at the line of the user's code that called the package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
