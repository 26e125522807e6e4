"""A small network, and figures taken in a process of their own.

`python measured.py` prints the figures as JSON. TensorFlow gives true ones only with
variables that are set before it starts.
"""

import json
import sys

import keras
import numpy as np
from keras import layers, ops

from keras_patchdpm import memory
from keras_patchdpm.layers import PositionOneHotEmbedding
from keras_patchdpm.memory._peak import backend_module

SIDE = 2048  # A float32 matrix of that side has 16 MiB.


def small_network(divisions=1, image_size=256, width=16):
    """Convolutions around a skip, over the dict of inputs that the library uses."""
    size = image_size // divisions
    inputs = {
        "noisy": keras.Input((size, size, 3), name="noisy"),
        "timestep": keras.Input((), dtype="int32", name="timestep"),
        "patch_index": keras.Input((), dtype="int32", name="patch_index"),
        "content": keras.Input((size, size, 3), name="content"),
    }
    place = PositionOneHotEmbedding(divisions**2, width)(inputs["patch_index"])
    level = layers.Embedding(10, width)(inputs["timestep"])
    shift = layers.Reshape((1, 1, width))(layers.Add()([place, level]))
    x = layers.Concatenate()([inputs["noisy"], inputs["content"]])
    x = skip = layers.Conv2D(width, 3, padding="same")(x)
    x = layers.Activation("silu")(layers.Add()([x, shift]))
    x = layers.Conv2D(width, 3, padding="same")(x)
    x = layers.Add()([layers.Activation("silu")(x), skip])
    return keras.Model(inputs, layers.Conv2D(3, 3, padding="same")(x))


def _pieces(x):
    """64 results of 192 KiB each: 12 MiB of things under 256 KiB."""
    return [ops.multiply(x, float(i)) for i in range(64)]


def _two(x):
    """Two matrices of 16 MiB that are needed at the same time."""
    y = ops.matmul(x, ops.transpose(x))
    return ops.matmul(y, y)


def figures():
    """Dict of all figures, plain data."""
    light = [name for name in sys.modules if name.startswith("keras_patchdpm.memory._")]
    backend_module().prepare()
    strip = ops.convert_to_tensor(np.ones((SIDE, 16), "float32"))
    matrix = ops.convert_to_tensor(np.ones((SIDE, SIDE), "float32"))
    piece = ops.convert_to_tensor(np.ones((48, 1024), "float32"))
    works = {
        "one": (lambda x: ops.sum(ops.matmul(x, ops.transpose(x))), strip),
        "two": (_two, strip),
        "held": (lambda x: ops.matmul(x, x[:, :1]), matrix),
        "pieces": (_pieces, piece),
    }
    result = {name: memory.peak(*work).bytes for name, work in works.items()}
    profiles = {
        f"{divisions} {batch} {patches}": memory.profile(
            small_network(divisions), batch, patches, isolated=False
        ).to_dict()
        for divisions, batch, patches in CASES
    }
    return {"modules at import": light, "profiles": profiles, **result}


CASES = ((1, 1, 1), (2, 1, 1), (4, 1, 1), (2, 2, 1), (2, 4, 1), (2, 1, 4))


if __name__ == "__main__":
    print(json.dumps(figures()))
