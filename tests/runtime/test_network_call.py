"""The sampler's call of a network says what Keras' own prediction says."""

import gc
import weakref

import keras
import numpy as np
import pytest
from tiny_models import tiny_network

from keras_patchdpm import CascadePatching, GridPatching, runtime
from keras_patchdpm.networks import arakawa_unet, unet

SMALL = {"width": 8, "multipliers": (1, 2), "blocks_per_depth": 1}


def inputs_of(network, count, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=(count, *x.shape[1:])).astype("float32")
        if keras.backend.is_float_dtype(x.dtype)
        else rng.integers(0, 2, count).astype("int32")
        for name, x in network.input.items()
    }


def randomize(network, seed):
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))


@pytest.mark.parametrize(
    "make",
    [
        lambda: unet(16, GridPatching(2), **SMALL),
        pytest.param(
            lambda: unet(16, CascadePatching(2), stem=2, **SMALL),
            marks=pytest.mark.once,
        ),
        pytest.param(
            lambda: arakawa_unet(16, 2, dim=8, multipliers=(1, 2)),
            marks=pytest.mark.once,
        ),
    ],
)
def test_says_what_keras_says(make):
    network = make()
    call = runtime.network_call(network)
    for seed, count in ((0, 3), (1, 1), (2, 3)):  # Other weights, other sizes.
        randomize(network, seed)
        inputs = inputs_of(network, count, seed)
        expected = network.predict_on_batch(inputs)
        assert np.ptp(expected) > 0.1
        found = call(inputs)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


def test_mixed_precision_stays_mixed():
    keras.config.set_dtype_policy("mixed_bfloat16")
    network = unet(16, GridPatching(2), **SMALL)
    randomize(network, 0)
    inputs = inputs_of(network, 2)
    found = runtime.network_call(network)(inputs)
    np.testing.assert_array_equal(found, network.predict_on_batch(inputs))


def test_what_is_no_keras_model_is_asked_to_predict():
    class Model:
        def predict_on_batch(self, inputs):
            return inputs["noisy"] + 1

    assert runtime.network_call(Model())({"noisy": 1}) == 2


if keras.backend.backend() == "torch":
    from keras_patchdpm.memory import _torch

    def test_traced_once_for_a_network_and_gone_with_it():
        network = tiny_network(GridPatching(2))
        call = runtime.network_call(network)
        assert runtime.network_call(network) is call
        call(inputs_of(network, 2))
        call(inputs_of(network, 2, seed=1))
        call(inputs_of(network, 3))
        assert len(call.graphs) == 2
        gone = weakref.ref(network)
        del network
        gc.collect()
        assert gone() is None

    def test_results_are_freed_after_their_last_use():
        network = unet(32, GridPatching(2), width=16)
        inputs = inputs_of(network, 4)
        call = runtime.network_call(network)
        call(inputs)
        kept = _torch._cpu_bytes(network.predict_on_batch, (inputs,))
        assert _torch._cpu_bytes(call, (inputs,)) < kept / 4

    def test_kernels_are_read_where_they_lie():
        noisy = keras.Input((2, 2, 64), name="noisy")
        conv = keras.layers.Conv2D(64, 3, padding="same", strides=1)
        network = keras.Model({"noisy": noisy}, conv(noisy))
        randomize(network, 0)
        before, inputs = network.get_weights(), inputs_of(network, 1)
        expected = network.predict_on_batch(inputs)
        call = runtime.network_call(network)
        np.testing.assert_allclose(call(inputs), expected, rtol=1e-5, atol=1e-5)
        assert _torch._cpu_bytes(call, (inputs,)) < before[0].nbytes / 4
        for weight, old in zip(network.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, old)

    def test_images_are_not_copied_for_convolutions():
        noisy = keras.Input((32, 32, 16), name="noisy")
        x = keras.layers.Conv2D(16, 3, padding="same")(noisy)
        x = keras.layers.Conv2D(16, 3, padding="same", strides=2)(x)
        network = keras.Model({"noisy": noisy}, x)
        randomize(network, 0)
        inputs = inputs_of(network, 1)
        expected = network.predict_on_batch(inputs)
        call = runtime.network_call(network)
        np.testing.assert_allclose(call(inputs), expected, rtol=1e-5, atol=1e-5)
        (graph,) = call.graphs.values()
        copies = [node for node in graph.graph.nodes if "clone" in str(node.target)]
        assert not copies

    class Asks(keras.layers.Layer):
        """Cannot be traced: it wants to know a value."""

        def call(self, x):
            return x * 2 if float(keras.ops.sum(x)) > 0 else x

    def test_what_cannot_be_traced_is_predicted():
        noisy = keras.Input((4, 4, 1), batch_size=2, name="noisy")
        level = keras.Input((), batch_size=2, dtype="int32", name="timestep")
        layer = Asks()
        layer.compute_output_spec = lambda x: keras.KerasTensor(x.shape, x.dtype)
        network = keras.Model({"noisy": noisy, "timestep": level}, layer(noisy))
        inputs = {
            "noisy": np.ones((2, 4, 4, 1), "float32"),
            "timestep": np.zeros(2, int),
        }
        with pytest.warns(
            RuntimeWarning, match="could not trace the network.*needs more memory"
        ):
            found = runtime.network_call(network)(inputs)
        np.testing.assert_array_equal(found, 2 * inputs["noisy"])
