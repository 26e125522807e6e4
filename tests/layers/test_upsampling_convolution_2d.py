import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import UpsamplingConvolution2D
from keras_patchdpm.testing import check_layer, randomise


def test_contract(rng):
    features = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    make = functools.partial(UpsamplingConvolution2D, filters=6)
    check_layer(make, features, output_shape=(2, 6, 10, 6), rng=rng)


def test_it_is_the_transposed_convolution_of_keras(rng):
    features = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    ours = UpsamplingConvolution2D(6)
    theirs = keras.layers.Conv2DTranspose(
        6, 4, strides=2, padding="same", data_format="channels_last"
    )
    for layer in (ours, theirs):
        layer.build(features.shape)
    randomise(ours, rng)
    theirs.set_weights(ours.get_weights())
    expected, outputs = (
        ops.convert_to_numpy(layer(features)) for layer in (theirs, ours)
    )
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5)


def test_refuses():
    with pytest.raises(ValueError, match="`filters` must be at least 1"):
        UpsamplingConvolution2D(0)
