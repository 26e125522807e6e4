import functools
import warnings

import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import SelfAttention2D
from keras_patchdpm.testing import check_layer, randomise


def test_contract(rng):
    make = functools.partial(SelfAttention2D, num_heads=2, head_size=4)
    features = rng.normal(size=(2, 4, 6, 5)).astype("float32")
    check_layer(make, features, output_shape=(2, 4, 6, 5), rng=rng)


@pytest.mark.parametrize("use_bias", [False, True])
def test_every_pixel_looks_at_every_pixel_of_its_image(rng, use_bias):
    features = rng.normal(size=(2, 3, 5, 6)).astype("float32")
    layer = SelfAttention2D(num_heads=2, head_size=4, use_bias=use_bias)
    layer.build(features.shape)
    randomise(layer, rng, scale=0.7)
    qkv_kernel, *qkv_bias, out_kernel, out_bias = layer.get_weights()
    assert len(qkv_bias) == use_bias

    expected = np.zeros_like(features)
    for image in range(2):
        pixels = features[image].reshape(15, 6)
        query, key, value = np.split(pixels @ qkv_kernel + sum(qkv_bias), 3, axis=-1)
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            weights = np.exp(query[:, head] @ key[:, head].T / 2)  # sqrt(4)
            weights /= weights.sum(axis=1, keepdims=True)
            heads.append(weights @ value[:, head])
        out = np.concatenate(heads, axis=-1) @ out_kernel + out_bias
        expected[image] = out.reshape(3, 5, 6)

    outputs = ops.convert_to_numpy(layer(features))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_a_lone_pixel_looks_at_itself_without_a_warning(rng):
    features = rng.normal(size=(2, 1, 1, 6)).astype("float32")
    layer = SelfAttention2D(num_heads=2, head_size=4)
    layer.build(features.shape)
    randomise(layer, rng)
    qkv_kernel, out_kernel, out_bias = layer.get_weights()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "You are using a softmax")
        outputs = ops.convert_to_numpy(layer(features))
    expected = features @ qkv_kernel[:, 16:] @ out_kernel + out_bias
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


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
        SelfAttention2D(**arguments)
