"""The callback that sets the epoch of batches that depend on it."""

import keras


class EpochOfBatches(keras.callbacks.Callback):
    """Sets the epoch of batches of images or crops, and counts the model's epochs.

    `fit` adds it to the callbacks of the user. If `fit` starts at epoch 0, the batches
    continue after the epochs before it: a second `fit` has other orders and crops than
    the first. If `fit` starts later, by `initial_epoch` or from a backup, it has the
    orders and crops of the epochs that it resumes.

    Args:
        batches: Batches with a method `set_epoch(epoch, before)`.
        before: Int. Number of epochs in which the batches were used.
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
    """The user's callbacks, with `own` added: first in a list."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(own)
        return callbacks
    return [own, *keras.tree.flatten(callbacks)] if callbacks else [own]
