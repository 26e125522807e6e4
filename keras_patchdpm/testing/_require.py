"""Failures of checks, which run under `python -O` too."""

import inspect
import json

import numpy as np


def require(condition, message):
    """Raises `AssertionError` with `message` unless `condition` holds."""
    if not condition:
        raise AssertionError(message)


def require_close(found, expected, what, *, tolerance=1e-4):
    """Raises `AssertionError` unless two arrays are the same to `tolerance`."""
    found, expected = np.asarray(found), np.asarray(expected)
    require(
        found.shape == expected.shape,
        f"{what}: the shape is {found.shape}, expected {expected.shape}",
    )
    difference = np.abs(found - expected).max(initial=0)
    require(
        difference <= tolerance,
        f"{what}: differs by {difference:.3g}, more than {tolerance:.3g}",
    )


def require_configuration(part, base):
    """Requires that a part is of its base class, and that its configuration is whole.

    Args:
        part: `Patching`, `Schedule` or `Solver`.
        base: The class of the contract.
    """
    require(
        isinstance(part, base),
        f"{type(part).__name__} must be a subclass of `{base.__name__}`",
    )
    config = part.get_config()
    try:
        plain = json.loads(json.dumps(config))
    except TypeError as error:
        raise AssertionError(f"`get_config` must return plain data: {error}") from error
    arguments = inspect.signature(type(part)).parameters
    missing = [name for name in arguments if name not in config]
    require(not missing, f"`get_config` must return the arguments {missing}")
    again = type(part).from_config(plain).get_config()
    require(
        json.loads(json.dumps(again)) == plain,
        f"`from_config` must restore the part: {again} is not {config}",
    )
