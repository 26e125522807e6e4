"""Weights that are stored as float16 or int8 give the same images, in less memory."""

import math

import keras
import numpy as np
import pytest
from tiny_models import PRESET, tiny_images

import keras_patchdpm as kp
from keras_patchdpm import presets
from keras_patchdpm.memory._measuring import variables_bytes

# Wide enough for some kernels that are stored as int8.
CONFIG = {**PRESET, "network": {**PRESET["network"], "width": 24}}
STORAGES = pytest.mark.parametrize("storage", ["float16", "int8"])
# On TensorFlow, all weights that Keras casts itself are cast at the start of a call.
CAST_LATE = ["int8"] if keras.backend.backend() == "tensorflow" else ["float16", "int8"]


@pytest.fixture
def folder(rng, tmp_path):
    network = presets.parts(CONFIG)["network"]
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    presets.save(tmp_path / "mine", CONFIG, network, card="Random.")
    return tmp_path / "mine"


def images(model):
    return kp.PatchSampler(model, "ddim", 3)(2, seed=5, dtype="float32")


def numpy_of(weight):
    return np.asarray(keras.ops.convert_to_numpy(weight))


def round_kernels(model):
    """Rounds large kernels to 8 bits, in NumPy; returns those that it changed."""
    kernels = [
        layer.kernel
        for layer in model.network.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    ]
    large = [kernel for kernel in kernels if numpy_of(kernel).size >= 4096]
    assert len(kernels) > len(large) > 4
    for kernel in large:
        array = numpy_of(kernel)
        scale = np.abs(array).max(axis=tuple(range(array.ndim - 1))) / 127
        kernel.assign(np.round(array / scale) * scale)
    return large


def weights_in(folder):
    """Name of the weight file, which contains its checksum, and the arrays in it."""
    (file,) = folder.glob("*.npz")
    return file.name, dict(np.load(file))


@STORAGES
def test_the_same_images_in_less_memory(folder, tmp_path, storage):
    """The preset stores float16, so that float16 loses no bit of it."""
    model = kp.PatchDPM.from_preset(folder)
    narrow = kp.PatchDPM.from_preset(folder, storage=storage)
    exact = images(model)
    kernels = round_kernels(model) if storage == "int8" else []
    expected = images(model)
    assert expected.std() > 0.1
    assert (np.abs(expected - exact).max() > 1e-3) == (storage == "int8")
    np.testing.assert_allclose(images(narrow), expected, rtol=0, atol=1e-4)
    assert keras.mixed_precision.dtype_policy().name == "float32"
    weights, less = (
        sum(numpy_of(weight).nbytes for weight in one.weights)
        for one in (model.network, narrow.network)
    )
    assert less < {"float16": 0.6, "int8": 0.4}[storage] * weights
    assert variables_bytes(narrow.network.variables) == less  # In plans and profiles.
    narrow.save(tmp_path / "narrow.keras")  # As a model of float32 and int8.
    loaded = keras.models.load_model(tmp_path / "narrow.keras")
    wider = sum(
        3 * math.prod(kernel.shape) - 4 * kernel.shape[-1] for kernel in kernels
    )
    assert variables_bytes(loaded.network.variables) == weights - wider
    np.testing.assert_allclose(images(loaded), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("storage", CAST_LATE)
def test_a_few_kernels_are_cast_at_a_time(folder, storage):
    plain, narrow = (
        kp.memory.profile(kp.PatchDPM.from_preset(folder, storage=one), timed=False)
        for one in (None, storage)
    )
    assert narrow.weights < plain.weights
    # One kernel is a seventh of the weights.
    assert narrow.activations < plain.activations + 0.6 * plain.weights


@pytest.mark.once
@STORAGES
def test_the_same_preset_is_saved_again(folder, tmp_path, storage):
    narrow = kp.PatchDPM.from_preset(folder, storage=storage)
    images(narrow)  # PyTorch changes the order of kernels in memory.
    narrow.save_to_preset(tmp_path / "b", storage=storage)
    kp.PatchDPM.from_preset(folder).save_to_preset(tmp_path / "c", storage=storage)
    again = kp.PatchDPM.from_preset(tmp_path / "b", storage=storage)
    again.save_to_preset(tmp_path / "d", storage=storage)
    names = {weights_in(tmp_path / one)[0] for one in "bcd"}
    assert len(names) == 1
    assert (weights_in(folder)[0] in names) == (storage == "float16")


@pytest.mark.once
def test_ints_and_scales_are_kept(folder, tmp_path, rng):
    """Also scales that another quantisation would round otherwise."""
    scales = rng.uniform(0.001, 0.01, 100_000).astype("float32")
    hard = scales[scales * np.float32(127) / np.float32(127) != scales]
    model = kp.PatchDPM.from_preset(folder, storage="int8")
    layer = model.network.get_layer("embedding")
    layer.scale.assign(hard[: layer.channels])
    for name in "bc":
        model.save_to_preset(tmp_path / name, storage="int8")
        _, arrays = weights_in(tmp_path / name)
        for one, kept in ((layer.kernel, "kernel"), (layer.scale, "kernel.scale")):
            np.testing.assert_array_equal(numpy_of(one), arrays[f"embedding/{kept}"])
        model = kp.PatchDPM.from_preset(tmp_path / name, storage="int8")


@pytest.mark.once
def test_int8_is_saved_as_float16(folder, tmp_path):
    model = kp.PatchDPM.from_preset(folder)
    kp.PatchDPM.from_preset(folder, storage="int8").save_to_preset(tmp_path / "b")
    round_kernels(model)
    _, arrays = weights_in(tmp_path / "b")
    assert {array.dtype.name for array in arrays.values()} == {"float16"}
    assert arrays.keys() == {weight.path for weight in model.network.weights}
    for weight in model.network.weights:
        exact = numpy_of(weight)
        np.testing.assert_allclose(arrays[weight.path], exact, rtol=1e-3, atol=1e-6)


@pytest.mark.once
@STORAGES
def test_the_guide_is_stored_so_too(folder, tmp_path, storage):
    model = kp.PatchDPM.from_preset(folder)
    guidance = kp.Guidance(kp.PatchDPM.from_preset(folder), 1.5)
    model.set_sampling(solver="ddim", steps=2, guidance=guidance)
    model.save_to_preset(tmp_path / "guided")
    narrow = kp.PatchDPM.from_preset(tmp_path / "guided", storage=storage)
    guide = narrow.sampler().guidance.guide
    assert guide.network.dtype_policy.variable_dtype == "float16"
    assert storage in {weight.dtype for weight in guide.network.weights}
    assert narrow.sampler()(1).shape == (1, *narrow.image_shape)


@STORAGES
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_computing_in_half_precision_as_well(folder, storage, precision):
    model = kp.PatchDPM.from_preset(folder, precision, storage=storage)
    policy = model.network.dtype_policy
    dtypes = (policy.compute_dtype, policy.variable_dtype)
    assert dtypes == (precision.removeprefix("mixed_"), "float16")
    assert np.isfinite(images(model)).all()
    layer = model.network.layers[-2]
    assert layer.output.dtype == policy.compute_dtype


@pytest.mark.once
@STORAGES
def test_it_cannot_be_trained(folder, tmp_path, storage):
    model = kp.PatchDPM.from_preset(folder, storage=storage)
    with pytest.raises(ValueError, match=f"only for sampling.*storage='{storage}'"):
        model.compile(optimizer="adam")
    with pytest.raises(ValueError, match="compile"):
        model.fit(tiny_images(2), verbose=0)
    model.save(tmp_path / "narrow.keras")
    loaded = keras.models.load_model(tmp_path / "narrow.keras")
    if storage == "int8":
        with pytest.raises(ValueError, match="only for sampling"):
            loaded.compile(optimizer="adam")


@pytest.mark.once
@STORAGES
def test_weights_beyond_float16_are_refused(folder, storage):
    model = kp.PatchDPM.from_preset(folder)
    model.network.weights[1].assign(1e5 * np.ones(model.network.weights[1].shape))
    model.save_to_preset(folder)
    assert kp.PatchDPM.from_preset(folder)
    with pytest.raises(ValueError, match=r"out of the range of float16.*up to 100000"):
        kp.PatchDPM.from_preset(folder, storage=storage)


@pytest.mark.once
def test_a_kernel_beyond_float16_is_stored_as_int8(folder):
    model = kp.PatchDPM.from_preset(folder)
    kernel = model.network.get_layer("embedding").kernel
    kernel.assign(1e5 * np.ones(kernel.shape))
    model.save_to_preset(folder)
    narrow = kp.PatchDPM.from_preset(folder, storage="int8")
    layer = narrow.network.get_layer("embedding")
    np.testing.assert_allclose(numpy_of(layer.kernel) * numpy_of(layer.scale), 1e5)


@pytest.mark.once
@pytest.mark.parametrize("storage", ["float8", "int4", 16, ""])
def test_refuses(folder, storage):
    with pytest.raises((TypeError, ValueError), match="`storage` must be one of"):
        kp.PatchDPM.from_preset(folder, storage=storage)


if keras.backend.backend() == "jax":
    from keras_patchdpm.runtime import _jax

    @pytest.mark.parametrize("storage", [None, "float16", "int8"])
    def test_weights_are_not_all_cast_before_the_loop_over_patches(
        storage, tmp_path, monkeypatch
    ):
        """Then a call would hold all of them twice. As float32 they are not copied."""
        patching = kp.GridPatching(2)
        network = kp.networks.unet(16, patching, width=64, attention_depths=())
        kp.PatchDPM(network, kp.DDPMSchedule(), patching).save_to_preset(tmp_path)
        model = kp.PatchDPM.from_preset(tmp_path, storage=storage)
        steps = []

        def compiled(function):
            jitted = plain(function)

            def call(*args):
                steps.append(jitted.lower(*args).compile().memory_analysis())
                return jitted(*args)

            return call

        plain = _jax.compiled
        monkeypatch.setattr(_jax, "compiled", compiled)
        kp.PatchSampler(model, "ddim", 1, images_on="device")(1)
        as_float32 = 4 * model.network.count_params()
        assert max(step.temp_size_in_bytes for step in steps) < 0.5 * as_float32
