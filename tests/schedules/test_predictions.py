import numpy as np
import pytest

from keras_patchdpm.schedules import predictions

ALPHA, SIGMA = 0.6, 0.8


@pytest.fixture
def pair(rng):
    return rng.normal(size=(2, 3, 4, 1)), rng.normal(size=(2, 3, 4, 1))


def test_targets_are_what_their_names_say(pair):
    clean, noise = pair
    found = {
        kind: predictions.target(kind, clean, noise, ALPHA, SIGMA)
        for kind in predictions.TYPES
    }
    np.testing.assert_array_equal(found["noise"], noise)
    np.testing.assert_array_equal(found["clean"], clean)
    np.testing.assert_allclose(found["velocity"], 0.6 * noise - 0.8 * clean)
    assert set(found) == {"noise", "velocity", "clean"}


def test_velocity_is_the_speed_on_the_circle(pair):
    """With `alpha = cos(angle)`, `sigma = sin(angle)` it is d noisy / d angle."""
    clean, noise = pair
    angle, step = np.arctan2(SIGMA, ALPHA), 1e-5
    before, after = (
        np.cos(a) * clean + np.sin(a) * noise for a in (angle - step, angle + step)
    )
    velocity = predictions.target("velocity", clean, noise, ALPHA, SIGMA)
    np.testing.assert_allclose(velocity, (after - before) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("kind", predictions.TYPES)
def test_the_clean_image_comes_back(pair, kind):
    clean, noise = pair
    noisy = ALPHA * clean + SIGMA * noise
    target = predictions.target(kind, clean, noise, ALPHA, SIGMA)
    found = predictions.clean(kind, target, noisy, ALPHA, SIGMA)
    np.testing.assert_allclose(found, clean, atol=1e-12)
