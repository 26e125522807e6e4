"""The backend that Keras uses, and the file here that executes on it."""

import importlib

import keras

SUPPORTED = ("tensorflow", "jax", "torch")


def backend_name():
    """Keras' backend."""
    return keras.backend.backend()


def backend_module():
    """The file of this folder for the current backend, one of `SUPPORTED`."""
    return importlib.import_module(f"keras_patchdpm.runtime._{backend_name()}")
