"""Batches that depend on the epoch, and the callback that says which one begins."""

import keras


class EpochOfBatches(keras.callbacks.Callback):
    """Says to batches of images or crops which epoch begins, and counts a model's.

    A training that starts at epoch 0 continues where the batches stand: a second `fit`
    has other orders and crops than the first. One that starts later, by
    `initial_epoch` or since `BackupAndRestore` has found a backup, has those of the
    epochs that it continues with.

    Args:
        batches: With a method `set_epoch(epoch, before)`.
        before: Int. Epochs that they have been used for.
    """

    def __init__(self, batches, before):
        super().__init__()
        self.batches, self.before = batches, before
        self.first = None

    def on_epoch_begin(self, epoch, logs=None):
        if self.first is None:
            self.first = epoch
            self.before = self.before if epoch == 0 else 0
        self.batches.set_epoch(epoch, self.before)

    def on_epoch_end(self, epoch, logs=None):
        self.model.epochs_trained = self.before + epoch + 1
        self.batches.set_epoch(epoch + 1, self.before)


def with_callback(callbacks, own):
    """The user's callbacks, and one more before them."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(own)
        return callbacks
    return [own, *keras.tree.flatten(callbacks)] if callbacks else [own]
