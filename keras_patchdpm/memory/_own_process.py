"""Measures a network call or a training step in a subprocess.

The subprocess runs `main`. It receives the configuration of the network or of the model
and returns the report, both as JSON files in a temporary folder.
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
# Policies that Keras rebuilds by their name.
_BY_NAME = (keras.DTypePolicy, keras.dtype_policies.FloatDTypePolicy)


def profile(request, modules, environment):
    """Runs `keras_patchdpm.memory.profile` in a subprocess.

    Args:
        request: Dict of plain data: `network`, which `described` returns, or `model`,
            the configuration of a `PatchDPM`; and the arguments of `measure`.
        modules: List of modules that define the user's classes.
        environment: Dict of environment variables for the subprocess.

    Returns:
        `ProfileReport`.

    Raises:
        RuntimeError: If the subprocess failed.
    """
    request = {**request, "modules": modules}
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
                "The subprocess that measures memory failed. It rebuilds the model "
                "from its configuration: your own classes must be registered with "
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


def described(network):
    """The architecture of a network as plain data, which `rebuilt` accepts.

    Keras rebuilds a layer with the policy that has the name of the layer's own. The
    policies that would be lost are kept beside it: those of weights that are stored
    narrow.
    """
    policies = {
        layer.name: keras.saving.serialize_keras_object(layer.dtype_policy)
        for layer in _layers(network)
        if type(layer.dtype_policy) not in _BY_NAME
    }
    return {"architecture": network.to_json(), "policies": policies}


def rebuilt(description):
    """The network of a result of `described`, with new weights."""
    network = keras.models.model_from_json(description["architecture"])
    policies = description["policies"]
    if not policies:
        return network

    def clone(layer):
        config = layer.get_config()
        if layer.name in policies:
            policy = keras.saving.deserialize_keras_object(policies[layer.name])
            config["dtype"] = policy
        return type(layer).from_config(config)

    return keras.models.clone_model(network, clone_function=clone)


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


def modules(network, *others):
    """Modules of the user's classes, which the subprocess imports before it builds.

    Args:
        network: Functional `keras.Model`.
        *others: Further objects that are rebuilt there, such as an optimizer.

    Returns:
        List of strings.
    """
    modules = {type(one).__module__ for one in (*_layers(network), *others)}
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
    from keras_patchdpm.memory import _profile, _training

    backend_module().prepare()
    request = json.loads(pathlib.Path(folder, REQUEST).read_text())
    for module in request.pop("modules"):
        importlib.import_module(module)
    if "model" in request:
        report = _training.measure(request.pop("model"), **request)
    else:
        report = _profile.measure(rebuilt(request.pop("network")), **request)
    pathlib.Path(folder, RESULT).write_text(json.dumps(report.to_dict()))
