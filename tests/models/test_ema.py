"""`with model.ema_weights():` shows the averaged weights, and leaves no trace."""

import keras
import numpy as np
import pytest
from tiny_models import assert_same, state, tiny_images, tiny_model, train, values

from keras_patchdpm.models import _ema


def averaging(scaled=False, momentum=0.5):
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=momentum)
    return keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer


class Look(keras.callbacks.Callback):
    """Uses the averaged weights in the middle of an epoch, as a sampler would."""

    def __init__(self, model):
        super().__init__()
        self.watched = model  # Keras' own `self.model` would attach JAX' state.
        self.seen, self.weights, self.loss = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        if batch:
            return
        with self.watched.ema_weights():
            self.seen.append(values(self.watched.network.weights))
        self.weights.append(values(self.watched.network.weights))

    def on_epoch_end(self, epoch, logs=None):
        with self.watched.ema_weights():
            self.loss.append(self.watched.evaluate(tiny_images(4), verbose=0))


@pytest.mark.parametrize("scaled", [False, True])
def test_looking_does_not_disturb_training(scaled):
    images, found = tiny_images(8), []
    for look in (True, False):
        model = tiny_model()
        callbacks = [Look(model)] if look else []
        train(model, images, averaging(scaled), epochs=2, callbacks=callbacks)
        found.append(state(model))
        if look:
            seen, weights = callbacks[0].seen, callbacks[0].weights
            assert callbacks[0].loss[0] != callbacks[0].loss[1]
    assert_same(found[0], found[1])
    assert_same(seen[0], weights[0])  # The average starts at the first weights.
    assert all((a != b).any() for a, b in zip(seen[1], weights[1], strict=True))


@pytest.mark.parametrize("scaled", [False, True])
def test_the_average_is_that_of_the_weights(scaled):
    model, images, path = tiny_model(), tiny_images(12), []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: (
            model.attach_state(),
            path.append(values(model.network.weights)),
        )
    )
    model.compile(optimizer=averaging(scaled))
    train(model, images, callbacks=[keep])
    expected = path[0]
    for weights in path[1:]:
        expected = [(a + b) / 2 for a, b in zip(expected, weights, strict=True)]
    # As if the training went on: at its end, Keras leaves the average in the model.
    assert_same(values(model.network.weights), expected, 1e-6)
    for weight, value in zip(model.network.weights, path[-1], strict=True):
        weight.assign(value)
    with model.ema_weights():
        assert_same(values(model.network.weights), expected, 1e-6)
    assert_same(values(model.network.weights), path[-1])


@pytest.mark.parametrize("scaled", [pytest.param(False, marks=pytest.mark.once), True])
def test_training_goes_on_after_use(scaled):
    """Also where the model is used before anything is done with the averages."""
    images, seen = tiny_images(4), []
    model = tiny_model()
    at_the_end = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: seen.append(model.evaluate(images, verbose=0))
    )
    train(model, images, averaging(scaled), epochs=2, callbacks=[at_the_end])
    train(model, images, epochs=2)
    assert model.evaluate(images, verbose=0) < seen[0]
    with model.ema_weights():
        model.network.predict_on_batch(model.prepare(images, model.seed_generator)[0])
    train(model, images)


def test_an_error_inside_leaves_the_weights():
    model = tiny_model()
    train(model, tiny_images(4), averaging())
    model.network.weights[0].assign(np.zeros(model.network.weights[0].shape))
    before = values(model.network.weights)
    with pytest.raises(RuntimeError, match="within"), model.ema_weights():
        raise RuntimeError("within")
    assert_same(values(model.network.weights), before)


def values_of(model):
    return values([*model.network.weights, *model.optimizer.variables])


@pytest.mark.parametrize("averaged", [True, False])
def test_an_error_of_the_first_step_is_what_is_seen(averaged):
    """Keras on JAX would hide it, and lose the weights."""

    def broken():
        yield (tiny_images(2)[:, :4],)

    model = tiny_model()
    model.compile(optimizer=averaging() if averaged else "sgd")
    model.optimizer.build(model.trainable_variables)
    before = values_of(model)
    for work in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="Batch 0 .*images of the shape"):
            work(broken(), verbose=0)
        assert_same(values_of(model), before)
    model.prepare_batch = None  # An error that no check foresees.
    for work in (model.fit, model.evaluate):
        with pytest.raises(TypeError, match="not callable"):
            work(tiny_images(2), verbose=0)
        assert_same(values_of(model), before)
    del model.prepare_batch
    assert np.isfinite(model.fit(tiny_images(2), verbose=0).history["loss"]).all()


HOOKS = [
    f"on_{part}_{when}"
    for part in ("train_batch", "epoch", "test")
    for when in ("begin", "end")
]


@pytest.fixture(scope="module")
def model():
    """Compiled once, and trained on by each test."""
    model = tiny_model()
    model.compile(optimizer=averaging())
    return model


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_of_a_callback_is_what_is_seen(hook, model):
    """The model keeps its last weights, and the next call works."""
    images, seen = tiny_images(8), []

    def fail(number, logs=None):
        seen.append(number)
        if len(seen) == 3:
            raise RuntimeError("my own")

    class Failing(keras.callbacks.Callback):
        pass

    if hook.startswith("on_test"):
        setattr(Failing, hook, lambda self, logs=None: fail(0))
    else:
        setattr(Failing, hook, lambda self, number, logs=None: fail(number))
    options = {"epochs": 3, "validation_data": images, "callbacks": [Failing()]}
    with pytest.raises(RuntimeError, match="^my own$"):
        train(model, images, **options)
    with model.ema_weights():
        average = values(model.network.weights)
    weights = values(model.network.weights)
    # `fit` did not end, so that the weights are not yet the average.
    assert any(
        (one != other).any() for one, other in zip(weights, average, strict=True)
    )
    assert np.isfinite(model.evaluate(images, verbose=0))
    assert np.isfinite(train(model, images)["loss"]).all()


def test_no_average():
    model = tiny_model()
    with pytest.raises(ValueError, match="Compile.*use_ema=True.*NoneType"):
        model.ema_weights().__enter__()
    model.compile(optimizer=keras.optimizers.Adam())
    with pytest.raises(ValueError, match="Compile.*use_ema=True.*Adam, use_ema=False"):
        model.ema_weights().__enter__()
    model.compile(optimizer=averaging(scaled=True))
    with pytest.raises(ValueError, match="no averaged weights yet"):
        model.ema_weights().__enter__()
    # Built, but never used: the averages are zeros.
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(ValueError, match="Train the model first"):
        model.ema_weights().__enter__()


def test_keras_own_callback_evaluates_the_average():
    model, held = tiny_model(), tiny_images(4, seed=5)
    swap = keras.callbacks.SwapEMAWeights()
    options = {"epochs": 1, "validation_data": (held,), "callbacks": [swap]}
    history = train(model, tiny_images(8), averaging(momentum=0.9), **options)
    # After `fit` the weights are the average.
    found = model.evaluate(held, verbose=0)
    np.testing.assert_allclose(history["val_loss"], [found], rtol=1e-5)
    assert len(_ema.averages(model.optimizer)) == len(model.trainable_variables)
