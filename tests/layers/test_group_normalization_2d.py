import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import GroupNormalization2D
from keras_patchdpm.testing import check_layer, randomise


def test_contract(rng):
    make = functools.partial(GroupNormalization2D, groups=3)
    features = rng.normal(size=(2, 4, 5, 6)).astype("float32")
    check_layer(make, features, output_shape=(2, 4, 5, 6), rng=rng)


def test_the_same_as_that_of_keras(rng):
    features = rng.normal(2, 3, size=(3, 4, 5, 6)).astype("float32")
    ours = GroupNormalization2D(groups=2)
    theirs = keras.layers.GroupNormalization(groups=2, epsilon=1e-5)
    for layer in (ours, theirs):
        layer.build(features.shape)
    randomise(ours, rng)
    theirs.set_weights(ours.get_weights())
    expected = ops.convert_to_numpy(theirs(features))
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(features)), expected, atol=2e-6
    )
    scale, shift = rng.normal(size=(2, 3, 6)).astype("float32")
    for given in ({"scale": scale}, {"shift": shift}, {"scale": scale, "shift": shift}):
        gain = 1 + given.get("scale", np.zeros((3, 6)))[:, None, None]
        moved = expected * gain + given.get("shift", np.zeros((3, 6)))[:, None, None]
        result = ops.convert_to_numpy(ours(features, **given))
        np.testing.assert_allclose(result, moved, atol=5e-6)


@pytest.mark.parametrize("value", [0.0, 1e4])
def test_a_constant_map_is_normalised_to_the_offset(value):
    """Rounded, a variance of 0 may be below 0: its root would not be a number."""
    features = np.full((1, 8, 8, 4), value, "float32")
    features += np.float32(1e-3 * (value > 0)) * np.eye(8, dtype="float32")[..., None]
    layer = GroupNormalization2D(groups=2)
    assert np.isfinite(ops.convert_to_numpy(layer(features))).all()


def test_half_precision_does_not_overflow(rng):
    features = rng.normal(0, 1000, size=(2, 4, 4, 8)).astype("float16")
    layer = GroupNormalization2D(groups=2, dtype="mixed_float16")
    result = layer(features)
    assert keras.backend.standardize_dtype(result.dtype) == "float16"
    groups = ops.convert_to_numpy(result).astype("float32").reshape(2, 16, 2, 4)
    np.testing.assert_allclose(groups.std((1, 3)), 1, atol=2e-3)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"groups": 0}, ValueError, "`groups`"),
        ({"groups": 2.0}, TypeError, "`groups`"),
        ({"epsilon": 0}, ValueError, "`epsilon`"),
        ({"groups": 4}, ValueError, "must divide the channels.*groups=4, 6 channels"),
    ],
)
def test_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        GroupNormalization2D(**arguments)(np.zeros((1, 2, 2, 6), "float32"))
