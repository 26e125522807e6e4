"""A sampler around a function, and around networks of another library."""

import numpy as np
import pytest
from samplers.fakes import gaussian_clean, gaussian_prediction, numpy_model

import keras_patchdpm as kp

pytestmark = pytest.mark.once

SCHEDULES = [
    kp.DDPMSchedule("linear", prediction="clean"),
    kp.DDPMSchedule("cosine", prediction="noise"),
    kp.DDPMSchedule("cosine", prediction="velocity"),
    kp.EDMSchedule(),
]


def denoise(noisy, level):
    """The exact denoiser of normal pixels; it needs no other pixel."""
    return gaussian_clean(noisy, level, 0.2, 0.3)


def model_of(schedule=None, **options):
    options = {"patch": (4, 8), **options}
    return kp.TiledDenoiser(denoise, (8, 24, 1), schedule=schedule, **options)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("options", [{}, {"overlap": None}, {"shift": True}], ids=str)
def test_patches_of_a_pixelwise_denoiser_are_the_whole_image(schedule, options):
    whole = kp.TiledDenoiser(
        denoise, (8, 24, 1), patch=(8, 24), overlap=None, schedule=schedule
    )
    expected = kp.PatchSampler(whole, "dpmpp_2m", 8)(2, dtype="float32")
    sampler = kp.PatchSampler(
        model_of(schedule, **options), "dpmpp_2m", 8, patches_per_call=3
    )
    images = sampler(2, dtype="float32")
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(images, expected, atol=1e-4)


def test_it_samples_as_a_model_with_the_same_network():
    schedule = kp.DDPMSchedule("cosine")
    model = numpy_model(
        gaussian_prediction(schedule, 0.2, 0.3), kp.WholeImage(), schedule, (8, 24)
    )
    expected = kp.PatchSampler(model, "ddim", 10)(2, dtype="float32")
    found = kp.PatchSampler(model_of(schedule), "ddim", 10)(2, dtype="float32")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_checkpoint_knows_the_function(tmp_path):
    file = tmp_path / "sampling.npz"
    kp.PatchSampler(model_of(), "ddim", 2)(1, checkpoint=file)
    other = kp.TiledDenoiser(
        lambda noisy, level: denoise(noisy, level) / 2, (8, 24, 1), patch=(4, 8)
    )
    with pytest.raises(ValueError, match="another sampling"):
        kp.PatchSampler(other, "ddim", 2)(1, checkpoint=file)


WRONG = [
    ({"patch": 5}, r"does not divide into patches of \(5, 5\)"),
    ({"patch": 48}, "does not divide"),
    ({"overlap": 0.95}, r"`overlap` must be in \[0, 0.9\]"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_patches_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        model_of(**options)


def test_wrong_results_and_tiles_are_refused():
    model = kp.TiledDenoiser(
        lambda noisy, level: noisy[:, 1:], (8, 24, 1), patch=(4, 8)
    )
    with pytest.raises(ValueError, match=r"patches of the shape \(1, 4, 8, 1\)"):
        kp.PatchSampler(model, "ddim", 2)(1)
    with pytest.raises(ValueError, match="chosen when it is built"):
        kp.PatchSampler(kp.patching.tiled_model.tiled(model, shift=True), "ddim", 2)
