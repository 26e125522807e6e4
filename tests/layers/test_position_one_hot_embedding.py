import functools

import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import PositionOneHotEmbedding
from keras_patchdpm.testing import check_layer, randomise


def test_contract(rng):
    make = functools.partial(PositionOneHotEmbedding, num_patches=4, units=8)
    check_layer(make, np.array([0, 3], "int32"), output_shape=(2, 8), rng=rng)


def test_is_a_dense_layer_of_the_one_hot_code(rng):
    layer = PositionOneHotEmbedding(num_patches=6, units=3)
    layer.build((None,))
    randomise(layer, rng)
    kernel, bias = layer.get_weights()
    index = np.array([5, 0, 2, 2, 3], "int32")
    expected = np.eye(6)[index] @ kernel + bias
    np.testing.assert_allclose(ops.convert_to_numpy(layer(index)), expected, atol=1e-6)


def test_the_bias_can_be_left_out():
    first = PositionOneHotEmbedding(num_patches=2, units=3, use_bias=False)
    for layer in (first, PositionOneHotEmbedding.from_config(first.get_config())):
        index = np.array([1, 0], "int32")
        outputs = ops.convert_to_numpy(layer(index))
        (kernel,) = layer.get_weights()
        np.testing.assert_allclose(outputs, kernel[index], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"num_patches": 0, "units": 4}, ValueError),
        ({"units": 0, "num_patches": 4}, ValueError),
        ({"num_patches": 2.0, "units": 4}, TypeError),
        ({"units": True, "num_patches": 4}, TypeError),
    ],
)
def test_refuses(arguments, error):
    with pytest.raises(error, match=f"`{next(iter(arguments))}` must be"):
        PositionOneHotEmbedding(**arguments)
