"""Trained models as plain data: a configuration, float16 weights, a model card.

A preset is a folder with `config.json`, a `.npz` file of weights, which `config.json`
names, and `card.md`, text for people. Nothing in it is code: the configuration names
one of this package's builders, whose arguments are checked, and the weights are checked
against a SHA-256 before they are read.
"""

from keras_patchdpm.presets._load import (
    BUILT_IN,
    CONFIG,
    find,
    image_shape,
    listing,
    load,
    load_weights,
    names,
    parts,
    patching_of,
    read_config,
    sampling,
    with_defaults,
)
from keras_patchdpm.presets._save import describe, save, save_model

__all__ = [
    "BUILT_IN",
    "CONFIG",
    "describe",
    "find",
    "image_shape",
    "listing",
    "load",
    "load_weights",
    "names",
    "parts",
    "patching_of",
    "read_config",
    "sampling",
    "save",
    "save_model",
    "with_defaults",
]
