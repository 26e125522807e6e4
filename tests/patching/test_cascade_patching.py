"""A cascade: what each stage is told, in training as in sampling."""

import keras
import numpy as np
import pytest
from keras import ops
from patching.sampled import of_stage
from samplers.fakes import numpy_model, sampler_of
from tiny_models import tiny_images

from keras_patchdpm import CascadePatching, DDPMSchedule, PatchDPM, PatchSampler
from keras_patchdpm.networks import unet
from keras_patchdpm.patching import Tiling, detail_scales
from keras_patchdpm.resize import enlarge
from keras_patchdpm.schedules import NoiseLevel

SCALES = (0.25, 0.5)  # Of the detail of the later stages.
SHAPE = (200, 8, 12, 2)  # With N = 4: patches, and a thumbnail, of 2x3 pixels.


def pool(images, times):
    b, h, w, c = images.shape
    shape = (b, h // times, times, w // times, times, c)
    return images.reshape(shape).mean(axis=(2, 4))


def cut(patching, clean, noise, seed=3):
    """The example of training: `noisy` is `clean + noise`, the target the noise."""
    noise = ops.convert_to_tensor(noise[:, :2, :3])  # Of the size of a patch.
    inputs, target = patching.example(
        ops.convert_to_tensor(clean),
        lambda clean: (clean + noise, noise),
        keras.random.SeedGenerator(seed),
    )
    inputs = {name: ops.convert_to_numpy(value) for name, value in inputs.items()}
    return inputs, ops.convert_to_numpy(target)


def window_of(told, image_size):
    """The slices that the coordinates of a patch name."""
    height, width = image_size
    across, down = (told[0, 0] + 1) / 2 * (width - 1, height - 1)
    top, left = round(float(down)), round(float(across))
    return np.s_[top : top + 2, left : left + 3]


@pytest.mark.parametrize("moving", [True, False])
def test_training_tells_each_stage_what_the_stages_before_would_make(rng, moving):
    clean, noise = rng.normal(size=(2, *SHAPE)).astype("float32")
    patching = CascadePatching(4, shift=moving, content_noise=0, detail_scale=SCALES)
    inputs, target = cut(patching, clean, noise)
    assert {name: x.shape[1:] for name, x in inputs.items()} == {
        name: spec.shape for name, spec in patching.input_specs(SHAPE[1:]).items()
    }
    np.testing.assert_allclose(np.bincount(inputs["stage"]), 200 / 3, atol=20)
    pyramid = [pool(clean, 4), pool(clean, 2), clean]
    enlarged = [
        ops.convert_to_numpy(enlarge(small, large.shape[1:3]))
        for small, large in zip(pyramid, pyramid[1:], strict=False)
    ]
    starts = set()
    for k, stage in enumerate(inputs["stage"]):
        image = pyramid[stage][k]
        window = window_of(inputs["coordinates"][k], image.shape[:2])
        starts.add((stage, window[0].start))
        patch = inputs["noisy"][k] - target[k]
        if stage:
            local = inputs["local_content"][k]
            patch = local + SCALES[stage - 1] * patch
            np.testing.assert_allclose(local, enlarged[stage - 1][k][window], atol=1e-5)
            np.testing.assert_allclose(inputs["content"][k], pyramid[0][k], atol=1e-5)
        else:
            assert not inputs["local_content"][k].any()
            assert not inputs["content"][k].any()
        np.testing.assert_allclose(patch, image[window], atol=1e-5)
    on_grid = {(0, 0), (1, 0), (1, 2), (2, 0), (2, 2), (2, 4), (2, 6)}
    off_grid = {(1, 1), (2, 1), (2, 3), (2, 5)}
    assert starts == ((on_grid - {(2, 2), (2, 4)}) | off_grid if moving else on_grid)


@pytest.mark.once
def test_detail_over_its_scale_varies_as_images_do(rng):
    smooth = rng.normal(size=(600, 2, 3, 3)).repeat(4, axis=1).repeat(4, axis=2)
    images = smooth + 0.2 * rng.normal(size=(600, 8, 12, 3))
    scales = detail_scales(images, 4)
    assert len(scales) == 2
    patching = CascadePatching(4, content_noise=0, detail_scale=scales)
    nothing = np.zeros(images.shape, "float32")
    inputs, _ = cut(patching, images.astype("float32"), nothing)
    spreads = [inputs["noisy"][inputs["stage"] == stage].std() for stage in (1, 2)]
    np.testing.assert_allclose(spreads, images.std(), rtol=0.1)
    with pytest.raises(ValueError, match="they have no detail"):
        detail_scales(np.zeros((2, 8, 8, 3)), 2)


@pytest.mark.once
def test_the_noise_is_as_strong_in_a_thumbnail_as_in_a_patch(rng):
    clean, noise = np.zeros((2, *SHAPE), "float32")
    noise = rng.normal(size=SHAPE).astype("float32")
    inputs, target = cut(CascadePatching(4), clean, noise)
    for stage in range(3):
        assert target[inputs["stage"] == stage].std() == pytest.approx(1, abs=0.1)


def test_stages_before_are_disturbed_and_the_detail_corrects_for_it():
    clean = np.zeros(SHAPE, "float32")
    patching = CascadePatching(4, content_noise=0.5, detail_scale=SCALES)
    inputs, _ = cut(patching, clean, clean)
    later = inputs["stage"] > 0
    for name in ("content", "local_content"):
        assert not inputs[name][~later].any()
        spread = inputs[name][later].std(axis=(1, 2, 3))
        assert spread.min() < 0.1 and 0.2 < spread.max() < 0.8
    scale = np.array([0, *SCALES], "float32")[inputs["stage"], None, None, None]
    patches = inputs["local_content"] + scale * inputs["noisy"]
    np.testing.assert_allclose(patches, 0, atol=1e-6)


def test_sampling_tells_what_training_does(rng):
    made = rng.normal(size=(3, 2, 3, 2)).astype("float32")
    noisy = rng.normal(size=(3, 4, 6, 2)).astype("float32")
    stages = CascadePatching(4).stages((8, 12, 2))
    shapes = [stage.image_shape for stage in stages]
    assert shapes == [(2, 3, 2), (4, 6, 2), (8, 12, 2)]
    inputs = of_stage(stages[1], noisy, previous=[made])[0]([5, 1])
    assert set(inputs) == set(CascadePatching(4).input_specs((8, 12, 2)))
    assert (inputs["stage"] == 1).all() and inputs["stage"].dtype == np.int32
    enlarged = ops.convert_to_numpy(enlarge(made, (4, 6)))
    for k in range(6):
        window = window_of(inputs["coordinates"][k], (4, 6))
        np.testing.assert_array_equal(inputs["noisy"][k], noisy[k // 2][window])
        np.testing.assert_array_equal(inputs["content"][k], made[k // 2])
        local = enlarged[k // 2][window]
        np.testing.assert_allclose(inputs["local_content"][k], local, atol=1e-6)


@pytest.mark.parametrize("moving", [True, False])
def test_a_network_that_knows_the_image_makes_it(rng, moving):
    image = rng.uniform(-1, 1, size=(1, 8, 12, 1)).astype("float32")
    pyramid = [pool(image, 4)[0], pool(image, 2)[0], image[0]]

    def predict(inputs):
        clean = []
        for stage, told, local in zip(
            inputs["stage"],
            inputs["coordinates"],
            inputs["local_content"],
            strict=True,
        ):
            whole = pyramid[stage]
            patch = whole[window_of(told, whole.shape[:2])]
            clean.append((patch - local) / SCALES[stage - 1] if stage else patch)
        return np.array(clean, "float32")

    model = numpy_model(
        predict,
        CascadePatching(4, shift=moving, shift_below=None, detail_scale=SCALES),
        DDPMSchedule(prediction="clean"),
        (8, 12),
    )
    seen = []
    made = PatchSampler(model, "ddim", 3)(
        2, dtype="float32", callback=lambda step, clean: seen.append((step, clean))
    )
    np.testing.assert_allclose(made, np.repeat(image, 2, axis=0), atol=1e-5)
    assert [step for step, _ in seen] == list(range(1, 10))
    for step, clean in seen:
        expected = np.stack([pyramid[(step - 1) // 3]] * 2)
        np.testing.assert_allclose(clean, expected, atol=1e-5)
    windows = (1, 9, 25) if moving else (1, 4, 16)
    assert len(model.network.calls) == 3 * sum(windows)


def test_clipped_detail_keeps_images_in_range():
    def predict(inputs):
        return np.full_like(inputs["noisy"], 3.0)

    schedule = DDPMSchedule(prediction="clean")
    patching = CascadePatching(4, detail_scale=SCALES)
    for latents, largest in ((False, 1), (True, 3 + sum(SCALES) * 3)):
        model = numpy_model(predict, patching, schedule, (8, 12), latents)
        estimates = {}
        PatchSampler(model, "ddim", 3)(callback=estimates.__setitem__, dtype="float32")
        np.testing.assert_allclose(estimates[9], largest, atol=1e-5)


def test_trains_and_samples_end_to_end():
    patching = CascadePatching(2)
    network = unet(8, patching, width=8, multipliers=(1,), blocks_per_depth=1)
    model = PatchDPM(network, DDPMSchedule(prediction="velocity"), patching)
    assert model.image_shape == (8, 8, 3)
    model.compile(keras.optimizers.Adam(1e-2))
    images = tiny_images(8)
    before = model.evaluate(images, verbose=0)  # With the same draws as after.
    model.fit(images, batch_size=4, epochs=20, verbose=0)
    assert model.evaluate(images, verbose=0) < before
    assert PatchSampler(model, "ddim", 2)(3).shape == (3, 8, 8, 3)


def test_serialization():
    patching = CascadePatching(8, shift=False, content_noise=0.2)
    clone = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(patching)
    )
    assert type(clone) is CascadePatching
    assert clone.get_config() == patching.get_config()
    stages = clone.stages((16, 16, 3))
    assert [stage.num_patches for stage in stages] == [1, 4, 16, 64]


@pytest.mark.once
@pytest.mark.parametrize(
    ("below", "counts"), [(0.5, [4, 4, 9]), (None, [9, 9, 9]), (4, [9, 9, 9])]
)
def test_grids_are_shifted_below_a_strength_of_the_noise(below, counts, rng):
    """Patches of steps with strengths of 3, 0.5 and 0.4."""
    stage = CascadePatching(2, shift_below=below).stages((8, 8, 3))[1]
    levels = [NoiseLevel(2.0, sigma) for sigma in (6.0, 1.0, 0.8)]
    assert [len(stage.tiles(level, rng)) for level in levels] == counts
    unshifted = stage.tiling.tiles(rng, shifted=False)
    np.testing.assert_array_equal(unshifted.corners, Tiling(8, 2).tiles(rng).corners)


@pytest.mark.once
@pytest.mark.parametrize(
    ("below", "each"),
    [
        (0.8, [0.8] * 3),
        ([0.1, 0.8, 0.3], [0.1, 0.8, 0.3]),
        (None, [None] * 3),
    ],
)
def test_each_stage_has_its_strength(below, each):
    stages = CascadePatching(8, shift_below=below).stages((16, 16, 3))
    assert [stage.shift_below for stage in stages] == [None, *each]
    fixed = CascadePatching(8, shift=False, shift_below=below).stages((16, 16, 3))
    assert [stage.shift_below for stage in fixed] == [None] * 4


@pytest.mark.once
def test_steps_with_a_fixed_grid_have_fewer_patches():
    """The strengths of the three steps are 12.4, 1.1 and 0.33."""
    counts = {}
    for below in (1e-6, 0.5, None):
        model = numpy_model(
            patching=CascadePatching(2, shift_below=below),
            schedule=DDPMSchedule("cosine"),
            size=(8, 8),
        )
        sampler_of(model, "ddim", [950, 530, 200])(1)
        counts[below] = len(model.network.calls) - 3  # Without the thumbnail.
    assert counts == {1e-6: 3 * 4, 0.5: 2 * 4 + 9, None: 3 * 9}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"divisions": 3}, ValueError, "power of 2.*GridPatching.*divisions=3"),
        ({"divisions": 0}, ValueError, "`divisions` must be at least 1"),
        ({"divisions": (2, 2)}, TypeError, "`divisions` must be an int"),
        ({"content_noise": -1}, ValueError, "`content_noise` must be at least 0"),
        ({"detail_scale": "1"}, TypeError, "be a number, or a list of one for each"),
        ({"shift_below": 0}, ValueError, "`shift_below` must be at least 1e-06"),
        ({"shift_below": [0.5, 0.2]}, ValueError, "`shift_below` must contain 1 ent"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        CascadePatching(**{"divisions": 2, **arguments})
