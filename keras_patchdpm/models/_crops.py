"""Training on crops: batches that are cut on the host know which epoch they are for."""

import keras

BATCH_SIZE = 32  # Keras' own.


def has_crops(patching):
    """Whether a patching cuts while batches are made, as `RandomPatching` does."""
    return hasattr(patching, "batches")


def batches(patching, images, batch_size, seed, **options):
    """Batches of crops of what a user gave to `fit` or `evaluate`."""
    if isinstance(images, keras.utils.PyDataset) and hasattr(images, "open_shapes"):
        return images  # Made with `patching.batches`.
    size = BATCH_SIZE if batch_size is None else batch_size
    return patching.batches(images, size, seed, **options)


def are_cut(data):
    """Whether data are batches of crops already, as Keras hands them to `evaluate`."""
    first = getattr(data, "element_spec", None)  # tf.data
    if isinstance(data, keras.utils.PyDataset):
        first = data[0]
    return isinstance(first, tuple) and isinstance(first[0], dict)


def with_epochs(callbacks, batches):
    """The user's callbacks, and one that tells the batches which epoch begins."""
    own = TellEpoch(batches)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.append(own)
        return callbacks
    if callbacks is None:
        return [own]
    return [*(callbacks if isinstance(callbacks, list | tuple) else [callbacks]), own]


class TellEpoch(keras.callbacks.Callback):
    """So a training that was stopped goes on with the crops it would have had."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
