"""Weights that are stored as float16 give the same images, in half the memory."""

import keras
import numpy as np
import pytest
from tiny_models import PRESET, tiny_images

import keras_patchdpm as kp
from keras_patchdpm import presets
from keras_patchdpm.memory._measuring import variables_bytes


@pytest.fixture
def folder(rng, tmp_path):
    network = presets.parts(PRESET)["network"]
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    presets.save(tmp_path / "mine", PRESET, network, card="Random.")
    return tmp_path / "mine"


def images(model):
    return kp.PatchSampler(model, "ddim", 3)(2, seed=5, dtype="float32")


def test_the_same_images_in_half_the_memory(folder, tmp_path):
    """The preset stores float16, so that no bit of it is lost."""
    model = kp.PatchDPM.from_preset(folder)
    narrow = kp.PatchDPM.from_preset(folder, storage="float16")
    expected = images(model)
    assert expected.std() > 0.1
    np.testing.assert_allclose(images(narrow), expected, rtol=0, atol=1e-4)
    assert keras.mixed_precision.dtype_policy().name == "float32"
    weights, half = (
        sum(np.asarray(keras.ops.convert_to_numpy(w)).nbytes for w in one.weights)
        for one in (model.network, narrow.network)
    )
    assert half < 0.6 * weights  # The last layer stays float32.
    assert variables_bytes(narrow.network.variables) == half  # In plans and profiles.
    narrow.save(tmp_path / "narrow.keras")  # As a model of float32.
    loaded = keras.models.load_model(tmp_path / "narrow.keras")
    assert variables_bytes(loaded.network.variables) == weights
    np.testing.assert_allclose(images(loaded), expected, rtol=0, atol=1e-4)


@pytest.mark.once
def test_the_same_preset_is_saved_again(folder, tmp_path):
    kp.PatchDPM.from_preset(folder, storage="float16").save_to_preset(tmp_path / "b")
    first, second = (next(one.glob("*.npz")) for one in (folder, tmp_path / "b"))
    assert first.name == second.name  # It has the checksum.


@pytest.mark.once
def test_the_guide_is_stored_so_too(folder, tmp_path):
    model = kp.PatchDPM.from_preset(folder)
    guidance = kp.Guidance(kp.PatchDPM.from_preset(folder), 1.5)
    model.set_sampling(solver="ddim", steps=2, guidance=guidance)
    model.save_to_preset(tmp_path / "guided")
    narrow = kp.PatchDPM.from_preset(tmp_path / "guided", storage="float16")
    guide = narrow.sampler().guidance.guide
    assert guide.network.dtype_policy.variable_dtype == "float16"
    assert narrow.sampler()(1).shape == (1, *narrow.image_shape)


@pytest.mark.once
def test_computing_in_half_precision_as_well(folder):
    model = kp.PatchDPM.from_preset(folder, "mixed_bfloat16", storage="float16")
    policy = model.network.dtype_policy
    assert (policy.compute_dtype, policy.variable_dtype) == ("bfloat16", "float16")
    assert np.isfinite(images(model)).all()


@pytest.mark.once
def test_it_cannot_be_trained(folder):
    model = kp.PatchDPM.from_preset(folder, storage="float16")
    with pytest.raises(ValueError, match="only for sampling.*storage='float16'"):
        model.compile(optimizer="adam")
    with pytest.raises(ValueError, match="compile"):
        model.fit(tiny_images(2), verbose=0)


@pytest.mark.once
def test_weights_beyond_float16_are_refused(folder):
    model = kp.PatchDPM.from_preset(folder)
    model.network.weights[0].assign(1e5 * np.ones(model.network.weights[0].shape))
    model.save_to_preset(folder)
    assert kp.PatchDPM.from_preset(folder)
    with pytest.raises(ValueError, match=r"out of the range of float16.*up to 100000"):
        kp.PatchDPM.from_preset(folder, storage="float16")


@pytest.mark.once
@pytest.mark.parametrize("storage", ["float8", "int4", 16, ""])
def test_refuses(folder, storage):
    with pytest.raises((TypeError, ValueError), match="`storage` must be one of"):
        kp.PatchDPM.from_preset(folder, storage=storage)
