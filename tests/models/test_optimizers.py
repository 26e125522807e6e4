"""Accumulation and clipping are Keras' own: here they reach the model's gradients."""

import keras
import numpy as np
import pytest
from tiny_models import FixedNoise, assert_same, tiny_images, tiny_model, train, values

from keras_patchdpm import GridPatching
from keras_patchdpm.models import _ema


def fixed_model():
    """A model that sees the same noise in batches of any size."""
    return tiny_model(GridPatching(2, patches_per_image=4), FixedNoise())


@pytest.mark.parametrize("clipping", [{}, {"global_clipnorm": 0.1}])
def test_accumulation_equals_the_large_batch(clipping):
    images, found = tiny_images(8), []
    for steps, batch_size in ((None, 4), (2, 2)):
        model = fixed_model()
        optimizer = keras.optimizers.SGD(
            0.1, gradient_accumulation_steps=steps, **clipping
        )
        train(model, images, optimizer, batch_size=batch_size)
        found.append(values(model.network.weights))
    assert_same(found[0], found[1], 1e-6)
    before = values(fixed_model().network.weights)
    assert all((a != b).any() for a, b in zip(found[0], before, strict=True))


def test_clipping():
    model = fixed_model()
    before = values(model.network.weights)
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=0.01)
    train(model, tiny_images(4), optimizer)
    after = values(model.network.weights)
    squares = [((a - b) ** 2).sum() for a, b in zip(after, before, strict=True)]
    np.testing.assert_allclose(np.sqrt(sum(squares)), 0.01, rtol=1e-3)


def test_accumulation_moves_the_average_at_every_batch():
    """Said at `compile`; the advice gives the large batch's average."""
    images, found = tiny_images(8), []
    model = fixed_model()
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.81)
    train(model, images, optimizer, batch_size=2)
    found.append([value for _, value in _ema.averages(optimizer)])

    model = fixed_model()
    optimizer = keras.optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.9, gradient_accumulation_steps=2
    )
    with pytest.warns(
        UserWarning, match=r"0\.9\*\*2 = 0\.81 .*`ema_momentum=0\.948683`"
    ):
        model.compile(optimizer=optimizer)
    # One more half batch: until then, the average lags behind the last update.
    more = np.concatenate([images, images[:1]])
    train(model, more, batch_size=1)
    found.append([value for _, value in _ema.averages(optimizer)])
    assert_same(values(found[0]), values(found[1]), 1e-6)
