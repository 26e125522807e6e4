"""Measures a network in a subprocess.

The subprocess runs `main`. It receives the network's architecture and returns the
report as JSON files in a temporary folder.
"""

import dataclasses
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import keras

from keras_patchdpm.memory._peak import backend_module
from keras_patchdpm.memory.report import ProfileReport

START = f"import sys; from {__name__} import main; main(sys.argv[1])"
REQUEST, RESULT = "request.json", "result.json"


def profile(network, options, environment):
    """Runs `keras_patchdpm.memory.profile` of a network in a subprocess.

    Args:
        network: Functional `keras.Model`.
        options: Dict of arguments of `profile`, plain data.
        environment: Dict of environment variables for the subprocess.

    Returns:
        `ProfileReport`.

    Raises:
        RuntimeError: If the subprocess failed.
    """
    request = {"network": network.to_json(), "modules": _modules(network), **options}
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, REQUEST).write_text(json.dumps(request))
        done = subprocess.run(
            [sys.executable, "-c", START, folder],
            cwd=folder,
            env=_environment(environment),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(
                "The subprocess that measures memory failed. It rebuilds the network "
                "from its architecture: your own classes must be registered with "
                "`keras.saving.register_keras_serializable` in a module that can be "
                "imported (not in a notebook or the script that runs), and `Lambda` "
                "layers are not supported. Or measure in this process, with "
                f"`isolated=False`. {_end_of(done)}"
            )
        report = json.loads(pathlib.Path(folder, RESULT).read_text())
    report = ProfileReport.from_dict(report)
    settings = " ".join(f"{key}={value}" for key, value in environment.items())
    note = f"Measured in a subprocess{settings and ', with ' + settings}."
    measured = dataclasses.replace(
        report.measured, notes=(*report.measured.notes, note)
    )
    return dataclasses.replace(report, measured=measured)


def _environment(own):
    """The environment of this process, with its backend and import path, and `own`."""
    root = pathlib.Path(__file__).parents[2]
    path = [entry or os.getcwd() for entry in (*sys.path, str(root))]
    return {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **os.environ,
        "KERAS_BACKEND": keras.backend.backend(),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
        **own,
    }


def _modules(network):
    """Modules of the user's layers, which the subprocess imports before it builds."""
    modules = {type(layer).__module__ for layer in _layers(network)}
    return sorted(
        module
        for module in modules
        if module.split(".")[0] not in ("keras", "keras_patchdpm", "__main__")
    )


def _layers(layer):
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)


def _end_of(done, count=3):
    """The last lines of a failed subprocess, and the signal that ended it."""
    lines = done.stderr.strip().splitlines()[-count:]
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        lines.append(f"It was ended by {name}: memory may have run out.")
    return f"It said: {' / '.join(lines) or f'nothing (status {done.returncode})'}"


def main(folder):
    """Runs in the subprocess: reads the request in `folder`, writes the report."""
    from keras_patchdpm.memory._profile import measure

    backend_module().prepare()
    request = json.loads(pathlib.Path(folder, REQUEST).read_text())
    for module in request.pop("modules"):
        importlib.import_module(module)
    network = keras.models.model_from_json(request.pop("network"))
    report = measure(network, **request)
    pathlib.Path(folder, RESULT).write_text(json.dumps(report.to_dict()))
