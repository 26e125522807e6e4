"""The learning rate over a training."""

import keras
import numpy as np
import pytest
from tiny_models import tiny_images, tiny_model

from keras_patchdpm.training._run import LearningRate, Progress


def rates(rate, steps):
    """The learning rates of `steps` steps."""
    found = []
    for rate.progress.step in range(steps):
        found.append(rate.rate())
    return found


def learning_rate(steps, clock=None, **options):
    return LearningRate(Progress(steps=steps, clock=clock), 2.0, **options)


@pytest.mark.once
def test_it_rises_stays_and_falls():
    found = rates(learning_rate(16, warmup_steps=4, cooldown=0.5), 16)
    assert found[:9] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    levels = np.floor(100 * np.arange(8) / 8) / 100
    np.testing.assert_allclose(found[8:], 2 * (1 - levels**0.5))


@pytest.mark.once
def test_without_a_cooldown_it_stays():
    assert rates(learning_rate(4, warmup_steps=0, cooldown=0.0), 6) == [2.0] * 6


class FakeClock:
    """Another share of the time is over each time that it is asked."""

    def __init__(self, *shares):
        self.shares = list(shares)

    @property
    def over(self):
        return self.shares.pop(0)


@pytest.mark.once
def test_it_falls_with_the_clock():
    clock = FakeClock(0.0, 0.75, 0.8125, 0.9999, 1.5)
    found = rates(learning_rate(100, clock, warmup_steps=0, cooldown=0.25), 5)
    lowest = 2 - 2 * 0.99**0.5
    np.testing.assert_allclose(found, [2.0, 2.0, 2 - 2 * 0.25**0.5, lowest, lowest])


def test_the_steps_use_it():
    model = tiny_model()
    model.compile(keras.optimizers.SGD(1.0))
    before = [np.array(value) for value in model.get_weights()]
    progress = Progress(steps=None, clock=None)
    rate = LearningRate(progress, 0.0, warmup_steps=0, cooldown=0.0)
    callbacks = [rate, progress]
    model.fit(tiny_images(4), batch_size=2, verbose=0, callbacks=callbacks)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    rate.highest = 0.1
    model.fit(tiny_images(4), batch_size=2, verbose=0, callbacks=callbacks)
    changed = [np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert any(changed)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
