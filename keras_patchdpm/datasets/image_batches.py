"""Shuffled batches of an array of images, for `fit` on every backend."""

import copy
import math
import os

import keras
import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.datasets._arrays import in_dtype


class ImageBatches(keras.utils.PyDataset):
    """Batches of images, in a new order in each epoch and flipped at random.

    The order, flips and augmentation of an epoch depend only on `seed` and `epoch`. The
    batches count epochs themselves, since Keras calls `on_epoch_end`. If `PatchDPM.fit`
    starts at a later epoch, from a backup or by `initial_epoch`, it uses the order of
    that epoch, as an unbroken training would.

    Args:
        images: Array of shape `(count, H, W, C)`, uint8 or float in [-1, 1]. It may be
            a memory map.
        batch_size: Positive int, at most `count`.
        flip: Bool. Whether each image is mirrored left to right with probability 1/2.
            Default: yes.
        steps: Positive int, the batches of an epoch. More steps than full batches
            repeat images. Default `None`: each image at most once, in full batches.
        seed: Non-negative int. Default 0.
        augment: Function `(batch, rng) -> batch` of whole images, such as
            `random_crop_and_resize`, where `rng` is a `numpy.random.Generator` for
            the batch. A Keras layer works too: `lambda batch, rng: layer(batch,
            training=True)`, but a resumed training then draws other random numbers.
            Default `None`: no augmentation.
        workers: Positive int. Threads that prepare batches during the training, and
            call `augment` at the same time. 1: no threads. Default `None`: one for each
            processor, at least 2 and at most 8.
        **kwargs: Passed to `keras.utils.PyDataset`, such as `max_queue_size`.

    Attributes:
        epoch: Int. The epoch of the next batches. Set it to 0 to start again.

    Raises:
        ValueError: If there are fewer images than `batch_size`.

    Example:

    >>> batches = ImageBatches(images, batch_size=32)
    >>> model.fit(batches, epochs=10)
    """

    def __init__(
        self,
        images,
        batch_size,
        *,
        flip=True,
        steps=None,
        seed=0,
        augment=None,
        workers=None,
        **kwargs,
    ):
        if workers is None:
            # With one, Keras lets TensorFlow tune how it reads: an epoch then ends
            # later, up to half of its time.
            workers = min(max(2, os.cpu_count() or 2), 8)
        super().__init__(workers=_checks.positive_int("workers", workers), **kwargs)
        self.images = _checks.array("images", images)
        _checks.images("images", self.images)
        count = _checks.integer("the number of `images`", len(self.images), minimum=1)
        self.batch_size = _checks.integer(
            "batch_size", batch_size, minimum=1, maximum=count
        )
        self.flip = _checks.boolean("flip", flip)
        if steps is None:
            steps = count // self.batch_size
        self.steps = _checks.positive_int("steps", steps)
        self.seed = _checks.integer("seed", seed, minimum=0)
        self.augment = augment
        if augment is not None:
            _checks.function("augment", augment)
        self.epoch = 0
        self._counts = True
        self._begun = False  # Keras also calls `on_epoch_end` before the first epoch.
        self._made = None, None  # The epoch of the last order, and that order.

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        _checks.integer("index", index, minimum=0, maximum=self.steps - 1)
        epoch = self.epoch  # Read once: the next epoch may begin meanwhile.
        order = self._order(epoch)
        start = index * self.batch_size
        chosen = order[start : start + self.batch_size]
        batch = self.images[np.sort(chosen)]
        if self.flip:
            rng = np.random.default_rng((self.seed, epoch, 1, index))
            mirrored = rng.random(len(batch)) < 0.5
            batch[mirrored] = batch[mirrored, :, ::-1]
        if self.augment is not None:
            rng = np.random.default_rng((self.seed, epoch, 2, index))
            augmented = keras.ops.convert_to_numpy(self.augment(batch, rng))
            batch = in_dtype(augmented, batch.dtype)
        return (batch,)

    def on_epoch_begin(self):
        """Called by Keras before it reads the batches of an epoch."""
        self._begun = True

    def on_epoch_end(self):
        """Called by Keras after it has read an epoch: counts the epoch."""
        if self._begun and self._counts:
            self.epoch += 1
        self._begun = False

    def set_epoch(self, epoch, before=0):
        """Sets the next epoch; called in `PatchDPM.fit`, by `EpochOfBatches`.

        Args:
            epoch: Int. Number of the epoch in this training, from 0.
            before: Int. Epochs of these batches before this training. Default 0.
        """
        self.epoch = before + epoch

    def fixed(self):
        """A copy in which every epoch is the first one; called by `evaluate`."""
        other = copy.copy(self)
        other.epoch, other._counts = 0, False
        return other

    def _order(self, epoch):
        """Indices of the images of an epoch; their counts differ by at most 1."""
        made, order = self._made  # One read: a worker may replace the pair meanwhile.
        if made != epoch:
            rounds = math.ceil(self.steps * self.batch_size / len(self.images))
            rng = np.random.default_rng((self.seed, epoch, 0))
            order = np.concatenate(
                [rng.permutation(len(self.images)) for _ in range(rounds)]
            )
            self._made = epoch, order
        return order
