"""Validates the initializers of weights."""

import keras

from keras_patchdpm import _checks


def valid_initializer(value):
    """Validates an initializer: a Keras object, a name or a configuration."""
    try:
        if isinstance(value, str | dict) or callable(value):  # Keras accepts arrays.
            return _checks.function("initializer", keras.initializers.get(value))
        raise _checks.wrong_type("initializer", "an initializer", value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`initializer` must be a Keras initializer, or the name of one, such as "
            f'"zeros". Received: {_checks.received("initializer", value)}.'
        ) from error
