"""Saves the state of a model's seed generators, which Keras does not save.

Without it a resumed training would draw the noise of its first epochs again.
"""

import keras
import numpy as np

PREFIX = "seed_generator_"


def seed_variables(model):
    """The states of all seed generators of `model` and of its layers."""
    return [
        variable
        for variable in model.non_trainable_variables
        if variable.path.endswith("seed_generator_state")
    ]


def save(model, store):
    """Writes the states of `model`'s seed generators into `store`."""
    for index, variable in enumerate(seed_variables(model)):
        store[f"{PREFIX}{index}"] = keras.ops.convert_to_numpy(variable.value)


def load(model, store):
    """Reads the states of `model`'s seed generators; returns the rest of `store`."""
    for index, variable in enumerate(seed_variables(model)):
        key = f"{PREFIX}{index}"
        if key in store.keys():
            variable.assign(np.asarray(store[key]))
    return {key: store[key] for key in store.keys() if not key.startswith(PREFIX)}


def reset(generator, seed):
    """Resets a seed generator to its start."""
    state = generator.state
    dtype = keras.backend.standardize_dtype(state.dtype)
    state.assign(np.array([seed, 0], dtype=dtype))
