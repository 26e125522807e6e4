"""Chooses a backend that is installed, before Keras is imported.

If no backend is configured, Keras uses TensorFlow, and fails if it is not installed.
This package accepts any of the three backends, configured or not.
"""

import importlib.util
import json
import os
import pathlib
import sys

SUPPORTED = ("tensorflow", "jax", "torch")  # In the order of preference.


def choose(environment, saved, installed):
    """Returns the backend to use.

    Args:
        environment: String or `None`. The value of `KERAS_BACKEND`.
        saved: String or `None`. The `"backend"` in the configuration file of Keras.
            `"tensorflow"` counts as no choice, since Keras itself writes that value.
        installed: Collection of strings. The names in `SUPPORTED` that can be
            imported.

    Returns:
        String, one of `SUPPORTED`.

    Raises:
        ImportError: If the backend is unsupported, or is not installed.

    Example:

    >>> choose(environment=None, saved="tensorflow", installed=["jax"])
    'jax'
    """
    if environment:
        return _check(environment, "KERAS_BACKEND", installed)
    if saved and saved != "tensorflow":
        return _check(saved, "the configuration file of Keras", installed)
    for name in SUPPORTED:
        if name in installed:
            return name
    raise ImportError(
        "keras_patchdpm needs TensorFlow, JAX or PyTorch, and none of them is "
        "installed. Install one: `pip install keras-patchdpm[tensorflow]`, "
        "`pip install keras-patchdpm[jax]` or `pip install keras-patchdpm[torch]`."
    )


def _check(name, source, installed):
    if name not in SUPPORTED:
        raise ImportError(
            f"keras_patchdpm runs on the backends {', '.join(SUPPORTED)}. Set the "
            "environment variable `KERAS_BACKEND` to one of them before Keras is "
            f"imported. Received: backend={name!r} (from {source})."
        )
    if name not in installed:
        raise ImportError(
            f"The backend {name} is not installed. Install it with "
            f"`pip install keras-patchdpm[{name}]`, or set the environment variable "
            f"`KERAS_BACKEND` to an installed backend "
            f"(installed: {', '.join(installed) or 'none'}). "
            f"Received: backend={name!r} (from {source})."
        )
    return name


def _saved():
    """The backend in the configuration file of Keras, or `None`."""
    home = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    try:
        config = json.loads((home / "keras.json").read_text())
    except (OSError, ValueError):  # Keras ignores such a file as well.
        return None
    return config.get("backend")


def _set_backend():
    """Sets `KERAS_BACKEND`; if Keras is imported already, validates its backend."""
    installed = [name for name in SUPPORTED if importlib.util.find_spec(name)]
    keras = sys.modules.get("keras")
    if keras is None:
        name = choose(os.environ.get("KERAS_BACKEND"), _saved(), installed)
        os.environ["KERAS_BACKEND"] = name
    else:
        _check(keras.config.backend(), "Keras, which is already imported", installed)


_set_backend()
