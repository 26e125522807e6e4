"""An interrupted training ends, once resumed, where an unbroken one ends."""

import warnings

import keras
import pytest
from tiny_models import assert_same, state, tiny_images, tiny_model, train

from keras_patchdpm.callbacks import BackupAndRestore
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


@pytest.mark.parametrize("batches", [True, False])
def test_resumed_equals_unbroken(batches, tmp_path):
    """Promise 7: weights, optimizer, averages and seeds, bit for bit."""
    images = tiny_images(8)
    model, data, callbacks = fresh(images, batches)
    train(model, data, epochs=EPOCHS, callbacks=callbacks)
    expected = state(model)

    model, data, callbacks = fresh(images, batches)
    callbacks += [BackupAndRestore(tmp_path), PowerCut(2)]
    with pytest.raises(KeyboardInterrupt):
        train(model, data, epochs=EPOCHS, callbacks=callbacks)

    model, data, callbacks = fresh(images, batches)
    callbacks.append(BackupAndRestore(tmp_path))
    history = train(model, data, epochs=EPOCHS, callbacks=callbacks)
    assert len(history["loss"]) == 1
    assert_same(state(model), expected)


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


@pytest.mark.once
@pytest.mark.parametrize("form", ["one", "list", "CallbackList"])
def test_a_backup_that_a_kill_can_tear_is_named(form, tmp_path):
    model, images, _ = fresh(tiny_images(4), False)
    callbacks = keras.callbacks.BackupAndRestore(tmp_path)
    if form != "one":
        callbacks = [callbacks]
    if form == "CallbackList":
        callbacks = keras.callbacks.CallbackList(
            callbacks, add_history=True, model=model
        )
    with pytest.warns(
        UserWarning, match="is incomplete. Use `keras_patchdpm.callbacks"
    ):
        model.fit(images, epochs=1, verbose=0, callbacks=callbacks)


@pytest.mark.once
def test_a_backup_that_no_kill_can_tear_is_welcome(tmp_path):
    model, images, _ = fresh(tiny_images(4), False)
    with warnings.catch_warnings(record=True) as caught:
        model.fit(images, epochs=1, verbose=0, callbacks=BackupAndRestore(tmp_path))
    assert not [each for each in caught if "BackupAndRestore" in str(each.message)]
