"""Networks with int8 kernels: the same layers, with a scale for each output channel."""

import functools
import math

import keras
import numpy as np
import pytest
from keras import layers

import keras_patchdpm as kp
from keras_patchdpm.models._precision import precision
from keras_patchdpm.networks import int8
from keras_patchdpm.networks.int8_layers import Int8Conv2D, Int8Dense
from keras_patchdpm.networks.recorded import recorded
from keras_patchdpm.testing import check_layer

CONVOLUTIONS = [
    {"kernel_size": 3, "padding": "same", "activation": "silu"},
    {"kernel_size": (4, 2), "strides": 2, "padding": "same", "use_bias": False},
    {"kernel_size": (2, 3), "strides": (2, 1)},
]
DENSE = [{"activation": "silu"}, {"use_bias": False}]
LAYERS = [
    *(functools.partial(layers.Conv2D, 5, **options) for options in CONVOLUTIONS),
    *(functools.partial(layers.Dense, 5, **options) for options in DENSE),
]
KINDS = {layers.Conv2D: Int8Conv2D, layers.Dense: Int8Dense}


@pytest.mark.parametrize("make", LAYERS)
def test_a_layer_computes_as_that_of_keras(make, rng):
    x = rng.standard_normal((2, 7, 6, 3)).astype("float32")
    layer = make(name="one")
    expected_shape = layer(x).shape
    replaced = KINDS[type(layer)].like(layer)
    assert tuple(replaced(x).shape) == replaced.compute_output_shape(x.shape)
    ints = rng.integers(-127, 128, layer.kernel.shape)
    scale = rng.uniform(0.001, 0.01, 5).astype("float32")
    layer.kernel.assign(ints * scale)
    replaced.kernel.assign(ints)
    replaced.scale.assign(scale)
    if layer.use_bias:
        layer.bias.assign(rng.standard_normal(5))
        replaced.bias.assign(layer.bias)
    expected, result = map(keras.ops.convert_to_numpy, (layer(x), replaced(x)))
    assert result.shape == tuple(expected_shape)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)
    paths = [weight.path for weight in layer.weights]
    assert [one.path for one in replaced.weights if one.path in paths] == paths
    assert not replaced.trainable_variables


def test_contracts(rng):
    """The kernels are zero, and the outputs those of the bias."""
    x = rng.standard_normal((2, 6, 5, 3)).astype("float32")
    make = functools.partial(Int8Conv2D, 4, (3, 2), strides=(2, 1), activation="tanh")
    layer = check_layer(make, x, output_shape=(2, 2, 4, 4), rng=rng)
    assert layer.kernel.dtype == "int8"
    make = functools.partial(Int8Dense, 4, activation="tanh")
    check_layer(make, x, output_shape=(2, 6, 5, 4), rng=rng)


@pytest.mark.once
def test_of_images_of_any_size():
    layer = Int8Conv2D(4, (3, 3), strides=(2, 2), padding="same")
    assert layer.compute_output_shape((None, None, 7, 3)) == (None, None, 4, 4)


@pytest.mark.once
@pytest.mark.parametrize("storage", [None, "int8"])
def test_large_kernels_are_replaced(storage):
    with precision(None, storage):
        network = kp.networks.arakawa_unet(16, 2, dim=32, multipliers=(1, 2))
        narrow = int8.with_int8_kernels(network)
    assert recorded(narrow) == recorded(network)
    assert (narrow.name, list(narrow.input)) == (network.name, list(network.input))
    assert [one.name for one in narrow.layers] == [one.name for one in network.layers]
    kinds = set()
    for one, other in zip(network.layers, narrow.layers, strict=True):
        large = type(one) in KINDS and math.prod(one.kernel.shape) >= 4096
        kinds.add((type(one), large))
        assert type(other) is (KINDS[type(one)] if large else type(one))
        assert other.dtype_policy.variable_dtype == one.dtype_policy.variable_dtype
        assert other.output.shape == one.output.shape
    assert {(kind, large) for kind in KINDS for large in (False, True)} <= kinds
    shapes = [
        {weight.path: tuple(weight.shape) for weight in weights}
        for weights in (network.weights, int8.without_scales(narrow))
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.once
def test_the_same_ints_again(rng):
    array = rng.standard_normal((3, 3, 20, 40)).astype("float32")
    array[..., 7] = 0
    ints, scale = int8.quantised(array)
    assert (
        np.abs(ints).max(axis=(0, 1, 2)) == np.where(np.arange(40) == 7, 0, 127)
    ).all()
    assert (scale > 0).all()
    assert (np.abs(ints * scale - array) <= 0.5001 * scale).all()
    np.testing.assert_array_equal(int8.quantised(ints * scale)[0], ints)
