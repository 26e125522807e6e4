import warnings

import numpy as np
import pytest
from tiny_models import tiny_network

from keras_patchdpm import DDPMSchedule, EDMSchedule, PatchDPM, WholeImage
from keras_patchdpm.schedules import predictions

ALPHA, SIGMA = 0.6, 0.8


@pytest.fixture
def pair(rng):
    return rng.normal(size=(2, 3, 4, 1)), rng.normal(size=(2, 3, 4, 1))


def test_targets_are_what_their_names_say(pair):
    clean, noise = pair
    found = {
        kind: predictions.target(kind, clean, noise, alpha=ALPHA, sigma=SIGMA)
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
    velocity = predictions.target("velocity", clean, noise, alpha=ALPHA, sigma=SIGMA)
    np.testing.assert_allclose(velocity, (after - before) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("kind", predictions.TYPES)
def test_the_clean_image_comes_back(pair, kind):
    clean, noise = pair
    noisy = ALPHA * clean + SIGMA * noise
    target = predictions.target(kind, clean, noise, alpha=ALPHA, sigma=SIGMA)
    found = predictions.clean(kind, target, noisy, alpha=ALPHA, sigma=SIGMA)
    np.testing.assert_allclose(found, clean, atol=1e-12)


def test_noise_says_nothing_of_the_image_in_pure_noise(pair):
    noise, noisy = pair
    with pytest.raises(ValueError, match="pure noise.*velocity.*alpha=0"):
        predictions.clean("noise", noise, noisy, alpha=0.0, sigma=1.0)
    velocity = predictions.target("velocity", noisy, noise, alpha=0.0, sigma=1.0)
    np.testing.assert_array_equal(
        predictions.clean("velocity", velocity, noise, alpha=0.0, sigma=1.0), noisy
    )


@pytest.mark.parametrize(
    ("schedule", "gain"),
    [
        (DDPMSchedule("cosine"), 20291),
        (DDPMSchedule("linear"), 157.4),
        (DDPMSchedule("cosine", prediction="velocity"), 1),
        (DDPMSchedule("cosine", prediction="clean"), 1),
        (EDMSchedule(), 0.5),
    ],
)
def test_the_gain_is_that_of_an_error_of_the_network(schedule, gain, pair):
    assert predictions.error_gain(schedule) == pytest.approx(gain, rel=1e-3)
    prediction, noisy = pair
    level = schedule.levels(1)[0]
    found, wrong = (
        schedule.clean(prediction + error, noisy, level) for error in (0.0, 0.01)
    )
    np.testing.assert_allclose(np.abs(wrong - found), 0.01 * gain, rtol=1e-3)


def test_the_gain_is_infinite_where_nothing_is_said():
    schedule = DDPMSchedule()
    schedule.alphas[-1] = 0
    assert predictions.error_gain(schedule) == np.inf


@pytest.mark.parametrize(
    ("schedule", "warns"),
    [
        (DDPMSchedule(), True),
        (DDPMSchedule("linear"), False),
        (DDPMSchedule(prediction="velocity"), False),
        (EDMSchedule(), False),
    ],
)
def test_latents_want_a_schedule_that_needs_no_clipping(schedule, warns):
    def build(latents):
        network = tiny_network(WholeImage(), schedule=schedule)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            PatchDPM(network, schedule, WholeImage(), latents=latents)
        return [str(warning.message) for warning in caught]

    assert not build(latents=False)
    found = build(latents=True)
    assert len(found) == warns
    for message in found:
        assert "multiplies errors of the network by 20,291" in message
        assert 'prediction="velocity"' in message and "EDMSchedule" in message
