"""`keras_patchdpm.sample`: images from the weights in the package."""

import keras
import numpy as np
import pytest

import keras_patchdpm as kp
from keras_patchdpm import (
    EDMSchedule,
    GridPatching,
    RandomPatching,
    WholeImage,
    presets,
    sampling,
)
from keras_patchdpm.networks import unet


@pytest.fixture(scope="module")
def images():
    return kp.sample(n=2, num_images=2, steps=2)


def test_shape_and_range(images):
    assert images.shape == (2, 64, 64, 3)
    assert images.dtype == np.uint8
    assert images.std() > 10


@pytest.mark.once
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_makes_nearly_the_same_images(images, precision):
    found = kp.sample(n=2, num_images=1, steps=2, precision=precision)
    difference = np.abs(found.astype(float) - images[:1])
    assert 0 < difference.mean() < 4
    assert keras.mixed_precision.dtype_policy().name == "float32"


@pytest.mark.once
def test_the_default_is_two_images_of_the_cascade_in_two_by_two_patches():
    images = kp.sample(steps=1)
    assert images.shape == (2, 64, 64, 3)
    assert sampling._preset_of(2) == "faces128"
    named = kp.sample(2, num_images=1, steps=1, preset="faces128")
    assert np.abs(images[:1].astype(int) - named).max() <= 1


@pytest.mark.once
def test_an_image_depends_on_seed_and_number_alone(images):
    first = kp.sample(n=2, num_images=1, steps=2, patches_per_call=4)
    assert np.abs(images[:1].astype(int) - first).max() <= 1
    other = kp.sample(n=2, num_images=1, steps=2, seed=1)
    assert np.abs(images[:1].astype(int) - other).max() > 10


def test_images_are_smoother_than_noise(images):
    """Weights that are not loaded would give noise back, whose ratio is 1.13."""
    steps = np.abs(np.diff(images.astype(float), axis=2)).mean()
    assert steps < 0.5 * images.std()


@pytest.mark.once
@pytest.mark.parametrize(
    ("error", "arguments", "message"),
    [
        (ValueError, {"n": 0}, "`n` must be at least 1.*n=0"),
        (TypeError, {"n": 2.5}, "`n` must be an int.*2.5"),
        (TypeError, {"n": "2"}, "`n` must be an int.*'2'"),
        (ValueError, {"n": 7}, "no trained model.*faces64_n2.*n=7"),
        (ValueError, {"solver": "euler"}, "'ddpm', 'ddim'.*euler"),
        (ValueError, {"steps": 1001}, "steps=1001"),
        (ValueError, {"num_images": 0}, "num_images=0"),
        (ValueError, {"preset": "none"}, "faces64_n2.*none"),
        (ValueError, {"n": 4, "preset": "faces64_n2"}, r"of `n`: \[2\].*n=4"),
        (ValueError, {"precision": "half"}, "half"),
        (ValueError, {"patches_per_call": 10}, "at most 9.*patches_per_call=10"),
    ],
)
def test_wrong_arguments(error, arguments, message):
    with pytest.raises(error, match=message):
        kp.sample(**arguments)


@pytest.mark.once
@pytest.mark.parametrize(
    ("patching", "numbers"),
    [
        (GridPatching(2), [2]),
        (GridPatching((2, 3)), [(2, 3)]),
        (RandomPatching(64), [1, 2, 4]),
        (RandomPatching(64, [0.125]), [8]),
        (RandomPatching(16, [0.375, 0.75, 1.0]), [1]),
        (WholeImage(), [1]),
    ],
)
def test_a_preset_serves_every_n_it_was_trained_for(patching, numbers, monkeypatch):
    found = patching.sampling_divisions((64, 96, 3))
    assert found == numbers
    listed = [{"name": "other", "n": found}]
    monkeypatch.setattr(kp.PatchDPM, "presets", lambda: listed)
    for n in numbers:
        assert sampling._preset_of(n) == "other"
    with pytest.raises(ValueError, match=r"no trained model.*'other': \[.*n=3"):
        sampling._preset_of(3)


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """A preset of crops of halves and quarters, and one of latents."""
    folder = tmp_path_factory.mktemp("crops")
    patching, schedule = RandomPatching(16, (0.25, 0.5)), EDMSchedule()
    network = unet(
        16, patching, width=8, multipliers=(1,), blocks_per_depth=1, schedule=schedule
    )
    kp.PatchDPM(network, schedule, patching).save_to_preset(folder / "images")
    latents = kp.PatchDPM(network, schedule, patching, latents=True)
    latents.save_to_preset(folder / "latents")
    return folder


@pytest.mark.once
@pytest.mark.parametrize(("n", "divisions"), [(None, 4), (4, 4), (2, 2)])
def test_a_preset_of_crops_serves_any_n(crops, n, divisions, monkeypatch):
    asked = []

    def sampler(model, tiled, **options):
        asked.append(tiled.stages[0].tiling.get_config())
        return kp.PatchSampler(tiled, **options)

    monkeypatch.setattr(kp.PatchDPM, "sampler", sampler)
    images = kp.sample(n, num_images=1, solver="heun", steps=1, preset=crops / "images")
    assert images.shape == (1, 16, 16, 3)
    assert asked[0]["divisions"] == (divisions, divisions) and asked[0]["shift"]


@pytest.mark.once
def test_a_preset_of_latents_needs_a_decoder(crops):
    with pytest.raises(ValueError, match="decode=decode.*latents"):
        kp.sample(preset=crops / "latents")


@pytest.mark.once
def test_a_preset_knows_its_n(tmp_path):
    patching = GridPatching((2, 4))
    network = unet(16, patching, width=8, multipliers=(1,), blocks_per_depth=1)
    kp.PatchDPM(network, kp.DDPMSchedule(), patching).save_to_preset(tmp_path)
    images = kp.sample(num_images=1, steps=1, preset=tmp_path, patches_per_call=8)
    assert images.shape == (1, 16, 16, 3)
    with pytest.raises(
        ValueError, match=r"of `n`: \[\(2, 4\)\]\. .*leave `n` out.*n=2"
    ):
        kp.sample(2, preset=tmp_path)


@pytest.mark.once
def test_the_presets_carry_a_card_and_are_small():
    for listed in kp.PatchDPM.presets():
        folder = presets.find(listed["name"])
        card = (folder / "card.md").read_text()
        assert presets.read_config(folder)["sha256"] in card
        assert "FD-MNv2" in card
        assert listed["bytes"] < 15e6
