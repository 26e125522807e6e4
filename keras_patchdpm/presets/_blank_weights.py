"""Builds a network with zeros as weights, which are then read from a file."""

import contextlib

import keras
from keras import ops

# The random initializers in the networks of this package, by the names that the layers
# of Keras use.
_RANDOM = {
    "glorot_uniform": keras.initializers.GlorotUniform,
    "random_normal": keras.initializers.RandomNormal,
    "uniform": keras.initializers.RandomUniform,
}


@contextlib.contextmanager
def blank_weights():
    """Context in which layers are built with zeros as weights, in this thread.

    Random weights cost time, most of all on JAX, which compiles a function for every
    shape. After the context the layers have the initializers of Keras again, so that a
    copy of the network starts from random weights.
    """
    created = []

    def blank(kind):
        class Blank(kind):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                created.append(self)

            def __call__(self, shape, dtype=None):
                return ops.zeros(shape, dtype)

        return Blank

    names = {name: blank(kind) for name, kind in _RANDOM.items()}
    try:
        with keras.saving.custom_object_scope(names):
            yield
    finally:
        for initializer in created:
            initializer.__class__ = type(initializer).__base__
