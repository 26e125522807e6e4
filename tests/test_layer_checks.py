"""The battery for layers refuses what is wrong with a layer."""

import functools

import keras
import numpy as np
import pytest

from keras_patchdpm.testing import check_layer

pytestmark = pytest.mark.once


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class Sound(keras.layers.Layer):
    def __init__(self, units=5, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units))

    def call(self, x):
        return keras.ops.matmul(x, self.kernel)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Unregistered(Sound):
    pass


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class ForgetsConfig(Sound):
    def get_config(self):
        return keras.layers.Layer.get_config(self)


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class ChangesArgument(Sound):
    def build(self, input_shape):
        super().build(input_shape)
        self.units = float(self.units) + 0.5

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], int(self.units))


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class StatesWrongShape(Sound):
    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class StatesNoShape(Sound):
    compute_output_shape = keras.layers.Layer.compute_output_shape


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class MixesBatch(Sound):
    def call(self, x):
        return super().call(x - keras.ops.mean(x, axis=0))


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class AlwaysFloat32(Sound):
    def call(self, x):
        return keras.ops.cast(super().call(x), "float32")


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class StatedFloat32(AlwaysFloat32):
    def compute_output_spec(self, x):
        return keras.KerasTensor(self.compute_output_shape(x.shape), "float32")


@keras.saving.register_keras_serializable(package="keras_patchdpm")
class Trivial(Sound):
    def call(self, x):
        return 0 * super().call(x)


def _check(layer, rng, **options):
    x = rng.normal(size=(2, 4)).astype("float32")
    make = functools.partial(layer, units=3)
    return check_layer(make, x, output_shape=(2, 3), rng=rng, **options)


def test_a_sound_layer_passes(rng):
    assert np.ptp(_check(Sound, rng).get_weights()[0]) > 0


def test_a_stated_dtype_passes(rng):
    _check(StatedFloat32, rng, output_dtype="float32")


def test_a_dtype_that_is_stated_wrongly_fails(rng):
    with pytest.raises(AssertionError, match="the symbolic call returns .*float16"):
        _check(AlwaysFloat32, rng, output_dtype="float32")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Unregistered, "register_keras_serializable"),
        (ForgetsConfig, "shape"),
        (ChangesArgument, "changed an argument"),
        (StatesWrongShape, r"\(2, 4\)"),
        (StatesNoShape, "must implement `compute_output_shape`"),
        (MixesBatch, "Mismatched elements"),
        (AlwaysFloat32, "mixed_bfloat16"),
        (Trivial, "the output is constant"),
    ],
)
def test_a_broken_layer_fails(layer, message, rng):
    with pytest.raises((AssertionError, ValueError), match=message):
        _check(layer, rng)
