"""Starts a training from the weights of a preset."""

import warnings

from keras_patchdpm import networks, presets
from keras_patchdpm.callbacks import _settings


def from_preset(preset, config, network):
    """Loads the weights of `preset` into `network`.

    Args:
        preset: Name or folder, or `None` for no preset.
        config: Dict, the argument `config` of `train`.
        network: The network of that configuration.

    Returns:
        Int, the number of patches that the preset was trained on: 0 if it was trained
        on whole images, and `config` has patches.

    Raises:
        ValueError: If the preset has another network; the message lists the settings
            that differ.
    """
    if preset is None:
        return 0
    folder = presets.find(preset)
    found = presets.read_config(folder)
    if _is_of_whole_images(found, config):
        source = presets.load(folder)["network"]
        networks.start_from(network, source)
        return 0
    differences = _settings.differences(
        presets.with_defaults(found), presets.with_defaults(config)
    )
    try:
        presets.load_weights(network, folder)
    except ValueError as error:
        if not differences:
            raise
        raise ValueError(
            "The preset in `start_from` has another network than `config`. "
            f"{_listed(differences)}. Train with the preset's settings, or leave "
            "`start_from` out. "
            f"Received: start_from={preset!r}. ({error})"
        ) from error
    if differences:
        warnings.warn(
            "The preset in `start_from` was trained with other settings. "
            f"{_listed(differences)}. Received: start_from={preset!r}.",
            stacklevel=3,
        )
    return found.get("training", {}).get("patches_seen", 0)


def _is_of_whole_images(found, config):
    """Whether a preset's network is that of `config`, but without patches."""
    whole = {"name": "WholeImage"}
    one, other = (
        {**presets.with_defaults(each)["network"], "image_size": None}
        for each in (found, config)
    )
    return found["patching"] == whole != config["patching"] and one == other


def _listed(differences):
    return "; ".join(
        f"{name}: the preset has {one}, this call has {other}"
        for name, one, other in differences
    )
