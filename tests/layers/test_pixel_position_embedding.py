import keras
import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import PixelPositionEmbedding
from keras_patchdpm.testing import check_layer, randomise


def test_contract(rng):
    features = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    check_layer(PixelPositionEmbedding, features, output_shape=(2, 3, 4, 5), rng=rng)


def test_adds_one_vector_to_each_place(rng):
    features = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    layer = PixelPositionEmbedding()
    layer.build(features.shape)
    randomise(layer, rng)
    (table,) = layer.get_weights()
    assert table.shape == (3, 4, 5)
    outputs = ops.convert_to_numpy(layer(features))
    np.testing.assert_allclose(outputs, features + table, atol=1e-6)


def test_the_initializer_is_kept():
    layer = PixelPositionEmbedding(keras.initializers.Constant(0.5))
    clone = PixelPositionEmbedding.from_config(layer.get_config())
    outputs = ops.convert_to_numpy(clone(np.zeros((1, 2, 2, 1), "float32")))
    np.testing.assert_array_equal(outputs, 0.5)


def test_refuses():
    with pytest.raises(ValueError, match="nonesuch"):
        PixelPositionEmbedding("nonesuch")
    with pytest.raises(ValueError, match="fixed height and width.*None"):
        PixelPositionEmbedding()(keras.Input((None, 4, 5)))
    with pytest.raises(ValueError, match="`x` must have the shape"):
        PixelPositionEmbedding()(np.zeros((2, 5), "float32"))
