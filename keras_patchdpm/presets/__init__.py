"""Trained models as plain data: a configuration, float16 weights, a model card.

A preset is a folder with `config.json`, a `.npz` or `.safetensors` file of weights
(whose name is in `config.json`), and `card.md`, a text for people. It contains no code:
the configuration names a builder of this package, whose arguments are validated, and a
SHA-256 of the weights is compared before they are read. A folder of `diffusers` with a
`UNet2DModel` is read as a preset too.
"""

from keras_patchdpm.presets._load import (
    BUILT_IN,
    CARD,
    CONFIG,
    Provenance,
    as_text,
    find,
    image_shape,
    listing,
    load,
    load_weights,
    names,
    parts,
    patching_of,
    provenance,
    read_config,
    sampling,
    with_defaults,
)
from keras_patchdpm.presets._save import describe, save, save_model

__all__ = [
    "BUILT_IN",
    "CARD",
    "CONFIG",
    "as_text",
    "Provenance",
    "describe",
    "find",
    "image_shape",
    "listing",
    "load",
    "load_weights",
    "names",
    "parts",
    "patching_of",
    "provenance",
    "read_config",
    "sampling",
    "save",
    "save_model",
    "with_defaults",
]
