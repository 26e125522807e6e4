"""Reads presets, and lists the built-in ones."""

import dataclasses
import gc
import os
import pathlib

from keras_patchdpm import _files, networks
from keras_patchdpm.augmentation import GeometricAugmentation
from keras_patchdpm.networks.int8 import with_int8_kernels
from keras_patchdpm.networks.limits import at_most_weights
from keras_patchdpm.patching import (
    CascadePatching,
    GridPatching,
    RandomPatching,
    WholeImage,
)
from keras_patchdpm.presets import _builders, _config, _diffusers, _hub, _settings
from keras_patchdpm.presets._blank_weights import blank_weights
from keras_patchdpm.presets._weights import WeightsFile
from keras_patchdpm.schedules import DDPMSchedule, EDMSchedule

BUILT_IN = pathlib.Path(__file__).resolve().parent
CONFIG = "config.json"
CARD = "card.md"

NETWORKS = {
    "unet": networks.unet,
    "unet2d": networks.unet2d,
    "arakawa_unet": networks.arakawa_unet,
}
PATCHINGS = {
    "CascadePatching": CascadePatching,
    "GridPatching": GridPatching,
    "RandomPatching": RandomPatching,
    "WholeImage": WholeImage,
}
SCHEDULES = {"DDPMSchedule": DDPMSchedule, "EDMSchedule": EDMSchedule}
AUGMENTATIONS = {"GeometricAugmentation": GeometricAugmentation}
_MAKERS = {
    "network": NETWORKS,
    "schedule": SCHEDULES,
    "patching": PATCHINGS,
    _config.AUGMENTATION: AUGMENTATIONS,
}


def names():
    """The names of the built-in presets."""
    return sorted(path.parent.name for path in BUILT_IN.glob(f"*/{CONFIG}"))


def find(preset):
    """The folder of a preset: a built-in one, one of the user's, or a downloaded one.

    Raises:
        TypeError: If `preset` is no path.
        ImportError, OSError: If a preset cannot be downloaded; see `_hub.download`.
        ValueError: If there is no such preset; the message lists the built-in ones.
    """
    if _hub.is_address(preset):
        return _hub.download(preset)
    folder = _files.path_of("preset", preset)
    if os.fspath(preset) in names():
        return BUILT_IN / preset
    if (folder / CONFIG).is_file() or _diffusers.network_folder(folder):
        return folder
    if folder.suffix in (".keras", ".h5"):
        advice = (
            "A file with that suffix is a model that Keras saved. Load it with "
            "`keras.models.load_model`; the model's `save_to_preset(folder)` writes a "
            "preset."
        )
    elif folder.is_file():
        advice = f"Pass the folder, '{folder.parent}', not a file in it."
    else:
        advice = f"The built-in presets are {', '.join(map(repr, names()))}."
    raise ValueError(
        f"There is no preset of that name, and no folder of that name with a {CONFIG}. "
        f"{advice} Received: preset={os.fspath(preset)!r}."
    )


def as_text(name, value):
    """The name, path or address of a preset as a string.

    Raises:
        TypeError, ValueError: If `value` is none of them; `name` is the argument.
    """
    return value if _hub.is_address(value) else str(_files.path_of(name, value))


def read_config(preset):
    """The configuration of a preset, a dict.

    Raises:
        ValueError: If there is no such preset, or its `config.json` is damaged.
    """
    return _read(find(preset))


def image_shape(config):
    """`(height, width, channels)` of the images that a configuration describes."""
    return _config.image_shape(config)


def with_defaults(config):
    """The parts of a configuration with all defaults added, as plain data."""
    return {
        part: _builders.with_defaults(makers, config[part])
        for part, makers in _MAKERS.items()
        if part in config
    }


def patching_of(config):
    """The patching of a configuration."""
    return _builders.build("patching", PATCHINGS, config["patching"])


def parts(config):
    """Builds the parts of a configuration, untrained.

    Args:
        config: Dict of `network`, `schedule` and `patching`, each a dict of `name` and
            arguments; `augmentation`, `latents` and `label_dropout` are optional.

    Returns:
        Dict of the arguments of `PatchDPM`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a name is unknown in this package, or an argument is unknown or
            out of range.
    """
    _config.check(config)
    patching = patching_of(config)
    schedule = _builders.build("schedule", SCHEDULES, config["schedule"])
    options = {key: config[key] for key in _config.OPTIONS if key in config}
    if _config.AUGMENTATION in config:
        options[_config.AUGMENTATION] = _builders.build(
            _config.AUGMENTATION, AUGMENTATIONS, config[_config.AUGMENTATION]
        )
    network = _builders.build(
        "network",
        NETWORKS,
        config["network"],
        patching=patching,
        schedule=schedule,
        augmented=_config.AUGMENTATION in config,
    )
    return {"network": network, "schedule": schedule, "patching": patching, **options}


def load(preset, storage=None):
    """Builds the parts of a preset, with its weights.

    Args:
        preset: Name of a built-in preset, or path of a folder.
        storage: `"int8"`, to hold large kernels as int8. Default `None`: all weights
            have the type of the dtype policy.

    Returns:
        Dict of the arguments of `PatchDPM`.

    Raises:
        ValueError: If there is no such preset, its configuration cannot be built, or
            its weights are damaged or do not fit the network. The message names the
            file.
    """
    folder = find(preset)
    config, weights = _open(folder)
    with weights:
        # The network may not have more weights than the file.
        with blank_weights(), at_most_weights(weights.count):
            try:
                arguments = parts(config)
            except Exception as error:  # Untrusted arguments can raise any error.
                raise ValueError(
                    f"The configuration in {folder} and {weights.path.name} do not "
                    "describe a model of this package. Correct the configuration, or "
                    f"copy the folder again. The error is: {error}"
                ) from error
        if storage == "int8":
            with blank_weights():
                arguments["network"] = with_int8_kernels(arguments["network"])
            gc.collect()  # Layers of the first network, which refer to each other.
        weights.assign(arguments["network"])
    return arguments


def sampling(preset, make, storage=None):
    """The `Settings` with which a preset is sampled.

    Args:
        preset: Name of a built-in preset, or path of a folder.
        make: Function that builds the guide from the arguments that `load` returns:
            `PatchDPM`.
        storage: That of the guide, as in `load`.

    Raises:
        ValueError: If the settings or the guide are damaged. The message names the
            file.
    """
    folder = find(preset)
    plain = read_config(preset).get(_config.SAMPLING, {})
    guide = None
    if _settings.guided(plain):
        guide = make(**load(folder / _settings.GUIDE, storage))
    try:
        return _settings.from_plain(plain, guide)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{folder / CONFIG} has wrong settings in `sampling`. Correct the file, or "
            f"copy the folder again. The error is: {error}"
        ) from error


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where the weights of a model come from.

    Attributes:
        licence: String, or `None` if nothing is known.
        cards: Tuple of pairs, names of files and the texts of model cards: that of the
            model, and that of its guide.
    """

    licence: str | None = None
    cards: tuple = ()


def provenance(preset):
    """The `Provenance` of a preset."""
    folder = find(preset)
    guide = _settings.GUIDE
    paths = {CARD: folder / CARD, f"{guide}_{CARD}": folder / guide / CARD}
    cards = [
        (name, path.read_text("utf-8", "replace"))
        for name, path in paths.items()
        if path.is_file()
    ]
    return Provenance(read_config(preset).get("licence"), tuple(cards))


def load_weights(network, preset):
    """Loads the weights of a preset into `network`.

    Raises:
        ValueError: If the file is damaged, or the weights do not fit the network.
    """
    _, weights = _open(find(preset))
    with weights:
        weights.assign(network)


def listing():
    """A dict for each built-in preset: see `PatchDPM.presets`."""
    return [_listed(name) for name in names()]


def _open(folder):
    """`(config, weights)` of a preset, the weights open for reading.

    If another process replaces the preset meanwhile, the new one is read.
    """
    if _diffusers.network_folder(folder):
        config = _diffusers.read(folder)
        return config, _diffusers.DiffusersWeights(_diffusers.weights_file(folder))
    while True:
        config = _config.read(folder / CONFIG)
        path = folder / config.get("weights", _config.WEIGHTS)
        try:
            return config, WeightsFile(path, config["sha256"])
        except FileNotFoundError as error:
            if _config.read(folder / CONFIG) == config:
                raise ValueError(
                    f"There is no file {path}, the weight file that {CONFIG} names. "
                    "Copy the folder again, or reinstall the package."
                ) from error


def _read(folder):
    """The configuration of a preset of this package, or of a folder of `diffusers`."""
    if _diffusers.network_folder(folder):
        return _diffusers.read(folder)
    return _config.read(folder / CONFIG)


def _listed(name):
    config = read_config(name)
    path = BUILT_IN / name / config.get("weights", _config.WEIGHTS)
    size = config["network"]["image_size"]
    return {
        "name": name,
        "image_size": tuple(size) if isinstance(size, list) else (size, size),
        "n": patching_of(config).sampling_divisions(image_shape(config)),
        "licence": config.get("licence"),
        "bytes": path.stat().st_size,
    }
