import itertools

import numpy as np

from keras_patchdpm.samplers.noise import (
    image_draws,
    level_draws,
    starting_noise,
)
from keras_patchdpm.schedules import Level


def test_an_image_has_its_noise_whatever_the_batch():
    shape = (4, 6, 3)
    together = starting_noise(7, [3, 0, 5], shape, stage=2)
    assert together.shape == (3, *shape)
    assert together.dtype == np.float32
    for row, image in enumerate([3, 0, 5]):
        alone = starting_noise(7, [image], shape, stage=2)
        np.testing.assert_array_equal(together[row], alone[0])
        (draws,) = image_draws(7, [image], 0, 2)
        np.testing.assert_array_equal(draws.standard_normal(shape, "float32"), alone[0])


def test_seed_image_step_and_stage_each_give_other_noise():
    draws = [
        image_draws(seed, [image], step, stage)[0].bytes(16)
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
    noise = starting_noise(0, range(4), (100, 100, 1))
    np.testing.assert_allclose(noise.mean(axis=(1, 2, 3)), 0, atol=0.04)
    np.testing.assert_allclose(noise.std(axis=(1, 2, 3)), 1, atol=0.03)
