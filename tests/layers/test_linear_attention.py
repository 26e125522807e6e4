import functools

import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import LinearAttention
from keras_patchdpm.testing import check_layer, randomise


def test_contract(rng):
    make = functools.partial(LinearAttention, num_heads=2, head_size=4)
    features = rng.normal(size=(2, 4, 6, 5)).astype("float32")
    check_layer(make, features, output_shape=(2, 4, 6, 5), rng=rng)


def test_each_head_sums_the_image_up_in_one_matrix(rng):
    features = rng.normal(size=(2, 3, 5, 6)).astype("float32")
    layer = LinearAttention(num_heads=2, head_size=4)
    layer.build(features.shape)
    randomise(layer, rng)
    qkv_kernel, out_kernel, out_bias = layer.get_weights()

    expected = np.zeros_like(features)
    for image in range(2):
        pixels = features[image].reshape(15, 6)
        query, key, value = np.split(pixels @ qkv_kernel, 3, axis=-1)
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            q = np.exp(query[:, head])
            k = np.exp(key[:, head])
            q = q / q.sum(axis=1, keepdims=True) / 2  # sqrt(4)
            k = k / k.sum(axis=0, keepdims=True)
            heads.append(q @ (k.T @ value[:, head]))
        out = np.concatenate(heads, axis=-1) @ out_kernel + out_bias
        expected[image] = out.reshape(3, 5, 6)

    outputs = ops.convert_to_numpy(layer(features))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_pixels_may_change_their_order(rng):
    features = rng.normal(size=(1, 4, 4, 6)).astype("float32")
    layer = LinearAttention(num_heads=2, head_size=4)
    order = rng.permutation(16)
    moved = features.reshape(1, 16, 6)[:, order].reshape(1, 4, 4, 6)
    outputs = ops.convert_to_numpy(layer(features)).reshape(1, 16, 6)[:, order]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(moved)).reshape(1, 16, 6), outputs, atol=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"num_heads": 0}, ValueError),
        ({"head_size": -1}, ValueError),
        ({"num_heads": 2.5}, TypeError),
    ],
)
def test_refuses(arguments, error):
    with pytest.raises(error, match=f"`{next(iter(arguments))}` must be"):
        LinearAttention(**arguments)
