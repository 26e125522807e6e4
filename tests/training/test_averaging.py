"""How long averaged weights remember."""

import types

import keras
import numpy as np
import pytest

import keras_patchdpm as kp
from keras_patchdpm.training import (
    AveragingAdam,
    averaging,
    ema_momentum,
    images_per_step,
)


class Weights(keras.callbacks.Callback):
    """Keeps the weights after each step."""

    def __init__(self):
        super().__init__()
        self.after = []

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.after.append(self.model.layers[-1].get_weights()[0])


def small_model(optimizer):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    return model


def test_an_average_is_over_a_share_of_all_steps(rng):
    optimizer = AveragingAdam(0.1, ema_share=0.2)
    model, weights = small_model(optimizer), Weights()
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    model.fit(x, y, batch_size=1, verbose=0, callbacks=[weights])
    exponent = averaging._exponent(0.2)
    average = 0
    for step, values in enumerate(weights.after, 1):
        momentum = (1 - 1 / step) ** (exponent + 1)
        average = momentum * average + (1 - momentum) * values
    assert np.abs(average - weights.after[-1]).max() > 1e-2
    np.testing.assert_allclose(model.layers[-1].get_weights()[0], average, atol=1e-6)


@pytest.mark.once
def test_a_saved_optimizer_averages_on(tmp_path):
    model = small_model(AveragingAdam(0.1, ema_share=0.2, clipnorm=1.0))
    model.save(tmp_path / "model.keras")
    optimizer = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert isinstance(optimizer, AveragingAdam)
    assert optimizer.ema_share == 0.2 and optimizer.clipnorm == 1.0


@pytest.mark.once
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.28])
def test_the_width_of_an_average_is_the_share(share):
    """An average counts a step as its number to the power of the exponent."""
    steps = np.arange(1, 100_001) / 100_000
    counts = steps ** averaging._exponent(share)
    mean = np.average(steps, weights=counts)
    width = np.average((steps - mean) ** 2, weights=counts) ** 0.5
    assert width == pytest.approx(share, rel=1e-3)


@pytest.mark.once
def test_half_of_an_average_is_forgotten_in_its_half_life():
    patching = kp.RandomPatching(64)
    model = types.SimpleNamespace(patching=patching)
    seen = images_per_step(model, 256)
    assert seen == pytest.approx(1.9 * 256)
    momentum = ema_momentum(half_life=100 * seen, images_per_step=seen)
    assert momentum**100 == pytest.approx(0.5)
    model.patching = kp.GridPatching(2)
    assert images_per_step(model, 256) == 256
    with pytest.raises(ValueError, match="`half_life` must be at least"):
        ema_momentum(0, 32)
