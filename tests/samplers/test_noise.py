import itertools

import numpy as np

from keras_patchdpm.samplers.noise import image_noise, level_draws
from keras_patchdpm.schedules import Level


def test_an_image_has_its_noise_whatever_the_batch():
    shape = (4, 6, 3)
    together = image_noise(7, [3, 0, 5], 2, shape)
    assert together.shape == (3, *shape)
    assert together.dtype == np.float32
    for row, image in enumerate([3, 0, 5]):
        np.testing.assert_array_equal(
            together[row], image_noise(7, [image], 2, shape)[0]
        )


def test_seed_image_and_step_each_give_other_noise():
    draws = [
        image_noise(seed, [image], step, (2, 2, 1)).tobytes()
        for seed in range(3)
        for image in range(3)
        for step in range(3)
    ]
    assert len(set(draws)) == 27


def test_each_stage_of_a_cascade_has_its_own():
    draws = [
        image_noise(seed, [image], step, (2, 2, 1), stage).tobytes()
        for seed, image, step, stage in itertools.product(range(3), repeat=4)
    ]
    assert len(set(draws)) == 81


def test_the_draws_of_a_level_depend_on_seed_and_level_alone():
    def draw(seed, sigma):
        level = Level(1.0, sigma, condition=3)
        return level_draws(seed, level).integers(2**62)

    assert draw(1, 0.5) == draw(1, 0.5)
    assert len({draw(seed, sigma) for seed in range(3) for sigma in (0.5, 0.6)}) == 6


def test_is_standard_normal():
    noise = image_noise(0, range(4), 0, (100, 100, 1))
    np.testing.assert_allclose(noise.mean(axis=(1, 2, 3)), 0, atol=0.04)
    np.testing.assert_allclose(noise.std(axis=(1, 2, 3)), 1, atol=0.03)
