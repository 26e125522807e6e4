"""Writes the networks of a model as files, and compares them with Keras."""

import importlib.util

import keras
import numpy as np

from keras_patchdpm.export import _onnx_weights, _tflite_weights
from keras_patchdpm_edge.runtimes import network_call

SUFFIXES = {"onnx": "onnx", "litert": "tflite"}
# The backends from which Keras exports, and the packages that it needs to do so.
ROUTES = {
    "onnx": {
        "tensorflow": ("onnx", "tf2onnx", "onnxruntime"),
        "torch": ("onnx", "onnxscript", "onnxruntime"),
    },
    "litert": {"tensorflow": ("ai_edge_litert",)},
}
QUANTIZER = "ai_edge_quantizer"
# Largest difference to Keras, as a share of the largest prediction or of 1.
TOLERANCES = {"float32": 1e-4, "float16": 0.02, "int8": 0.2}
CHECKS = 3  # Random inputs with which a file is compared with Keras.


def check_route(runtime, precision):
    """Refuses a backend from which Keras cannot export, and packages that are missing.

    Args:
        runtime: `"onnx"` or `"litert"`.
        precision: Key of `TOLERANCES`.

    Raises:
        ValueError: If the backend of Keras is another one.
        ImportError: If a package is not installed.
    """
    backend, routes = keras.backend.backend(), ROUTES[runtime]
    if backend not in routes:
        raise ValueError(
            f"Models are exported for {runtime} on the backend {' or '.join(routes)}. "
            "Save the model with `model.save_to_preset(folder)`, and export it with "
            f"`KERAS_BACKEND={next(iter(routes))} python -m keras_patchdpm export "
            f"--preset FOLDER --format {runtime}`. Received: backend={backend!r}."
        )
    needed = routes[backend]
    if runtime == "litert" and precision != "float32":
        needed = (*needed, QUANTIZER)
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"The export for {runtime} on {backend} needs packages that are not "
            "installed. Run `pip install 'keras-patchdpm[export]'`. "
            f"Missing: {', '.join(missing)}. Received: precision={precision!r}."
        )


def check_network(network):
    """Refuses what is no Keras network, or computes or stores in few bits.

    Raises:
        TypeError: If it is no `keras.Model`.
        ValueError: If it is not in float32.
    """
    if not isinstance(network, keras.Model):
        raise TypeError(
            "Only the network of a Keras model can be exported. "
            f"Received: network={network!r:.200}."
        )
    kinds = {weight.dtype for weight in network.weights}
    kinds |= {layer.compute_dtype for layer in network.layers}
    if kinds - {"float32"}:
        raise ValueError(
            "The model must be in float32. Load it without `precision` and `storage`, "
            "and choose the `precision` of the export. "
            f"Received: a network in {', '.join(sorted(kinds))}."
        )


def of_fixed_batch(network, rows):
    """The network for batches of `rows` patches."""
    inputs = {
        name: keras.Input(batch_shape=(rows, *x.shape[1:]), dtype=x.dtype, name=name)
        for name, x in network.input.items()
    }
    return keras.Model(inputs, network(inputs), name=network.name)


def write(network, path, *, runtime, precision, sizes, timesteps):
    """Writes a network, and compares the file with Keras on random inputs.

    Args:
        network: `keras.Model` of a fixed batch.
        path: `Path` without suffix.
        runtime: `"onnx"` or `"litert"`.
        precision: Key of `TOLERANCES`, how the weights are stored.
        sizes: Dict of the names of int inputs to the number of their values.
        timesteps: Sequence of values of the input `timestep`.

    Returns:
        The description of the network, a dict.

    Raises:
        RuntimeError: If the file predicts other numbers than Keras.
    """
    path = path.with_suffix(f".{SUFFIXES[runtime]}")
    specs = {
        name: keras.InputSpec(shape=x.shape, dtype=x.dtype, name=name)
        for name, x in network.input.items()
    }
    network.export(str(path), format=runtime, input_signature=[specs], verbose=False)
    stores = {"onnx": _onnx_weights.store, "litert": _tflite_weights.store}
    stores[runtime](path, precision)
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "inputs": {
            name: {"shape": list(spec.shape), "dtype": spec.dtype}
            for name, spec in specs.items()
        },
        "difference": _compare(
            network,
            network_call(path, runtime),
            path=path,
            precision=precision,
            sizes=sizes,
            timesteps=timesteps,
        ),
    }


def _compare(network, call, *, path, precision, sizes, timesteps):
    """The largest difference of the file's predictions to those of Keras, a float."""
    rng = np.random.default_rng(0)
    largest = 0.0
    for timestep in np.resize(np.array(timesteps), CHECKS):
        inputs = {
            name: _random(rng, x, sizes.get(name, 1))
            for name, x in network.input.items()
        }
        inputs["timestep"] = np.full_like(inputs["timestep"], timestep)
        wanted = keras.ops.convert_to_numpy(network(inputs, training=False))
        found = call({name: inputs[name] for name in call.inputs})
        scale = max(np.abs(wanted).max(), 1.0)
        largest = max(largest, float(np.abs(found - wanted).max() / scale))
    if not largest <= TOLERANCES[precision]:
        raise RuntimeError(
            f"The exported file {path.name} predicts other numbers than Keras: the "
            f"largest difference is {largest:.2g}, and {TOLERANCES[precision]} is "
            'allowed. Choose precision="float32", or export on another backend. '
            f"Received: precision={precision!r}."
        )
    return largest


def _random(rng, spec, size):
    """Random values of an input of the network; ints are below `size`."""
    if "int" in spec.dtype:
        return rng.integers(0, size, spec.shape).astype(spec.dtype)
    return rng.standard_normal(spec.shape, "float32")


def sizes_of(model):
    """Dict of the names of a model's int inputs to the number of their values.

    Args:
        model: `TiledModel`.
    """
    specs = model.patching.input_specs(model.image_shape)
    sizes = {name: spec.size for name, spec in specs.items() if spec.size}
    if model.num_classes is not None:
        sizes["label"] = model.num_classes + 1
    return sizes
