"""`fit` and `evaluate`: they learn, they repeat, they do not disturb each other."""

import keras
import numpy as np
import pytest
from tiny_models import (
    assert_same,
    state,
    tiny_images,
    tiny_model,
    train,
    values,
)

BACKEND = keras.backend.backend()


def sgd():
    return keras.optimizers.SGD(0.01, momentum=0.9)


def test_training_lowers_the_loss():
    model, images = tiny_model(), tiny_images(16)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    before = model.evaluate(images, verbose=0)
    history = train(model, images, epochs=20)["loss"]
    assert model.evaluate(images, verbose=0) < 0.8 * before
    assert history[-1] < 0.8 * history[0]


def test_evaluation_repeats_and_does_not_disturb_training():
    images, held = tiny_images(8), tiny_images(6, seed=9)
    model, other = tiny_model(), tiny_model()
    history = train(model, images, sgd(), epochs=2, validation_data=(held,))
    first, second = (model.evaluate(held, verbose=0, batch_size=4) for _ in range(2))
    assert first == second == history["val_loss"][-1] != history["val_loss"][0]

    train(other, images, sgd())
    other.evaluate(held, verbose=0)
    train(other, images, epochs=2, initial_epoch=1)
    assert_same(values(other.network.weights), values(model.network.weights))
    assert_same(
        values([other.seed_generator.state]), values([model.seed_generator.state])
    )


def test_a_seed_decides():
    """Promise 7: the same seed, the same result; another seed, another one."""
    images = tiny_images(8)
    models = [tiny_model(seed=seed) for seed in (0, 0, 1)]
    for model in models:
        train(model, images, sgd())
    first, same, other = (values(model.network.weights) for model in models)
    assert_same(same, first)
    assert all(np.abs(a - b).max() > 1e-5 for a, b in zip(first, other, strict=True))


def test_each_step_draws_anew():
    model, image = tiny_model(), tiny_images(1).repeat(4, axis=0)
    losses = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))
    )
    train(model, image, keras.optimizers.SGD(0.0), epochs=3, callbacks=[watch])
    assert len(set(losses)) == 3


@pytest.fixture(scope="module")
def as_usual():
    """The weights after two steps of a model that is compiled as Keras chooses."""
    model = tiny_model()
    train(model, tiny_images(4), sgd(), epochs=2)
    return values(model.network.weights)


@pytest.mark.parametrize(
    "options",
    [
        {"run_eagerly": True},
        {"jit_compile": False},
        # PyTorch's compiler takes minutes for a step.
        *([] if BACKEND == "torch" else [{"jit_compile": True}]),
    ],
)
def test_however_a_step_is_run(options, as_usual):
    model = tiny_model()
    model.compile(optimizer=sgd(), **options)
    history = train(model, tiny_images(4), epochs=2)
    assert model.run_eagerly == options.get("run_eagerly", False)
    assert model.jit_compile == options.get("jit_compile", False)
    if BACKEND == "tensorflow" and model.jit_compile:  # XLA draws other noise.
        assert np.isfinite(history["loss"]).all()
    else:
        assert_same(values(model.network.weights), as_usual, 1e-6)


def test_a_step_is_traced_once(monkeypatch):
    """Tracing takes most of the time of a small training on TensorFlow."""
    model, calls = tiny_model(), []
    prepare = model.prepare_batch
    monkeypatch.setattr(
        model, "prepare_batch", lambda *data: calls.append(data) or prepare(*data)
    )
    train(model, tiny_images(8), keras.optimizers.Adam(0.01), epochs=2)
    assert len(calls) == (4 if BACKEND == "torch" else 1)


def test_several_steps_in_one_call():
    images, found = tiny_images(8), []
    for steps in (1, 2):
        model = tiny_model()
        model.compile(optimizer=sgd(), steps_per_execution=steps)
        if BACKEND == "torch" and steps > 1:
            with pytest.raises(ValueError, match="`steps_per_execution` must be 1"):
                train(model, images, batch_size=2)
            return
        train(model, images, batch_size=2)
        found.append(state(model))
    assert_same(found[0], found[1], 1e-6)


def test_a_last_batch_of_another_size():
    model = tiny_model()
    history = train(model, tiny_images(6), sgd(), epochs=2)
    assert np.isfinite(history["loss"]).all()
    assert int(model.optimizer.iterations) == 4


def test_dropout_is_on_in_training_alone():
    images = tiny_images(8)
    model, without = tiny_model(dropout=0.5), tiny_model()
    for one in (model, without):
        one.compile(optimizer=keras.optimizers.SGD(0.0))
    assert model.evaluate(images, verbose=0) == without.evaluate(images, verbose=0)
    assert train(model, images)["loss"] != train(without, images)["loss"]
