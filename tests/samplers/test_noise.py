"""Noise: what it depends on, and what a caller may pass."""

import itertools

import keras
import numpy as np
import pytest
from samplers.fakes import numpy_model

from keras_patchdpm import CascadePatching, GridPatching, PatchSampler, slerp
from keras_patchdpm.samplers.noise import (
    image_rngs,
    level_rng,
    starting_noise,
)
from keras_patchdpm.schedules import NoiseLevel


def test_an_image_has_its_noise_whatever_the_batch():
    shape = (4, 6, 3)
    together = starting_noise(7, [3, 0, 5], shape, stage=2)
    assert together.shape == (3, *shape)
    assert together.dtype == np.float32
    for row, image in enumerate([3, 0, 5]):
        alone = starting_noise(7, [image], shape, stage=2)
        np.testing.assert_array_equal(together[row], alone[0])
        (draws,) = image_rngs(7, [image], 0, stage=2)
        np.testing.assert_array_equal(draws.standard_normal(shape, "float32"), alone[0])


def test_seed_image_step_and_stage_each_give_other_noise():
    draws = [
        image_rngs(seed, [image], step, stage=stage)[0].bytes(16)
        for seed, image, step, stage in itertools.product(range(3), repeat=4)
    ]
    assert len(set(draws)) == 81


def test_the_draws_of_a_level_depend_on_seed_and_level_alone():
    def draw(seed, sigma):
        level = NoiseLevel(1.0, sigma, timestep=3)
        return level_rng(seed, level).integers(2**62)

    assert draw(1, 0.5) == draw(1, 0.5)
    assert len({draw(seed, sigma) for seed in range(3) for sigma in (0.5, 0.6)}) == 6


def test_is_standard_normal():
    noise = starting_noise(0, range(4), (100, 100, 1))
    np.testing.assert_allclose(noise.mean(axis=(1, 2, 3)), 0, atol=0.04)
    np.testing.assert_allclose(noise.std(axis=(1, 2, 3)), 1, atol=0.03)


# Noise that the caller passes.


@pytest.mark.parametrize(
    "patching",
    [
        GridPatching(2),
        CascadePatching(2, shift=False),
        CascadePatching(2, shift_below=None),
    ],
    ids=["grid", "cascade", "moving cascade"],
)
def test_the_noise_decides_and_the_seed_does_not(patching):
    """Of the whole sampling, the thumbnail too, where nothing else is drawn."""
    sampler = PatchSampler(numpy_model(patching=patching, size=(8, 8)), "ddim", 4)
    one, other = sampler.draw_noise(2, seed=1), sampler.draw_noise(2, seed=2)

    def sample(noise=None, seed=0):
        return sampler(2, seed, noise=noise, dtype="float32")

    np.testing.assert_array_equal(sample(one, seed=1), sample(seed=1))
    assert np.abs(sample(one) - sample(other)).mean() > 0.1
    changed = np.abs(sample(one, seed=3) - sample(one, seed=4)).max()
    moves = patching.get_config()["shift"]  # The places of its grid are drawn.
    assert changed > 0 if moves else changed == 0


def test_noise_is_one_array_for_each_stage():
    grid = PatchSampler(numpy_model(), steps=2)
    noise = grid.draw_noise(3)
    assert (noise.shape, noise.dtype) == ((3, 4, 6, 1), np.float32)
    np.testing.assert_array_equal(noise, starting_noise(0, range(3), (4, 6, 1)))
    cascade = PatchSampler(numpy_model(patching=CascadePatching(2)), steps=2)
    assert [n.shape for n in cascade.draw_noise(3)] == [(3, 2, 3, 1), (3, 4, 6, 1)]
    match = r"one array for each stage.*\[\(1, 2, 3, 1\), \(1, 4, 6, 1\)\].*draw_noise"
    for wrong in (np.zeros((1, 4, 6, 1)), cascade.draw_noise(1)[::-1], [], [1, 2]):
        with pytest.raises(ValueError, match=match):
            cascade(noise=wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_noise_that_is_not_finite_is_refused(value):
    for patching in (GridPatching(2), CascadePatching(2)):
        sampler = PatchSampler(numpy_model(patching=patching), steps=2)
        noise = sampler.draw_noise(2)
        (noise if isinstance(noise, np.ndarray) else noise[0])[1, 1, 2] = value
        with pytest.raises(ValueError, match="`noise` must be finite.* 1 values are"):
            sampler(2, noise=noise)


@pytest.mark.parametrize("noise", ["x", [[1, 2], [3]], object(), 1j, [None]])
def test_noise_of_no_numbers_is_refused(noise):
    with pytest.raises(TypeError, match="`noise` must be an array of numbers"):
        PatchSampler(numpy_model(), steps=2)(noise=noise)


def test_tensors_of_the_backend_are_noise():
    sampler = PatchSampler(numpy_model(), "ddim", steps=2)
    noise = sampler.draw_noise(1)
    found = sampler(1, noise=keras.ops.convert_to_tensor(noise))
    np.testing.assert_array_equal(found, sampler(1))


@pytest.mark.once
def test_slerp_goes_along_a_great_circle(rng):
    """Closed form in a plane, and the norm of noise in many dimensions."""
    one, other = np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]])
    third = slerp(one, other, 1 / 3)
    np.testing.assert_allclose(third, [[np.sqrt(3) / 2, 0.5, 0]], atol=1e-6)
    one, other = rng.normal(size=(2, 1, 16, 16, 3))
    between = slerp(one, other, [0, 0.25, 0.5, 1])
    np.testing.assert_allclose(between[[0]], one, atol=1e-5)
    np.testing.assert_allclose(between[[3]], other, atol=1e-5)
    assert between[1:3].std(axis=(1, 2, 3)) == pytest.approx(1, abs=0.1)
    several = slerp(np.repeat(one, 2, 0), np.repeat(other, 2, 0), [0.25, 0.5])
    np.testing.assert_allclose(several, between[1:3], atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("sign", [1, -1])
def test_slerp_of_the_same_noise_is_straight(sign, rng):
    noise = rng.normal(size=(2, 4, 4, 1))
    found = slerp(noise, sign * noise, 0.25)
    np.testing.assert_allclose(found, (0.75 + sign * 0.25) * noise, atol=1e-5)


@pytest.mark.once
def test_slerp_of_the_noise_of_a_cascade():
    cascade = PatchSampler(numpy_model(patching=CascadePatching(2)), "ddim", 3)
    noises = [cascade.draw_noise(1, seed) for seed in (1, 2)]
    images = cascade(3, noise=slerp(*noises, [0, 0.5, 1]), dtype="float32")
    for row, seed in ((0, 1), (2, 2)):
        expected = cascade(1, noise=noises[seed - 1], dtype="float32")
        np.testing.assert_allclose(images[row], expected[0], atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((1, 4)), np.ones((1, 5)), 0.5), "noises of one shape"),
        (([np.ones((1, 4))], [], 0.5), "the same stages"),
        ((np.ones((2, 4)), np.ones((2, 4)), [0.1, 0.2, 0.3]), "3 shares for 2 noises"),
        ((np.ones((1, 4)), np.ones((1, 4)), 1.5), r"`share` must be in \[0, 1\]"),
    ],
)
def test_slerp_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        slerp(*arguments)
