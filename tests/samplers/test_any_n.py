"""One model of random crops, sampled in any number of patches."""

import warnings

import keras
import numpy as np
import pytest
from samplers.fakes import in_reverse, sampler_of

from keras_patchdpm import (
    EDMSchedule,
    GridPatching,
    PatchDPM,
    RandomPatching,
    memory,
)
from keras_patchdpm.networks import unet
from keras_patchdpm.samplers.loop import State, walk


@pytest.fixture(scope="module")
def model():
    patching, schedule = RandomPatching(16, content=True), EDMSchedule()
    small = {"width": 8, "multipliers": (1, 2), "blocks_per_depth": 1}
    network = unet(16, patching, stem=2, schedule=schedule, **small)
    draws = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(draws.normal(0, 0.1, weight.shape).astype("float32"))
    return PatchDPM(network, schedule, patching)


def make(model, **options):
    return sampler_of(model, "heun", 3, **options)


@pytest.mark.parametrize(
    ("n", "options"),
    [
        (1, {}),
        (2, {}),
        (2, {"overlap": 0.25, "shift": True}),
        (2, {"whole_above": 1.0}),
        (4, {"shift": True}),
        (4, {"overlap": 0.5}),
    ],
    ids=str,
)
def test_calls_orders_and_batches_make_one_image(model, n, options, monkeypatch):
    sampler = make(model, divisions=n, **options)
    expected = sampler(3, dtype="float32")
    count = sampler.num_patches
    in_reverse(monkeypatch)
    other = make(model, divisions=n, patches_per_call=count, **options)
    np.testing.assert_allclose(
        other(3, batch_size=2, dtype="float32"), expected, atol=1e-4
    )


def test_grids_make_other_images(model):
    found = [make(model, divisions=n)(1, dtype="float32") for n in (1, 2, 4)]
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert np.abs(found[1] - found[2]).max() > 1e-3


def test_the_whole_image_at_high_noise_and_patches_at_low(model):
    patches, whole = (make(model, divisions=n)(2, dtype="float32") for n in (4, 1))
    above = {
        strength: make(model, divisions=4, whole_above=strength)(2, dtype="float32")
        for strength in (0.0, 10.0, 1e9)  # The steps are at 80, 2.5 and 0.002.
    }
    np.testing.assert_allclose(above[0.0], whole, atol=1e-4)
    np.testing.assert_array_equal(above[1e9], patches)
    assert np.abs(above[10.0] - whole).max() > 1e-3
    assert np.abs(above[10.0] - patches).max() > 1e-3
    with pytest.raises(ValueError, match="cannot be combined with `whole_above`"):
        make(model, divisions=4, whole_above=1.0, memory_budget="300MB")


def test_one_patch_is_the_textbook_sampler(model):
    """Of the whole image, told the coordinates of all its pixels and itself."""
    line = np.linspace(-1, 1, 16, dtype="float32")
    places = np.stack(np.meshgrid(line, line), axis=-1)[None]
    noise = np.random.default_rng(3).normal(size=(1, 16, 16, 3)).astype("float32")

    def denoise(noisy, level, out=None):
        inputs = {
            "noisy": noisy,
            "content": noisy,
            "coordinates": places,
            "timestep": np.array([level.timestep], "float32"),
        }
        prediction = keras.ops.convert_to_numpy(model.network(inputs, training=False))
        return np.clip(model.schedule.clean(prediction, noisy, level), -1, 1)

    sampler = make(model)
    state = State(noise.copy())
    for _ in walk(denoise, state, sampler.levels, solver=sampler.solver):
        pass
    found = sampler(1, noise=noise, dtype="float32")
    np.testing.assert_allclose(found, np.clip(state.noisy, -1, 1), atol=1e-4)


def test_a_saved_model_makes_the_same_images(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.patching.get_config() == model.patching.get_config()
    np.testing.assert_allclose(
        make(loaded, divisions=4, shift=True)(1, dtype="float32"),
        make(model, divisions=4, shift=True)(1, dtype="float32"),
        atol=1e-5,
    )


@pytest.mark.once
def test_memory_falls_with_n(model):
    whole, quarter = (
        memory.profile(model.tiled(n), 64, timed=False).activations for n in (1, 4)
    )
    assert quarter < whole / 4


def test_sizes_that_were_not_trained_are_warned_of(model):
    with pytest.warns(UserWarning, match="crops of 4x4, 8x8, 16x16.*patches of 2x2"):
        make(model, divisions=8)


@pytest.mark.once
def test_images_of_another_size_are_made_and_warned_of(model):
    with pytest.warns(UserWarning, match="images of 16x16 pixels.*image_size=32"):
        sampler = make(model, divisions=4, image_size=32)
    assert sampler(1).shape == (1, 32, 32, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = make(model, divisions=2, image_size=(16, 16))
    expected = make(model, divisions=2)(1, dtype="float32")
    np.testing.assert_array_equal(same(1, dtype="float32"), expected)


def test_a_grid_that_does_not_divide_the_image_is_refused(model):
    with pytest.raises(ValueError, match="divisions=.3, 3."):
        make(model, divisions=3)


def test_models_with_a_grid_of_their_own_keep_it():
    patching, schedule = GridPatching(2), EDMSchedule()
    network = unet(16, patching, width=8, multipliers=(1, 2), schedule=schedule)
    own = PatchDPM(network, schedule, patching)
    with pytest.raises(ValueError, match="`divisions` cannot be changed.*GridPatching"):
        make(own, divisions=4)
    for option in ({"shift": True}, {"overlap": 0.5}, {"image_size": 32}):
        with pytest.raises(
            ValueError, match=f"`{next(iter(option))}` cannot be changed"
        ):
            make(own, **option)
