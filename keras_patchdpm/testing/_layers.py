"""`check_layer`: what every layer must do."""

import json
import pathlib
import tempfile

import keras
import numpy as np
from keras import ops

from keras_patchdpm.testing._require import require

POLICIES = ("mixed_bfloat16", "mixed_float16")


def check_layer(make, *inputs, output_shape, rng, output_dtype=None, policies=POLICIES):
    """Checks a layer: shapes, configuration, files and mixed precision.

    Args:
        make: Callable that returns a new layer and accepts Keras' own arguments
            (`name`, `dtype`), for instance `functools.partial(Layer, units=8)`.
        *inputs: NumPy arrays, the call arguments in their order. The first axis is the
            batch.
        output_shape: Tuple. The shape that the layer must return for `inputs`.
        rng: NumPy generator that draws the weights.
        output_dtype: Dtype that the layer returns under every policy, for instance
            `"float32"`. Default `None`: the compute dtype of the policy.
        policies: Names of the mixed precision policies. Default: both of Keras'.

    Returns:
        The layer, built, with random weights.

    Raises:
        AssertionError: If something is wrong with the layer; the message says what.

    Example:

    >>> make = functools.partial(layers.PositionOneHotEmbedding, num_patches=4, units=8)
    >>> index = np.array([0, 3], "int32")
    >>> testing.check_layer(make, index, output_shape=(2, 8), rng=rng)
    """
    layer = make()
    config = layer.get_config()
    _call(layer, inputs)
    randomise(layer, rng)
    expected = _values(_call(layer, inputs))

    require(
        expected.shape == tuple(output_shape),
        f"the output has the shape {expected.shape}, expected {tuple(output_shape)}",
    )
    finite = np.isfinite(expected).all()
    require(
        finite and np.ptp(expected) > 0,
        "the output is constant, or contains NaN or infinity",
    )
    require(layer.get_config() == config, "`build` or `call` changed an argument")
    _check_stated_shape(layer, inputs, output_shape)
    _check_config(make, layer, inputs=inputs, expected=expected)
    _check_file(_check_symbolic(layer, inputs, expected), inputs, expected)
    for policy in policies:
        _check_policy(
            make(dtype=policy),
            layer,
            inputs=inputs,
            expected=expected,
            output_dtype=output_dtype,
        )
    return layer


def randomise(layer, rng, scale=0.3):
    """Draws all float weights of a layer or model from a normal distribution.

    New networks return zeros, because their last layer starts at zero. A comparison of
    two of them would then show nothing.

    Args:
        layer: Built `keras.Layer` or `keras.Model`.
        rng: NumPy generator.
        scale: Number, the standard deviation. Default 0.3.

    Example:

    >>> testing.randomise(model.network, np.random.default_rng(0))
    """
    for weight in layer.weights:
        if "float" in weight.dtype:
            weight.assign(rng.normal(0, scale, weight.shape).astype("float32"))


def _call(layer, inputs):
    return layer(*(ops.convert_to_tensor(value) for value in inputs))


def _values(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def _check_stated_shape(layer, inputs, output_shape):
    """The layer itself states the shape of its output, without being called."""
    stock = keras.layers.Layer.compute_output_shape
    stated = type(layer).compute_output_shape is not stock
    require(stated, "the layer must implement `compute_output_shape`")
    shapes = [value.shape for value in inputs]
    for rows in (output_shape[0], None):
        given = [(rows, *shape[1:]) for shape in shapes]
        found = tuple(layer.compute_output_shape(*given))
        wanted = (rows, *output_shape[1:])
        require(
            found == wanted,
            f"`compute_output_shape` returns {found}, expected {wanted}",
        )


def _check_config(make, layer, *, inputs, expected):
    """`get_config` and Keras' own serialisation give the layer back."""
    named = make(name="own_name").get_config()["name"]
    require(
        named == "own_name",
        f"`get_config` returns the name {named!r}, expected 'own_name'",
    )
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    found = config["registered_name"] or ""
    require(
        found.endswith(f">{type(layer).__name__}"),
        "the class must be registered with `keras.saving.register_keras_serializable` "
        f"under its own name; its registered name is {found!r}",
    )
    for clone in (
        type(layer).from_config(layer.get_config()),
        keras.saving.deserialize_keras_object(config),
    ):
        require(
            type(clone) is type(layer),
            f"the restored layer is a {type(clone).__name__}",
        )
        same = clone.get_config() == layer.get_config()
        require(same, "the restored layer has another configuration")
        _call(clone, inputs)  # Builds it.
        clone.set_weights(layer.get_weights())
        outputs = _values(_call(clone, inputs))
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def _check_symbolic(layer, inputs, expected):
    """A functional model of the layer agrees with it, for any size of batch."""
    symbols = [keras.Input(value.shape[1:], dtype=value.dtype.name) for value in inputs]
    outputs = layer(*symbols)
    symbolic = tuple(outputs.shape)
    wanted = (None, *expected.shape[1:])
    require(
        symbolic == wanted,
        f"the symbolic call returns the shape {symbolic}, expected {wanted}",
    )
    model = keras.Model(symbols, outputs)
    everything = list(range(len(expected)))
    for rows in (everything, everything[:1], everything * 2):
        outputs = model.predict_on_batch([value[rows] for value in inputs])
        np.testing.assert_allclose(outputs, expected[rows], rtol=1e-4, atol=1e-5)
    return model


def _check_file(model, inputs, expected):
    """The model survives a `.keras` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    outputs = loaded.predict_on_batch(list(inputs))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def _check_policy(mixed, layer, *, inputs, expected, output_dtype):
    """Mixed precision: dtypes as stated, float32 weights, similar values."""
    _call(mixed, inputs)
    mixed.set_weights(layer.get_weights())
    outputs = _call(mixed, inputs)
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    name = mixed.dtype_policy.name
    wanted = output_dtype or mixed.compute_dtype
    require(dtype == wanted, f"the output is {dtype} under {name}, expected {wanted}")
    kinds = {weight.dtype for weight in mixed.trainable_weights}
    require(kinds <= {"float32"}, f"weights are {kinds} under {name}, expected float32")
    symbols = [keras.KerasTensor(value.shape, value.dtype.name) for value in inputs]
    stated = mixed(*symbols).dtype
    require(stated == dtype, f"the symbolic call returns {stated}, expected {dtype}")
    tolerance = 0.05 * np.abs(expected).max()
    np.testing.assert_allclose(_values(outputs), expected, rtol=0.05, atol=tolerance)
