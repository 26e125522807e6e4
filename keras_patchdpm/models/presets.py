"""Trained models as plain data: a configuration, float16 weights, a model card.

A preset is a folder with `config.json`, a `.npz` file of weights, which `config.json`
names, and `card.md`, text for people. Nothing in it is code: the configuration names
one of this package's builders, whose arguments are checked, and the weights are checked
against a SHA-256 before they are read.
"""

import hashlib
import json
import os
import pathlib

from keras_patchdpm import _checks, _files, networks
from keras_patchdpm.models import _builders, _preset_config, _sampling
from keras_patchdpm.models._blank_weights import blank_weights
from keras_patchdpm.models._preset_weights import STORAGES, WeightsFile, pack
from keras_patchdpm.networks.limits import at_most_weights
from keras_patchdpm.networks.recorded import recorded
from keras_patchdpm.patching import (
    CascadePatching,
    GridPatching,
    RandomPatching,
    WholeImage,
)
from keras_patchdpm.schedules import DDPMSchedule, EDMSchedule

BUILT_IN = pathlib.Path(__file__).resolve().parent.parent / "presets"
CONFIG = "config.json"

_NETWORKS = {"unet": networks.unet, "arakawa_unet": networks.arakawa_unet}
_PATCHINGS = {
    "CascadePatching": CascadePatching,
    "GridPatching": GridPatching,
    "RandomPatching": RandomPatching,
    "WholeImage": WholeImage,
}
_SCHEDULES = {"DDPMSchedule": DDPMSchedule, "EDMSchedule": EDMSchedule}
_MAKERS = {"network": _NETWORKS, "schedule": _SCHEDULES, "patching": _PATCHINGS}
_CARD = """# A patch diffusion model

Written by `PatchDPM.save_to_preset`. SHA-256 of the weights: {sha256}.
"""


def names():
    """The presets that come with the package."""
    return sorted(path.parent.name for path in BUILT_IN.glob(f"*/{CONFIG}"))


def find(preset):
    """The folder of a built-in preset, or of one's own.

    Raises:
        TypeError: If `preset` is no path.
        ValueError: If there is none; the built-in ones are listed.
    """
    folder = _files.path_of("preset", preset)
    if os.fspath(preset) in names():
        return BUILT_IN / preset
    if (folder / CONFIG).is_file():
        return folder
    if folder.suffix in (".keras", ".h5"):
        advice = (
            "That is the name of a model that Keras saved: `keras.models.load_model` "
            "reads it, and the model's `save_to_preset(folder)` writes a preset."
        )
    elif folder.is_file():
        advice = f"Pass the folder, '{folder.parent}', rather than a file in it."
    else:
        advice = f"The package has {', '.join(map(repr, names()))}."
    raise ValueError(
        f"There is no preset of that name, nor a folder with a {CONFIG}. {advice} "
        f"Received: preset={os.fspath(preset)!r}."
    )


def read_config(preset):
    """The configuration of a preset, a dict.

    Raises:
        ValueError: If there is no such preset, or its `config.json` is damaged.
    """
    return _preset_config.read(find(preset) / CONFIG)


def image_shape(config):
    """`(height, width, channels)` of the images that a configuration describes."""
    return _preset_config.image_shape(config)


def with_defaults(config):
    """The parts of a configuration with all their arguments, as plain data."""
    return {
        part: _builders.with_defaults(makers, config[part])
        for part, makers in _MAKERS.items()
    }


def patching_of(config):
    """The patching of a configuration."""
    return _builders.build("patching", _PATCHINGS, config["patching"])


def parts(config):
    """What a configuration describes, untrained.

    Args:
        config: Dict of `network`, `schedule` and `patching`, each a dict of `name` and
            arguments, and perhaps of `latents` and `label_dropout`.

    Returns:
        Dict of the arguments of `PatchDPM`.

    Raises:
        TypeError: If an argument has another type than it must have.
        ValueError: If a name is none of this package's, or an argument unknown or out
            of range.
    """
    _preset_config.check(config)
    patching = patching_of(config)
    schedule = _builders.build("schedule", _SCHEDULES, config["schedule"])
    network = _builders.build(
        "network",
        _NETWORKS,
        config["network"],
        patching=patching,
        schedule=schedule,
    )
    options = {key: config[key] for key in _preset_config.OPTIONS if key in config}
    return {"network": network, "schedule": schedule, "patching": patching, **options}


def load(preset):
    """What a preset describes, trained.

    Args:
        preset: Name of a built-in preset, or path of a folder.

    Returns:
        Dict of the arguments of `PatchDPM`.

    Raises:
        ValueError: If there is no such preset, its configuration cannot be built, or
            its weights are damaged or of another configuration. The message names the
            file.
    """
    folder = find(preset)
    config, weights = _open(folder)
    with weights:
        # No more memory than the weights in the file have.
        with blank_weights(), at_most_weights(weights.count):
            try:
                arguments = parts(config)
            except Exception as error:  # Foreign arguments can raise anything.
                raise ValueError(
                    f"{folder / CONFIG} and {weights.path.name} beside it do not "
                    f"describe a model of this package. {error} Correct the "
                    "configuration, or copy the folder anew."
                ) from error
        weights.assign(arguments["network"])
    return arguments


def sampling(preset, make):
    """The `Settings` with which a preset is sampled.

    Args:
        preset: Name of a built-in preset, or path of a folder.
        make: Function of what `load` returns to a model, for the guide.

    Raises:
        ValueError: If the settings, or the guide, are damaged. The message names the
            file.
    """
    folder = find(preset)
    plain = read_config(preset).get(_preset_config.SAMPLING, {})
    guide = None
    if _sampling.guided(plain):
        guide = make(**load(folder / _sampling.GUIDE))
    try:
        return _sampling.from_plain(plain, guide)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{folder / CONFIG} has wrong settings in `sampling`: {error} Correct the "
            "file, or copy the folder anew."
        ) from error


def load_weights(network, preset):
    """Gives `network` the weights of a preset.

    Raises:
        ValueError: If the file is damaged, or of another configuration.
    """
    _, weights = _open(find(preset))
    with weights:
        weights.assign(network)


def save(folder, config, network, card, storage="float16"):
    """Writes a preset, over another one if need be.

    The weights' file has a name of its own, which `config.json`, written last, refers
    to: wherever the writing is stopped, the folder holds the old preset or the new one.

    Args:
        folder: Path, created if need be.
        config: Dict from which `parts` builds `network`, and what else to record.
        network: The trained network.
        card: Text of the model card; `{sha256}` in it becomes the weights' checksum.
        storage: `"float16"` or `"int8"`, see `pack`.

    Raises:
        ValueError: If a weight is not finite, or there is a file named `folder`.
        OSError: If a file cannot be written.
    """
    folder = _files.path_of("folder", folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"There is a file of that name. Received: folder='{folder}'.")
    _preset_config.check(config)
    content = pack(network, storage)
    checksum = hashlib.sha256(content).hexdigest()
    name = f"weights-{checksum[:12]}.npz"
    config = {**config, "weights": name, "sha256": checksum}
    text = json.dumps(config, indent=2, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    former = _weights_in(folder)
    _files.write(folder / name, content)
    _files.write(folder / "card.md", card.replace("{sha256}", checksum))
    _files.write(folder / CONFIG, text)
    if former not in (None, name) and (folder / former).is_file():
        (folder / former).unlink(missing_ok=True)


def save_model(model, folder, card=None, storage="float16"):
    """Writes a `PatchDPM` as a preset: see `PatchDPM.save_to_preset`."""
    path = _files.path_of("folder", folder)
    if os.fspath(folder) in names():
        raise ValueError(
            "That is the name of a preset of the package, which `from_preset` would "
            f"read instead. Choose another folder. Received: folder='{path}'."
        )
    card = _CARD if card is None else card
    _checks.one_of("storage", storage, STORAGES)
    if not isinstance(card, str):
        raise TypeError(
            f"`card` must be a string. Received: card={card!r} "
            f"(of type {type(card).__name__})."
        )
    plain, guide = _sampling.to_plain(model.sampling)
    config = describe(model)
    if plain:
        config[_preset_config.SAMPLING] = plain
    if guide is not None:
        save(path / _sampling.GUIDE, describe(guide), guide.network, _CARD, storage)
    save(path, config, model.network, card, storage)


def describe(model):
    """The configuration of a `PatchDPM`, from which `parts` builds it again.

    Raises:
        ValueError: If a part of it is none of this package's.
    """
    network = recorded(model.network)
    if network is None:
        raise ValueError(
            "The network of a preset must be built by `networks.unet` or "
            "`networks.arakawa_unet`, by name. Save models of other networks with "
            "`model.save('model.keras')`. Received: a network named "
            f"{model.network.name!r}, whose arguments are not known."
        )
    config = {
        "network": network,
        "schedule": _builders.named("schedule", _SCHEDULES, model.schedule),
        "patching": _builders.named("patching", _PATCHINGS, model.patching),
        "latents": model.latents,
        "label_dropout": model.label_dropout,
    }
    config = json.loads(json.dumps(config))
    with blank_weights():
        built = parts(config)["network"]
    expected = {weight.path: weight.shape for weight in model.network.weights}
    if {weight.path: weight.shape for weight in built.weights} != expected:
        raise ValueError(
            "The network was changed after it was built, or built for another patching "
            "than the model's, so that its arguments do not describe it. Build it with "
            f"the model's `patching`. Received: a network of the arguments {network}."
        )
    return config


def listing():
    """A dict for each built-in preset: see `PatchDPM.presets`."""
    return [_listed(name) for name in names()]


def _open(folder):
    """`(config, WeightsFile)` of a preset, which may be saved anew at the same time."""
    while True:
        config = _preset_config.read(folder / CONFIG)
        path = folder / config.get("weights", _preset_config.WEIGHTS)
        try:
            return config, WeightsFile(path, config["sha256"])
        except FileNotFoundError as error:
            if _preset_config.read(folder / CONFIG) == config:
                raise ValueError(
                    f"There is no file {path}, which {CONFIG} names. Copy the folder "
                    "anew, or install the package again."
                ) from error


def _weights_in(folder):
    """Name of the weights' file of the preset in a folder, or `None`."""
    if not (folder / CONFIG).is_file():
        return None
    try:
        config = _preset_config.read(folder / CONFIG)
    except (OSError, ValueError):  # A damaged one.
        return None
    return config.get("weights", _preset_config.WEIGHTS)


def _listed(name):
    config = read_config(name)
    path = BUILT_IN / name / config.get("weights", _preset_config.WEIGHTS)
    size = config["network"]["image_size"]
    return {
        "name": name,
        "image_size": tuple(size) if isinstance(size, list) else (size, size),
        "n": patching_of(config).sampling_divisions(image_shape(config)),
        "licence": config.get("licence"),
        "bytes": path.stat().st_size,
    }
