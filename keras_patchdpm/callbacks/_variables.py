"""All that training changes in a model, as one file of arrays.

Not `save_weights`: HDF5 ends the process when the disk is full, and Keras leaves out
the states of seed generators.
"""

import keras
import numpy as np

from keras_patchdpm import _npz


def of(model):
    """The variables of a model and its optimizer, in an order that never changes."""
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return [*model.variables, *optimizer.variables]


def describe(model):
    """What a backup's variables must agree with: a dict for JSON."""
    return {
        "optimizer": type(model.optimizer).__name__,
        "shapes": [list(variable.shape) for variable in of(model)],
    }


def num_bytes(model):
    """Bytes of a model's variables in a file, roughly."""
    return sum(4 * int(np.prod(variable.shape)) + 300 for variable in of(model))


def save(model, file):
    """Writes the variables into a binary file."""
    arrays = [_plain(keras.ops.convert_to_numpy(variable)) for variable in of(model)]
    np.savez(file, *arrays)


def load(model, path):
    """Gives the variables the values in a file."""
    with _npz.opened(path) as arrays:
        for index, variable in enumerate(of(model)):
            variable.assign(arrays[f"arr_{index}"])


def _plain(array):
    """`array`, in float32 if NumPy has no such type by itself (bfloat16, float8)."""
    return array.astype("float32") if array.dtype.kind == "V" else array
