"""Mixed precision: the network's policy is the model's."""

import keras
import numpy as np
import pytest
import tiny_models
from tiny_models import state, tiny_images, tiny_model, train

from keras_patchdpm import (
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    PatchDPM,
    WholeImage,
    networks,
)
from keras_patchdpm.layers import TimestepEmbedding

SMALL = {"width": 8, "multipliers": (1,), "blocks_per_depth": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype", ["bfloat16", pytest.param("float16", marks=pytest.mark.once)]
)
def test_mixed_precision(dtype, tmp_path):
    """The library's own network, with attention; float16 scales its loss."""
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    patching = GridPatching(2)
    network = networks.unet(8, patching, attention_depths=(0,), **SMALL)
    keras.config.set_dtype_policy("float32")
    model = PatchDPM(network, DDPMSchedule(prediction="velocity"), patching)
    assert model.dtype_policy.name == f"mixed_{dtype}"
    optimizer = keras.optimizers.Adam(0.03, use_ema=True, ema_momentum=0.5)
    model.compile(optimizer=optimizer)
    images = tiny_images(16)
    before = model.evaluate(images, verbose=0)
    train(model, images, epochs=12)
    assert model.evaluate(images, verbose=0) < 0.9 * before

    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (dtype == "float16")
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.network.get_layer("first").compute_dtype == dtype
    with model.ema_weights():
        assert np.isfinite(model.evaluate(images, verbose=0))

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.dtype_policy.name == f"mixed_{dtype}"
    assert type(loaded.optimizer) is type(model.optimizer)
    for one, other in zip(state(loaded), state(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_level_is_told_exactly():
    """A timestep of 999 is none of bfloat16's numbers: it stays an int."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    patching = GridPatching(2)
    inputs = {
        name: keras.Input(shape, dtype=dtype, name=name)
        for name, (shape, dtype, *_) in patching.input_specs((8, 8, 3)).items()
    }
    inputs["timestep"] = keras.Input((), dtype="int32", name="timestep")
    told = keras.layers.Reshape((1, 1, 1), dtype="int32")(inputs["timestep"])
    output = keras.layers.Lambda(
        lambda x: keras.ops.cast(x, "float32") + keras.ops.zeros((1, 4, 4, 3)),
        output_shape=(4, 4, 3),
        dtype="float32",
    )(told)
    model = PatchDPM(keras.Model(inputs, output), DDPMSchedule(), patching)
    prepared, _, _ = model.prepare(tiny_images(6), model.seed_generator)
    given = keras.ops.convert_to_numpy(prepared["timestep"])
    found = keras.ops.convert_to_numpy(model(prepared))
    assert given.max() > 256 and prepared["noisy"].dtype != "bfloat16"
    assert (found[:, 0, 0, 0] == given).all()


LEVELS = (0.16229883, -0.38802868)  # None of them is a number of 16 bits.


@keras.saving.register_keras_serializable(package="tests")
class FixedLevels(EDMSchedule):
    """Draws the same levels in every step."""

    def draw(self, count, seed_generator):
        return keras.ops.take(keras.ops.array(LEVELS, "float32"), [0, 1])


class Recorded(TimestepEmbedding):
    """Keeps what it is given."""

    def build(self, input_shape):
        self.given = self.add_weight(
            shape=(2,), dtype="float32", initializer="zeros", trainable=False
        )

    def call(self, timestep):
        self.given.assign(keras.ops.cast(timestep, "float32"))
        return super().call(timestep)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_the_embedding_of_a_level_is_given_what_was_drawn(dtype, monkeypatch):
    """Bit for bit: a level of EDM is a float, and layers cast floats to 16 bits."""
    monkeypatch.setattr(tiny_models, "TimestepEmbedding", Recorded)
    keras.config.set_dtype_policy(dtype)
    schedule = FixedLevels()
    network = tiny_models.tiny_network(WholeImage(), schedule=schedule)
    model = PatchDPM(network, schedule, WholeImage())
    model.compile("sgd")
    images = tiny_images(2)
    (layer,) = (layer for layer in network.layers if isinstance(layer, Recorded))
    for step in (model.fit, model.evaluate):
        layer.given.assign([0.0, 0.0])
        step(images, batch_size=2, verbose=0)
        found = keras.ops.convert_to_numpy(layer.given)
        np.testing.assert_array_equal(found, np.array(LEVELS, "float32"))


def test_only_the_layers_compute_in_16_bits():
    """The model hands its inputs over as they are; its layers cast them."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    patching = GridPatching(2)
    network = networks.unet(8, patching, **SMALL)
    model = PatchDPM(network, DDPMSchedule(), patching)
    assert network.get_layer("first").compute_dtype == "bfloat16"
    inputs, _, _ = model.prepare(tiny_images(2), model.seed_generator)
    found, direct = model(inputs), network(inputs)
    assert found.dtype == direct.dtype
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (found, direct)))


def test_clean_images_are_float32_whatever_floatx():
    keras.config.set_floatx("float16")
    model = tiny_model()
    keras.config.set_floatx("float32")
    inputs, target, _ = model.prepare(tiny_images(6), model.seed_generator)
    for value in (inputs["noisy"], target):
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
