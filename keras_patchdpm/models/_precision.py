"""Keras' dtype policy for the time of a block."""

import contextlib

import keras


@contextlib.contextmanager
def precision(name):
    """Layers built inside compute as the policy says; `None` leaves it as it is.

    Args:
        name: Keras dtype policy, such as `"mixed_float16"`, or `None`.

    Raises:
        ValueError: If Keras knows no such policy.
    """
    before = keras.mixed_precision.dtype_policy()
    if name is not None:
        keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
