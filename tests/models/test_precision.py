"""Mixed precision: the network's policy is the model's."""

import keras
import numpy as np
import pytest
from tiny_models import state, tiny_images, tiny_model, train

from keras_patchdpm import DDPMSchedule, GridPatching, PatchDPM, networks

SMALL = {"width": 8, "multipliers": (1,), "blocks_per_level": 1}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision(dtype, tmp_path):
    """The library's own network, with attention; float16 scales its loss."""
    keras.config.set_dtype_policy(f"mixed_{dtype}")
    patching = GridPatching(2)
    network = networks.unet(8, patching, attention_levels=(0,), **SMALL)
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
        for name, (shape, dtype) in patching.input_specs((8, 8, 3)).items()
    }
    inputs["level"] = keras.Input((), dtype="int32", name="level")
    told = keras.layers.Reshape((1, 1, 1), dtype="int32")(inputs["level"])
    output = keras.layers.Lambda(
        lambda x: keras.ops.cast(x, "float32") + keras.ops.zeros((1, 4, 4, 3)),
        output_shape=(4, 4, 3),
        dtype="float32",
    )(told)
    model = PatchDPM(keras.Model(inputs, output), DDPMSchedule(), patching)
    prepared, _, _ = model.prepare(tiny_images(6), model.train_draws)
    given = keras.ops.convert_to_numpy(prepared["level"])
    found = keras.ops.convert_to_numpy(model(prepared))
    assert given.max() > 256 and prepared["noisy"].dtype != "bfloat16"
    assert (found[:, 0, 0, 0] == given).all()


def test_clean_images_are_float32_whatever_floatx():
    keras.config.set_floatx("float16")
    model = tiny_model()
    keras.config.set_floatx("float32")
    inputs, target, _ = model.prepare(tiny_images(6), model.train_draws)
    for value in (inputs["noisy"], target):
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
