"""Callbacks of Keras, as they come."""

import keras
import numpy as np
from tiny_models import assert_same, tiny_images, tiny_model, train, values


def test_a_training_that_diverges_is_stopped():
    model, images = tiny_model(), tiny_images(8)
    model.network.weights[-1].assign([np.nan, 0.0, 0.0])
    stop = keras.callbacks.TerminateOnNaN()
    history = train(model, images, "sgd", epochs=3, callbacks=[stop])
    assert len(history["loss"]) == 1 and int(model.optimizer.iterations) == 1


def test_stopping_and_keeping_by_the_loss_of_held_images(tmp_path):
    model, images = tiny_model(), tiny_images(8)
    stop = keras.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=1)
    keep = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.keras", monitor="val_loss", save_best_only=True
    )
    weights = keras.callbacks.ModelCheckpoint(
        tmp_path / "last.weights.h5", save_weights_only=True
    )
    history = train(
        model,
        images,
        keras.optimizers.SGD(0.1),
        epochs=5,
        validation_data=(images,),
        callbacks=[stop, keep, weights],
    )
    assert len(history["val_loss"]) == 2 < 5
    kept = sorted(path.name for path in tmp_path.glob("*.keras"))
    best = 1 + int(np.argmin(history["val_loss"]))
    loaded = keras.saving.load_model(tmp_path / f"{best}.keras")
    assert f"{best}.keras" == kept[-1]
    found = loaded.evaluate(images, batch_size=4, verbose=0)
    np.testing.assert_allclose(found, min(history["val_loss"]), rtol=1e-6)
    other = tiny_model()
    other.load_weights(tmp_path / "last.weights.h5")
    assert_same(values(other.network.weights), values(model.network.weights))


def test_a_schedule_of_the_learning_rate():
    model = tiny_model()
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / 2**epoch)
    train(model, tiny_images(4), keras.optimizers.SGD(0.1), epochs=3, callbacks=[rates])
    np.testing.assert_allclose(float(model.optimizer.learning_rate), 0.025)
