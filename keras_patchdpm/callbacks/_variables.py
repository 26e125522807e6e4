"""Saves all variables of a model and its optimizer in one file of arrays.

`save_weights` is not used: HDF5 ends the process when the disk is full, and Keras does
not save the states of seed generators.
"""

import keras
import numpy as np

from keras_patchdpm import _npz


def of(model):
    """The variables of a model and its optimizer, always in the same order."""
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    return [*model.variables, *optimizer.variables]


def describe(model):
    """The optimizer's class and the variables' shapes, which a backup must share."""
    return {
        "optimizer": type(model.optimizer).__name__,
        "shapes": [list(variable.shape) for variable in of(model)],
    }


def num_bytes(model):
    """About the size of the file of a model's variables, in bytes."""
    return sum(4 * int(np.prod(variable.shape)) + 300 for variable in of(model))


def save(model, file):
    """Writes the variables into a binary file."""
    arrays = [_plain(keras.ops.convert_to_numpy(variable)) for variable in of(model)]
    np.savez(file, *arrays)


def load(model, path):
    """Reads the variables from a file."""
    with _npz.opened(path) as arrays:
        for index, variable in enumerate(of(model)):
            variable.assign(arrays[f"arr_{index}"])


def _plain(array):
    """`array`, as float32 if NumPy itself does not have its type (bfloat16, float8)."""
    return array.astype("float32") if array.dtype.kind == "V" else array
