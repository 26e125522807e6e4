"""Writes presets."""

import hashlib
import json
import os
import pathlib
import tempfile

from keras_patchdpm import _checks, _files
from keras_patchdpm.networks import int8, tensor_files
from keras_patchdpm.networks.recorded import recorded
from keras_patchdpm.presets import _builders, _config, _hub, _load, _settings
from keras_patchdpm.presets._archives import FORMATS
from keras_patchdpm.presets._blank_weights import blank_weights
from keras_patchdpm.presets._weights import STORAGES, pack

_CARD = """# A patch diffusion model

Written by `PatchDPM.save_to_preset`. SHA-256 of the weights: {sha256}.
"""


def save(folder, config, network, *, card, storage="float16", format="npz"):
    """Writes a preset; replaces one that is in the folder.

    Each weight file has a new name. `config.json`, which contains that name, is written
    last: if the process is stopped, the folder has either the old preset or the new.

    Args:
        folder: Path. The folder is created if it does not exist.
        config: Dict from which `parts` builds `network`, with further records such as
            the licence.
        network: The trained network.
        card: Text of the model card. `{sha256}` in it is replaced by the checksum of
            the weights.
        storage: `"float16"` (the default) or `"int8"`, see `pack`.
        format: `"npz"` (the default) or `"safetensors"`.

    Raises:
        ValueError: If a weight is not finite, or `folder` is a file.
        OSError: If a file cannot be written.
    """
    folder = _files.folder_of("folder", folder)
    _config.check(config)
    content = pack(network, storage, format)
    checksum = hashlib.sha256(content).hexdigest()
    name = f"weights-{checksum[:12]}.{format}"
    config = {**config, "weights": name, "sha256": checksum}
    text = json.dumps(config, indent=2, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    former = _weights_in(folder)
    _files.write(folder / name, content)
    _files.write(folder / "card.md", card.replace("{sha256}", checksum))
    _files.write(folder / _load.CONFIG, text)
    if former not in (None, name) and (folder / former).is_file():
        (folder / former).unlink(missing_ok=True)


def save_model(model, folder, *, card=None, storage="float16", format="npz"):
    """Writes a `PatchDPM` as a preset: see `PatchDPM.save_to_preset`."""
    options = {"card": card, "storage": storage, "format": format}
    if not _hub.is_address(folder):
        _save_model(model, folder, **options)
        return
    _hub.check(folder)
    with tempfile.TemporaryDirectory() as temporary:
        _save_model(model, temporary, **options)
        place = pathlib.Path(temporary)
        card = _hub.model_card((place / "card.md").read_text(), folder)
        _files.write(place / "README.md", card)
        _hub.upload(place, folder)


def _save_model(model, folder, *, card, storage, format):
    path = _files.path_of("folder", folder)
    if os.fspath(folder) in _load.names():
        raise ValueError(
            "That is the name of a built-in preset, which `from_preset` would load "
            f"instead. Choose another folder. Received: folder='{path}'."
        )
    card = _CARD if card is None else card
    _checks.one_of("storage", storage, STORAGES)
    _checks.one_of("format", format, FORMATS)
    if format == "safetensors":
        tensor_files.safetensors()
    if not isinstance(card, str):
        raise TypeError(
            f"`card` must be a string. Received: card={card!r} "
            f"(of type {type(card).__name__})."
        )
    plain, guide = _settings.to_plain(model.sampling)
    config = describe(model)
    if plain:
        config[_config.SAMPLING] = plain
    if guide is not None:
        save(
            path / _settings.GUIDE,
            describe(guide),
            guide.network,
            card=_CARD,
            storage=storage,
            format=format,
        )
    save(path, config, model.network, card=card, storage=storage, format=format)


def describe(model):
    """The configuration of a `PatchDPM`, from which `parts` builds it again.

    Raises:
        ValueError: If the network, schedule or patching is not one of this package.
    """
    network = recorded(model.network)
    if network is None:
        raise ValueError(
            "The network of a preset must be built by `networks.unet` or "
            "`networks.arakawa_unet`. Save a model with another network with "
            "`model.save('model.keras')`. Received: a network named "
            f"{model.network.name!r}, whose arguments are not known."
        )
    config = {
        "network": network,
        "schedule": _builders.named("schedule", _load.SCHEDULES, model.schedule),
        "patching": _builders.named("patching", _load.PATCHINGS, model.patching),
        "latents": model.latents,
        "label_dropout": model.label_dropout,
    }
    if model.augmentation is not None:
        config[_config.AUGMENTATION] = _builders.named(
            _config.AUGMENTATION, _load.AUGMENTATIONS, model.augmentation
        )
    config = json.loads(json.dumps(config))
    with blank_weights():
        built = _load.parts(config)["network"]
    weights = int8.without_scales(model.network)
    expected = {weight.path: weight.shape for weight in weights}
    if {weight.path: weight.shape for weight in built.weights} != expected:
        raise ValueError(
            "The arguments of the network do not describe it: it was changed after it "
            "was built, or was built for another patching than the model's. Build it "
            "with the model's `patching`. Received: a network with the arguments "
            f"{network}."
        )
    return config


def _weights_in(folder):
    """Name of the weight file of the preset in a folder, or `None`."""
    if not (folder / _load.CONFIG).is_file():
        return None
    try:
        config = _config.read(folder / _load.CONFIG)
    except (OSError, ValueError):  # The preset is damaged.
        return None
    return config.get("weights", _config.WEIGHTS)
