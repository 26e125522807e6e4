"""Keras' dtype policy for the time of a block."""

import contextlib

import keras

from keras_patchdpm import _checks


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
        try:
            keras.mixed_precision.set_global_policy(_checks.string("precision", name))
        except ValueError as error:
            wanted = "be a dtype policy of Keras, such as 'mixed_bfloat16'"
            raise _checks.wrong_value("precision", wanted, name) from error
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
