import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_patchdpm.layers import DepthToSpace, SpaceToDepth
from keras_patchdpm.testing import check_layer

small = st.integers(1, 3)


def test_contract(rng):
    pixels = rng.normal(size=(2, 4, 6, 3)).astype("float32")
    make = functools.partial(SpaceToDepth, block_size=2)
    check_layer(make, pixels, output_shape=(2, 2, 3, 12), rng=rng)
    features = rng.normal(size=(2, 2, 3, 12)).astype("float32")
    make = functools.partial(DepthToSpace, block_size=2)
    check_layer(make, features, output_shape=(2, 4, 6, 3), rng=rng)


def test_the_channels_of_a_block_go_row_by_row():
    pixels = np.arange(1 * 4 * 4 * 2, dtype="float32").reshape(1, 4, 4, 2)
    outputs = ops.convert_to_numpy(SpaceToDepth(2)(pixels))
    block = pixels[0, 2:, :2]  # The lower left.
    expected = [*block[0, 0], *block[0, 1], *block[1, 0], *block[1, 1]]
    np.testing.assert_array_equal(outputs[0, 1, 0], expected)


@settings(max_examples=5)  # JAX compiles anew for each shape.
@given(small, small, small, small)
def test_each_undoes_the_other(block, rows, cols, channels):
    shape = (2, rows * block, cols * block, channels)
    pixels = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    deep = SpaceToDepth(block)(pixels)
    assert tuple(deep.shape) == (2, rows, cols, channels * block**2)
    back = ops.convert_to_numpy(DepthToSpace(block)(deep))
    np.testing.assert_array_equal(back, pixels)


def test_refuses():
    for layer in (SpaceToDepth, DepthToSpace):
        with pytest.raises(ValueError, match="`block_size` must be at least 1"):
            layer(0)
        with pytest.raises(TypeError, match="`block_size` must be an int"):
            layer(2.0)
    with pytest.raises(ValueError, match="4x5 pixels do not divide.*block_size=2"):
        SpaceToDepth(2)(np.zeros((1, 4, 5, 3), "float32"))
    with pytest.raises(ValueError, match="6 channels do not divide.*block_size=2"):
        DepthToSpace(2)(np.zeros((1, 4, 4, 6), "float32"))
