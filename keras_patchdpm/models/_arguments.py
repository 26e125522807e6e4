"""Validates the arguments of `compile`, `fit` and `evaluate` that are not data."""

import numbers

import keras
import numpy as np

from keras_patchdpm import _checks


def check_compile(*, run_eagerly, steps_per_execution, jit_compile, auto_scale_loss):
    """Validates the arguments of `compile` that Keras does not validate.

    Raises:
        TypeError, ValueError: If Keras cannot use an argument.
    """
    _checks.boolean("run_eagerly", run_eagerly)
    _checks.positive_int("steps_per_execution", steps_per_execution)
    _checks.one_of("jit_compile", jit_compile, ("auto", True, False))
    _checks.boolean("auto_scale_loss", auto_scale_loss)


def of_fit(arguments):
    """Validates the arguments of `fit`.

    Args:
        arguments: Dict of all arguments of `PatchDPM.fit`.

    Returns:
        A copy, in which NumPy's numbers are converted to Python's.

    Raises:
        TypeError, ValueError: If Keras cannot use an argument; the message names it.
    """
    found = dict(arguments)
    found["epochs"] = _checks.positive_int("epochs", found["epochs"])
    found["initial_epoch"] = _checks.integer(
        "initial_epoch", found["initial_epoch"], minimum=0, maximum=_checks.LARGEST
    )
    for name in (
        "batch_size",
        "steps_per_epoch",
        "validation_steps",
        "validation_batch_size",
    ):
        found[name] = _count(name, found[name])
    found["validation_split"] = _share(found["validation_split"])
    found["validation_freq"] = _frequency(found["validation_freq"])
    if found["shuffle"] is not None:
        found["shuffle"] = _checks.boolean("shuffle", found["shuffle"])
    found["verbose"] = _verbose(found["verbose"])
    _check_callbacks(found["callbacks"])
    return found


def of_evaluate(arguments):
    """Validates the arguments of `evaluate`, as `of_fit` does for `fit`."""
    found = dict(arguments)
    for name in ("batch_size", "steps"):
        found[name] = _count(name, found[name])
    found["return_dict"] = _checks.boolean("return_dict", found["return_dict"])
    found["verbose"] = _verbose(found["verbose"])
    _check_callbacks(found["callbacks"])
    return found


def _count(name, value):
    return None if value is None else _checks.positive_int(name, value)


def _share(value):
    value = _checks.real("validation_split", value, minimum=0, maximum=1)
    if value == 1:
        raise ValueError(
            "`validation_split` must be below 1: some images must be left to train on. "
            f"Received: validation_split={value}."
        )
    return value


def _frequency(value):
    """Validates an int, or the epochs (from 1) after which Keras evaluates."""
    if isinstance(value, list | tuple | set | range):
        return [_checks.positive_int("validation_freq", epoch) for epoch in value]
    return _checks.positive_int("validation_freq", value)


def _verbose(value):
    if isinstance(value, bool | np.bool_ | numbers.Integral):
        value = int(value)
    return _checks.one_of("verbose", value, ("auto", 0, 1, 2))


def _check_callbacks(callbacks):
    if callbacks is None or isinstance(callbacks, keras.callbacks.CallbackList):
        return
    for callback in keras.tree.flatten(callbacks):
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "`callbacks` must be Keras callbacks, or a list of them, such as "
                "`[keras.callbacks.TerminateOnNaN()]`. Received: "
                f"callbacks={callbacks!r} (with one of type {type(callback).__name__})."
            )
