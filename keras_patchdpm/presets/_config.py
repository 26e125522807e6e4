"""Reads and validates the `config.json` of a preset, which may be untrusted."""

import json
import math
import re

from keras_patchdpm import _checks
from keras_patchdpm.presets import _settings

MOST_BYTES = 2**20
MOST_BETAS = 10_000  # The longest `beta_schedule`.
WEIGHTS = "weights.npz"  # If the configuration names no other file.
PARTS = ("network", "schedule", "patching")
OPTIONS = ("label_dropout", "latents")  # Arguments of `PatchDPM`.
AUGMENTATION = "augmentation"
SAMPLING = "sampling"  # Arguments of `PatchSampler`.
RECORDS = ("training", "licence", "weights", "sha256")


def read(path):
    """Reads the configuration in a file, a dict.

    Args:
        path: `Path` of a `config.json`.

    Raises:
        ValueError: If the file is not JSON, or not the configuration of a preset.
    """
    try:
        config = read_json(path)
        check(config)
        _check_records(config)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is not the configuration of a preset. Correct the file, or copy "
            f"the folder again. The error is: {error}"
        ) from error
    return config


def read_json(path):
    """Reads JSON of at most `MOST_BYTES`.

    Args:
        path: `Path` of the file.

    Raises:
        ValueError: If the file is larger, or is not JSON of finite numbers.
    """
    with open(path, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"The file has more than {MOST_BYTES} bytes.")
    try:
        return json.loads(content, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("The file has too many brackets inside brackets.") from error


def check(config):
    """Validates the keys of a configuration.

    Raises:
        TypeError: If the configuration, or one of its parts, is no dict.
        ValueError: If a key is missing or unknown.
    """
    _check_dict("config", config)
    missing = [key for key in PARTS if key not in config]
    known = (*PARTS, AUGMENTATION, *OPTIONS, SAMPLING, *RECORDS)
    unknown = [key for key in config if key not in known]
    if missing or unknown:
        raise ValueError(
            f"A configuration must have the keys {', '.join(PARTS)}, and may have "
            f"{', '.join(known[len(PARTS) :])}. Missing: {missing or 'none'}. Unknown: "
            f"{unknown[:20] or 'none'}. Received: {list(config)[:20]}."
        )
    optional = [key for key in (AUGMENTATION, "training") if key in config]
    for key in (*PARTS, *optional):
        _check_dict(key, config[key])
    image_shape(config)
    if SAMPLING in config:
        _settings.check(config[SAMPLING])
    if "latents" in config:
        _checks.boolean("latents", config["latents"])
    if "label_dropout" in config:
        _checks.real("label_dropout", config["label_dropout"], minimum=0, maximum=1)
    seen = config.get("training", {}).get("patches_seen", 0)
    _checks.integer("patches_seen", seen, minimum=0)


def image_shape(config):
    """`(height, width, channels)` of the images that a configuration describes."""
    network = config["network"]
    size = _checks.pair("image_size", network.get("image_size"))
    return (*size, _checks.positive_int("channels", network.get("channels", 3)))


def _check_records(config):
    """Validates the name and checksum of the weight file, and the licence."""
    sha256, weights = config.get("sha256"), config.get("weights", WEIGHTS)
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(
            f"`sha256` must be 64 hexadecimal digits. Received: sha256={sha256!r}."
        )
    if not isinstance(weights, str) or not re.fullmatch(
        r"[\w-]+\.(npz|safetensors)", weights
    ):
        raise ValueError(
            "`weights` must be the name of a .npz or .safetensors file in the same "
            "folder. "
            f"Received: weights={weights!r}."
        )
    if not isinstance(config.get("licence", ""), str):
        raise TypeError(
            f"`licence` must be a string. Received: licence={config['licence']!r}."
        )


def _check_dict(name, value):
    if not isinstance(value, dict):
        raise TypeError(
            f"`{name}` must be a dict. Received: {name}={value!r:.200} "
            f"(of type {type(value).__name__})."
        )


def _refuse_constant(text):
    raise ValueError(f"Numbers must be finite. Received: {text}.")


def _finite(text):
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)
