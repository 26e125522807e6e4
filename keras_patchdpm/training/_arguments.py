"""Validates the arguments of `train`, before anything is written."""

import hashlib

import numpy as np

from keras_patchdpm import _checks, _files
from keras_patchdpm.callbacks import _settings
from keras_patchdpm.datasets._image_folder import as_images
from keras_patchdpm.training.settings import TrainingSettings

_SAMPLE = 256  # Images in the checksum.


def settings(value):
    """Validates `settings`; `None`: the default `TrainingSettings`."""
    value = TrainingSettings() if value is None else value
    if not isinstance(value, TrainingSettings):
        raise TypeError(
            "`settings` must be a `TrainingSettings`, or `None` for the defaults. "
            f"Received: settings={value!r} (of type {type(value).__name__})."
        )
    return value


def config(value):
    """Validates a configuration; returns it with the types of JSON."""
    parts = {"network", "schedule", "patching"}
    if not isinstance(value, dict) or set(value) - {"augmentation"} != parts:
        raise ValueError(
            "`config` must be a dict with `network`, `schedule` and `patching`, and "
            "may have `augmentation`. "
            f"Received: config={value!r}."
        )
    for part, arguments in value.items():
        if not isinstance(arguments, dict) or "name" not in arguments:
            raise ValueError(
                f"`{part}` in `config` must be a dict with a `name` and its arguments. "
                f"Received: {part}={arguments!r}."
            )
    return _settings.plain("config", value)


def images(value, batch_size):
    """Validates images; returns an array with at least one batch."""
    value = as_images("images", value)
    _checks.image_shape("images", value.shape)
    if not len(value):
        raise ValueError(
            "`images` must contain at least one image. Received: images of "
            f"shape={value.shape}."
        )
    if len(value) < batch_size:
        raise ValueError(
            f"There are {len(value)} images, fewer than `batch_size={batch_size}`. Use "
            f"a batch size of at most {len(value)} (`--batch-size`), or more images. "
            f"Received: batch_size={batch_size}."
        )
    return value


def check_size(images, model):
    """Refuses images of another size than those of the model."""
    if tuple(images.shape[1:]) != tuple(model.image_shape):
        raise ValueError(
            f"The model is for images of the shape {tuple(model.image_shape)}. Resize "
            "or crop the images, or change `config`. "
            f"Received: images of the shape {images.shape[1:]}."
        )


def folder(value):
    """Validates a folder: it can be written, or created; returns its path."""
    path = _files.folder_of("folder", value)
    existing = _files.nearest_existing(path)
    if existing != path:
        _files.check_writable(existing / path.relative_to(existing).parts[0])
        return path
    for name in ("backup", "early", "preset"):
        _files.check_is_folder(path / name, "folder", value)
    for name in ("settings.json", "curve.csv"):
        _files.check_writable(path / name)
    return path


def fingerprint(images):
    """The identity of a data set: a dict of shape, dtype and a checksum.

    The checksum is of 256 images, evenly spread, or of all images if there are fewer.
    """
    count = len(images)
    chosen = np.linspace(0, count - 1, min(count, _SAMPLE)).round().astype(int)
    digest = hashlib.sha256()
    for index in chosen:
        digest.update(np.ascontiguousarray(images[index]).tobytes())
    return {
        "shape": list(images.shape),
        "dtype": str(images.dtype),
        "sha256": digest.hexdigest(),
    }
