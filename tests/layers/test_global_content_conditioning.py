import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import GlobalContentConditioning
from keras_patchdpm.testing import check_layer


def test_contract(rng):
    noisy = rng.normal(size=(2, 4, 2, 3)).astype("float32")
    content = rng.normal(size=(2, 8, 6, 3)).astype("float32")
    check_layer(
        GlobalContentConditioning, noisy, content, output_shape=(2, 4, 2, 6), rng=rng
    )


def test_the_patch_comes_first_then_the_content(rng):
    noisy = rng.normal(size=(2, 2, 3, 1)).astype("float32")
    image = rng.normal(size=(2, 4, 3, 2)).astype("float32")
    outputs = ops.convert_to_numpy(GlobalContentConditioning()(noisy, image))
    np.testing.assert_array_equal(outputs[..., :1], noisy)
    pooled = (image[:, ::2] + image[:, 1::2]) / 2
    np.testing.assert_allclose(outputs[..., 1:], pooled, atol=1e-6)


def test_pooling_here_is_pooling_before(rng):
    noisy = rng.normal(size=(2, 2, 2, 3)).astype("float32")
    image = rng.normal(size=(2, 4, 6, 3)).astype("float32")
    pooled = image.reshape(2, 2, 2, 2, 3, 3).mean(axis=(2, 4))
    layer = GlobalContentConditioning()
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(noisy, image)),
        ops.convert_to_numpy(layer(noisy, pooled)),
        atol=1e-6,
    )


@pytest.mark.parametrize("size", [(6, 4), (4, 6), (2, 4)])
def test_refuses_content_that_is_no_multiple(size):
    patch, content = np.zeros((1, 4, 4, 3)), np.zeros((1, *size, 3))
    message = "content. must have.*4x4 pixels, content of {}x{}".format(*size)
    with pytest.raises(ValueError, match=message):
        GlobalContentConditioning()(patch, content)


def test_refuses_another_rank():
    flat, map_ = np.zeros((1, 4)), np.zeros((1, 4, 4, 3))
    with pytest.raises(ValueError, match="`noisy` must have the shape"):
        GlobalContentConditioning()(flat, map_)
    with pytest.raises(ValueError, match=r"`content` must have .*shape=\(1, 4\)"):
        GlobalContentConditioning()(map_, flat)
