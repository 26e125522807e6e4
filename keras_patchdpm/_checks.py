"""Validates arguments: each function returns the value or raises an error."""

import math
import numbers
import pathlib
import sys
import warnings

import keras
import numpy as np

_PACKAGE = str(pathlib.Path(__file__).parent)
LARGEST = 2**31 - 1  # The largest int32, the type of sizes and indices in backends.
_LONGEST = 200  # Characters of a value in a message.


def received(name, value):
    """`name=value` for the end of a message, at most `_LONGEST` characters of it."""
    sides = _sides(value)
    if sides is not None and (None in sides or math.prod(sides) > 4):
        return f"{name}=array of shape {sides} and dtype {value.dtype}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # An int of thousands of digits, or a `repr` that fails.
        text = f"<{type(value).__name__}>"
    return f"{name}={text[:_LONGEST]}{'...' if len(text) > _LONGEST else ''}"


def wrong_type(name, wanted, value):
    """The `TypeError` for an argument of a wrong type; `wanted` is a text."""
    return TypeError(
        f"`{name}` must be {wanted}. Received: {received(name, value)} "
        f"(of type {type(value).__name__})."
    )


def wrong_value(name, wanted, value):
    """The `ValueError` for an argument with a wrong value; `wanted` is a text."""
    return ValueError(f"`{name}` must {wanted}. Received: {received(name, value)}.")


def integer(name, value, *, minimum=None, maximum=None):
    """Returns `value` as an int within `[minimum, maximum]`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise wrong_type(name, "an int", value)
    value = int(value)
    if minimum is not None and value < minimum:
        raise wrong_value(name, f"be at least {minimum}", value)
    if maximum is not None and value > maximum:
        raise wrong_value(name, f"be at most {maximum}", value)
    return value


def positive_int(name, value):
    """Returns `value` as an int from 1 to `LARGEST`."""
    return integer(name, value, minimum=1, maximum=LARGEST)


def real(name, value, *, minimum=None, maximum=None):
    """Returns `value` as a finite float within `[minimum, maximum]`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise wrong_type(name, "a number", value)
    try:
        number = float(value) + 0.0  # Turns -0.0 into 0.0.
    except OverflowError:  # An int of hundreds of digits.
        number = math.inf
    above = minimum is None or number >= minimum  # False for NaN.
    below = maximum is None or number <= maximum
    if not (above and below and math.isfinite(number)):
        if minimum is None and maximum is None:
            wanted = "be finite"
        elif maximum is None:
            wanted = f"be at least {minimum}, and finite"
        elif minimum is None:
            wanted = f"be at most {maximum}, and finite"
        else:
            wanted = f"be in [{minimum}, {maximum}]"
        raise wrong_value(name, wanted, value)
    return number


def boolean(name, value):
    """Returns `value` as a bool; refuses other types, such as the string `"false"`."""
    if not isinstance(value, bool | np.bool_):
        raise wrong_type(name, "True or False", value)
    return bool(value)


def string(name, value):
    """Returns `value` if it is a string."""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    return value


def function(name, value):
    """Returns `value` if it can be called."""
    if not callable(value):
        raise wrong_type(name, "a function", value)
    return value


def instance(name, value, kind):
    """Returns `value` if it is an object of the class `kind`."""
    if not isinstance(value, kind):
        raise wrong_type(name, f"a `{kind.__name__}`", value)
    return value


def like(name, value, *, asked, example):
    """Returns `value` if it is an object, not a class, with the attributes `asked`."""
    missing = [attribute for attribute in asked if not hasattr(value, attribute)]
    if missing or isinstance(value, type):
        raise wrong_type(name, f"an object such as `{example}`", value)
    return value


def one_of(name, value, options):
    """Returns the option that equals `value` and has its type."""
    for option in options:
        # Not `in`: False equals 0, and arrays compare element by element.
        if option is value or (isinstance(value, type(option)) and option == value):
            return option
    listed = ", ".join(repr(option) for option in options)
    raise wrong_value(name, f"be one of {listed}", value)


def sequence(name, value, check, *, count=None, least=1, wanted="a list or tuple"):
    """Returns a list, tuple or 1D array as a tuple of validated entries.

    Args:
        name: Name of the argument.
        value: Value of the argument. Generators, sets, dicts and strings are refused.
        check: Function `(name, entry) -> entry`, such as `positive_int`.
        count: Int, the required number of entries. Default `None`: any number.
        least: Int, the smallest number of entries. Default 1.
        wanted: What the error for another type asks for. Default: a list or tuple.
    """
    unordered = isinstance(value, str | bytes | dict | set | frozenset)
    try:
        length = None if unordered else len(value)
    except TypeError:
        length = None
    axes = len(_sides(value) or (length,))
    if length is None or axes != 1 or not hasattr(value, "__getitem__"):
        raise wrong_type(name, wanted, value)
    if count is not None and length != count:
        raise wrong_value(name, f"contain {count} entries", value)
    if length < least:
        raise wrong_value(name, f"contain at least {least} entry", value)
    return tuple(check(name, entry) for entry in value)


def pair(name, value):
    """Returns `(value, value)` for an int, `tuple(value)` for two ints."""
    if isinstance(value, numbers.Integral):
        value = positive_int(name, value)
        return value, value
    try:
        length = len(value)
    except TypeError:
        length = None
    if length is None or isinstance(value, str | bytes | dict | set | frozenset):
        raise wrong_type(name, "an int or two ints", value)
    if length != 2:
        raise wrong_value(name, "be an int or two ints", value)
    return sequence(name, value, positive_int)


def shape(name, value):
    """Returns the shape `(height, width, channels)` of an image, three ints."""
    return sequence(name, value, positive_int, count=3)


def numbers_of(name, value, axes):
    """Returns the shape of an array or tensor of numbers.

    Args:
        name: Name of the argument.
        value: NumPy array, tensor of the backend or symbolic tensor.
        axes: Tuple of the names of its axes, such as `("batch", "height")`, or `None`
            for any number of axes.
    """
    sides = _sides(value)
    wanted = "" if axes is None else f" of shape ({', '.join(axes)})"
    if sides is None:
        raise wrong_type(name, f"an array or tensor{wanted}", value)
    try:
        kind = keras.backend.standardize_dtype(value.dtype)
    except ValueError:  # A type that Keras does not have: strings, objects, dates.
        kind = str(value.dtype)
    if not kind.startswith(("float", "bfloat", "int", "uint")):
        raise TypeError(
            f"`{name}` must contain numbers. Received: {name} of dtype {kind}."
        )
    if axes is not None and len(sides) != len(axes):
        raise ValueError(
            f"`{name}` must have the shape ({', '.join(axes)}). "
            f"Received: {name} of shape={sides}."
        )
    return sides


def array(name, value):
    """Returns `value`, nested lists or a tensor, as a NumPy array."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # Ragged, or has gradients.
        raise wrong_type(name, "an array", value) from error


def images(name, value):
    """Returns `(height, width, channels)` of images `(B, H, W, C)` of any numbers."""
    axes = "batch", "height", "width", "channels"
    return image_shape(name, numbers_of(name, value, axes))


def _sides(value):
    """The shape of an array or tensor, a tuple; `None` for other objects."""
    if isinstance(value, type) or not hasattr(value, "dtype"):
        return None
    try:
        return tuple(value.shape)
    except (AttributeError, TypeError, ValueError):  # A `Layer`, or an unknown rank.
        return None


def image_shape(name, shape):
    """Returns `(height, width, channels)` of a `(B, H, W, C)` shape."""
    sides = tuple(shape[1:])
    if len(shape) != 4 or None in sides or 0 in sides:
        raise ValueError(
            f"`{name}` must have the shape (batch, height, width, channels), with a "
            "fixed height and width and no axis of size 0. "
            f"Received: {name} of shape={tuple(shape)}."
        )
    return sides


def warn(message):
    """Warns, with the line of the user's code that called the package."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, stacklevel=depth)
