"""Trained models as plain data: a configuration, float16 weights, a model card.

A preset is a folder with `config.json`, `weights.npz` and `card.md`. Nothing in it is
code: the configuration names one of this package's builders, and the weights are
checked against a SHA-256 before they are read.
"""

import contextlib
import hashlib
import io
import json
import os
import pathlib

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _checks, networks
from keras_patchdpm.patching import (
    CascadePatching,
    GridPatching,
    RandomPatching,
    WholeImage,
)
from keras_patchdpm.schedules import DDPMSchedule, EDMSchedule

BUILT_IN = pathlib.Path(__file__).resolve().parent.parent / "presets"

_NETWORKS = {"unet": networks.unet, "arakawa_unet": networks.arakawa_unet}
_PATCHINGS = {
    "CascadePatching": CascadePatching,
    "GridPatching": GridPatching,
    "RandomPatching": RandomPatching,
    "WholeImage": WholeImage,
}
_SCHEDULES = {"DDPMSchedule": DDPMSchedule, "EDMSchedule": EDMSchedule}


def names():
    """The presets that come with the package."""
    return sorted(path.parent.name for path in BUILT_IN.glob("*/config.json"))


def find(preset):
    """The folder of a built-in preset, or of one's own.

    Raises:
        ValueError: If there is none; the built-in ones are listed.
    """
    for folder in (BUILT_IN / preset, pathlib.Path(preset)):
        if (folder / "config.json").is_file():
            return folder
    raise ValueError(
        f"There is no preset of that name, nor a folder with a config.json. The "
        f"package has {', '.join(map(repr, names()))}. Received: preset={preset!r}."
    )


def read_config(preset):
    """The configuration of a preset, a dict."""
    return json.loads((find(preset) / "config.json").read_text())


def parts(config):
    """Network, schedule and patching of a configuration, untrained.

    Args:
        config: Dict of `network`, `schedule` and `patching`, each a dict of `name` and
            arguments.

    Returns:
        Dict of the arguments of `PatchDPM`.

    Raises:
        ValueError: If a name is none of this package's.
    """
    patching = _make(_PATCHINGS, config["patching"])
    schedule = _make(_SCHEDULES, config["schedule"])
    arguments = dict(config["network"])
    if arguments["name"] == "unet":
        arguments |= {"patching": patching, "schedule": schedule}
    return {
        "network": _make(_NETWORKS, arguments),
        "schedule": schedule,
        "patching": patching,
    }


@contextlib.contextmanager
def blank_weights():
    """A context in which layers start from zeros: their weights are about to be read.

    To draw them is work for nothing, most of all on JAX, which compiles a function for
    every shape.
    """
    add_weight = keras.Layer.add_weight

    def blank(self, shape=None, initializer=None, *args, **options):
        return add_weight(self, shape, "zeros", *args, **options)

    keras.Layer.add_weight = blank
    try:
        yield
    finally:
        keras.Layer.add_weight = add_weight


def save(folder, config, network, card):
    """Writes a preset, each file whole or not at all.

    Args:
        folder: Where to; made if need be.
        config: Dict from which `parts` builds `network`, and whatever is to be told.
        network: The trained network.
        card: Text of the model card; `{sha256}` in it becomes the weights' checksum.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        weight.path: ops.convert_to_numpy(weight).astype("float16")
        for weight in network.weights
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    checksum = hashlib.sha256(buffer.getvalue()).hexdigest()
    text = json.dumps({**config, "sha256": checksum}, indent=2) + "\n"
    _write(folder / "weights.npz", buffer.getvalue())
    _write(folder / "card.md", card.replace("{sha256}", checksum).encode())
    _write(folder / "config.json", text.encode())


def load_weights(network, preset):
    """Gives `network` the weights of a preset.

    Raises:
        ValueError: If the file is damaged, or of another configuration.
    """
    folder, config = find(preset), read_config(preset)
    content = (folder / "weights.npz").read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != config["sha256"]:
        raise ValueError(
            f"{folder / 'weights.npz'} is damaged or belongs to another preset. "
            "Install the package again, or copy the folder anew. Received: a file of "
            f"the SHA-256 {checksum}, where config.json says {config['sha256']}."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = {name: arrays[name].astype("float32") for name in arrays.files}
    expected = {weight.path: tuple(weight.shape) for weight in network.weights}
    shapes = {name: array.shape for name, array in found.items()}
    if expected != shapes:
        odd = sorted(
            name
            for name in {*expected, *shapes}
            if expected.get(name) != shapes.get(name)
        )
        raise ValueError(
            f"The weights in {folder} are of another configuration than the network: "
            f"{len(odd)} tensors differ, the first {odd[0]!r} (the network has "
            f"{expected.get(odd[0])}, the file {shapes.get(odd[0])}). Build the "
            "network as the preset's config.json says."
        )
    for weight in network.weights:
        weight.assign(found[weight.path])


def _make(makers, arguments):
    arguments = dict(arguments)
    name = _checks.one_of("name", arguments.pop("name"), tuple(makers))
    return makers[name](**arguments)


def _write(path, content):
    """Writes to a temporary file, which takes the name when it is whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    temporary.write_bytes(content)
    os.replace(temporary, path)
