import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_patchdpm.layers import TimestepEmbedding
from keras_patchdpm.testing import check_layer


def test_contract(rng):
    make = functools.partial(TimestepEmbedding, dim=16, max_period=500.0)
    timestep = np.array([0, 7, 999], "int32")
    check_layer(make, timestep, output_shape=(3, 16), rng=rng, output_dtype="float32")


def test_sines_then_cosines_of_geometric_frequencies():
    timestep = np.array([0, 1, 250, 999])
    frequencies = np.exp(-np.log(10_000) * np.arange(4) / 3)
    angles = timestep[:, None] * frequencies
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    outputs = ops.convert_to_numpy(TimestepEmbedding(8)(timestep))
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


def test_cosines_first_and_higher_frequencies():
    timestep = np.array([0, 1, 250, 999])
    angles = timestep[:, None] * np.exp(-np.log(10_000) * np.arange(4) / 4)
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    layer = TimestepEmbedding(8, freq_shift=0, flip_sin_to_cos=True)
    outputs = ops.convert_to_numpy(layer(timestep))
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_tells_999_from_1000_in_mixed_precision(policy):
    """As one number in 16 bits they would have one embedding."""
    exact = ops.convert_to_numpy(TimestepEmbedding(16)(np.array([999, 1000])))
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((), dtype="int32")
    model = keras.Model(inputs, TimestepEmbedding(16)(inputs))
    outputs = model.predict_on_batch(np.array([999, 1000], "int32"))
    assert np.abs(outputs[0] - outputs[1]).max() > 0.5
    np.testing.assert_allclose(outputs, exact, atol=1e-4)


def test_tells_all_timesteps_apart():
    outputs = ops.convert_to_numpy(TimestepEmbedding(16)(np.arange(1001)))
    assert np.abs(np.diff(outputs, axis=0)).max(axis=1).min() > 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dim": 7}, ValueError, "`dim` must be even. Received: dim=7"),
        ({"dim": 2}, ValueError, "`dim` must be at least 4"),
        ({"dim": 8.0}, TypeError, "`dim` must be an int"),
        ({"dim": 8, "max_period": 0.5}, ValueError, "`max_period` must be at least 1"),
        ({"dim": 8, "freq_shift": 2}, ValueError, "`freq_shift` must be in"),
        ({"dim": 8, "flip_sin_to_cos": 1}, TypeError, "`flip_sin_to_cos` must be"),
        ({"dim": 8, "max_period": "1"}, TypeError, "`max_period` must be a number"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        TimestepEmbedding(**arguments)
