"""Building a network whose weights are read from a file afterwards."""

import contextlib

import keras
from keras import ops

# The initializers with random numbers that this package's networks use, by the names
# under which Keras' layers ask for them.
_RANDOM = {
    "glorot_uniform": keras.initializers.GlorotUniform,
    "random_normal": keras.initializers.RandomNormal,
    "uniform": keras.initializers.RandomUniform,
}


@contextlib.contextmanager
def blank_weights():
    """Context in which this thread builds layers whose weights are zeros.

    Random numbers that a file replaces cost time, most of all on JAX, which compiles a
    function for every shape. Other threads are not concerned. After the context the
    layers' initializers are Keras' own, so a copy of the network starts from random
    weights.
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
