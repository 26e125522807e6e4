"""`metrics.copies`: what was learned by heart is found, what is new is not."""

import numpy as np
import pytest

from keras_patchdpm.metrics import copies

pytestmark = pytest.mark.once


@pytest.fixture
def training(rng):
    return rng.integers(0, 256, (1100, 4, 6, 3), dtype="uint8")


def test_copies_and_mirrored_copies_are_counted(training, rng):
    new = rng.integers(0, 256, (6, 4, 6, 3), dtype="uint8")
    assert copies(new, training) == 0
    copied = np.concatenate([training[:1], training[-1:, :, ::-1], new])
    assert copies(copied, training) == 2 / 8


def test_a_third_of_the_second_distance_is_where_copies_begin():
    """Two training images at 0 and 4, mirrored the same: 1 is 1 and 3 away."""
    training = np.reshape([0.0, 4.0], (2, 1, 1, 1))
    samples = np.reshape([0.99, 1.01, 2.0, 4.0], (4, 1, 1, 1))
    assert copies(samples, training) == 2 / 4
    assert copies(samples[1:3], training) == 0


def test_nearly_a_copy_is_one(training, rng):
    noisy = training[:5] + rng.normal(0, 5, (5, 4, 6, 3))
    assert copies(noisy, training) == 1
    assert copies(noisy, np.concatenate([training, training])) == 0  # As documented.


@pytest.mark.parametrize(
    ("samples", "images", "message"),
    [
        (np.zeros((0, 4, 4, 1)), np.zeros((2, 4, 4, 1)), "`samples` .*at least 1"),
        (np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1)), "`training_images`.*least 2"),
        (np.zeros((1, 4, 4, 1)), np.zeros((2, 4, 8, 1)), "the same size.*(4, 8, 1)"),
        (np.full((1, 4, 4, 1), np.nan), np.zeros((2, 4, 4, 1)), "no NaN or infinity"),
        (np.zeros((4, 4, 1)), np.zeros((2, 4, 4, 1)), "`samples` must have the shape"),
    ],
)
def test_wrong_images(samples, images, message):
    with pytest.raises(ValueError, match=message):
        copies(samples, images)
