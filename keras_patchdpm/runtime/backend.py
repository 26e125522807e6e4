"""The backend of Keras, and the module of this folder for it."""

import importlib

import keras

SUPPORTED = ("tensorflow", "jax", "torch")


def backend_name():
    """Name of the backend of Keras."""
    return keras.backend.backend()


def backend_module():
    """The module of this folder for the current backend, one of `SUPPORTED`."""
    return importlib.import_module(f"keras_patchdpm.runtime._{backend_name()}")
