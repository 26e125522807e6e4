"""A context with another dtype policy of Keras."""

import contextlib

import keras

from keras_patchdpm import _checks


@contextlib.contextmanager
def precision(name):
    """Context in which new layers have the given dtype policy.

    Args:
        name: Keras dtype policy, such as `"mixed_float16"`. `None`: the global policy.

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
