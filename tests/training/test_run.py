"""The learning rate over a training."""

import keras
import numpy as np
import pytest
from tiny_models import tiny_images, tiny_model

from keras_patchdpm.training._run import LearningRate, StopAfter


def rates(rate, steps):
    """The learning rates of `steps` steps."""
    rate.step, found = 0, []
    for step in range(steps):
        found.append(rate.rate())
        rate.on_train_batch_end(step)
    return found


@pytest.mark.once
def test_it_rises_stays_and_falls():
    rate = LearningRate(2.0, warmup_steps=4, cooldown=0.5, steps=16, clock=None)
    found = rates(rate, 16)
    assert found[:9] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    levels = np.floor(100 * np.arange(8) / 8) / 100
    np.testing.assert_allclose(found[8:], 2 * (1 - levels**0.5))


@pytest.mark.once
def test_without_a_cooldown_it_stays():
    rate = LearningRate(2.0, warmup_steps=0, cooldown=0.0, steps=4, clock=None)
    assert rates(rate, 6) == [2.0] * 6


@pytest.mark.once
def test_it_falls_with_the_clock(monkeypatch):
    clock = StopAfter(1)
    rate = LearningRate(2.0, warmup_steps=0, cooldown=0.25, steps=100, clock=clock)
    shares = [0.0, 0.75, 0.8125, 0.9999, 1.5]
    monkeypatch.setattr(clock, "done", lambda: shares.pop(0))
    np.testing.assert_allclose(
        rates(rate, 5), [2.0, 2.0, 1.0, 2 - 2 * 0.99**0.5, 0.02], atol=0.02
    )


def test_the_steps_use_it():
    model = tiny_model()
    model.compile(keras.optimizers.SGD(1.0))
    before = [np.array(value) for value in model.get_weights()]
    rate = LearningRate(0.0, warmup_steps=0, cooldown=0.0, steps=None, clock=None)
    model.fit(tiny_images(4), batch_size=2, verbose=0, callbacks=[rate])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    rate.highest = 0.1
    model.fit(tiny_images(4), batch_size=2, verbose=0, callbacks=[rate])
    changed = [np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert any(changed)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
