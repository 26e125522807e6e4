"""An interrupted training ends, once resumed, where an unbroken one ends."""

import keras
import pytest
from tiny_models import assert_same, state, tiny_images, tiny_model, train

from keras_patchdpm.datasets import ImageBatches

EPOCHS = 3


class PowerCut(keras.callbacks.Callback):
    """Stops the training in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt


def fresh(images, batches):
    """A model, its data and callbacks, as a new process would make them."""
    model = tiny_model(dropout=0.2)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer=optimizer)
    if not batches:
        return model, images, []
    data = ImageBatches(images, batch_size=4, seed=7)
    return model, data, []


def backup(folder, double=False):
    return keras.callbacks.BackupAndRestore(
        folder, double_checkpoint=double, delete_checkpoint=False
    )


def unbroken(images, batches):
    model, data, callbacks = fresh(images, batches)
    train(model, data, epochs=EPOCHS, callbacks=callbacks)
    return state(model)


def cut_off(images, batches, folder, epoch, double=False):
    model, data, callbacks = fresh(images, batches)
    callbacks = [backup(folder, double), PowerCut(epoch), *callbacks]
    with pytest.raises(KeyboardInterrupt):
        train(model, data, epochs=EPOCHS, callbacks=callbacks)


def resumed(images, batches, folder, double=False):
    model, data, callbacks = fresh(images, batches)
    callbacks = [backup(folder, double), *callbacks]
    history = train(model, data, epochs=EPOCHS, callbacks=callbacks)
    return state(model), len(history["loss"])


def test_resumed_equals_unbroken(tmp_path):
    """Promise 7: weights, optimizer, averages and seeds, bit for bit."""
    images = tiny_images(8)
    cut_off(images, True, tmp_path, epoch=2)
    found, epochs = resumed(images, True, tmp_path)
    assert epochs == 1
    assert_same(found, unbroken(images, True))


@pytest.mark.slow
def test_resumed_from_the_second_checkpoint(tmp_path):
    """Of an array; the last one was being written when the power went."""
    images = tiny_images(8)
    cut_off(images, False, tmp_path, epoch=2, double=True)
    path = tmp_path / "latest.weights.h5"
    path.write_bytes(path.read_bytes()[:1000])
    found, epochs = resumed(images, False, tmp_path, double=True)
    assert epochs == 2
    assert_same(found, unbroken(images, False))


def test_a_saved_model_goes_on(tmp_path):
    """A `.keras` file has the way it was compiled, the averages and the seeds."""
    images = tiny_images(8)
    model, data, _ = fresh(images, False)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    train(model, data, epochs=2, callbacks=[checkpoint])
    loaded = keras.saving.load_model(tmp_path / "1.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    with loaded.ema_weights():
        pass
    train(loaded, data, epochs=2, initial_epoch=1)
    assert_same(state(loaded), state(model))
