import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_patchdpm.layers import LabelEmbedding
from keras_patchdpm.layers.label_embedding import classes_of
from keras_patchdpm.testing import check_layer, randomise


def test_contract(rng):
    make = functools.partial(LabelEmbedding, num_classes=3, units=8)
    check_layer(make, np.array([0, 3], "int32"), output_shape=(2, 8), rng=rng)


def test_each_class_has_a_vector_and_so_has_no_label(rng):
    layer = LabelEmbedding(num_classes=2, units=3)
    layer.build((None,))
    randomise(layer, rng)
    (kernel,) = layer.get_weights()
    assert kernel.shape == (3, 3)
    labels = np.array([2, 0, 1, 1], "int32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(labels)), kernel[labels])


def test_zeros_have_no_influence():
    layer = LabelEmbedding(num_classes=2, units=3, initializer="zeros")
    assert not ops.convert_to_numpy(layer(np.array([0, 2], "int32"))).any()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"num_classes": 0, "units": 4}, ValueError),
        ({"units": 0, "num_classes": 4}, ValueError),
        ({"num_classes": 2.0, "units": 4}, TypeError),
        ({"units": True, "num_classes": 4}, TypeError),
        ({"initializer": "ones and zeros", "num_classes": 4, "units": 4}, ValueError),
    ],
)
def test_refuses(arguments, error):
    with pytest.raises(error, match=f"`{next(iter(arguments))}` must be"):
        LabelEmbedding(**arguments)


def test_a_network_says_how_many_classes_it_knows():
    label = keras.Input((), dtype="int32", name="label")
    network = keras.Model({"label": label}, LabelEmbedding(7, 4)(label))
    assert classes_of(network) == 7
    outer = keras.Model({"label": label}, layers.Dense(2)(network({"label": label})))
    assert classes_of(outer) == 7
    other = keras.Model({"label": label}, layers.Embedding(7, 4)(label))
    with pytest.raises(ValueError, match="`layers.LabelEmbedding`"):
        classes_of(other)
    noisy = keras.Input((4, 4, 3), name="noisy")
    assert classes_of(keras.Model({"noisy": noisy}, layers.Dense(2)(noisy))) is None
