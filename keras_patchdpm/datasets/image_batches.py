"""Shuffled batches of an array of images, for `fit` on every backend."""

import copy
import math

import keras
import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.datasets._dtype import in_dtype


class ImageBatches(keras.utils.PyDataset):
    """Batches of images in another order in each epoch, flipped at random.

    An epoch's order, flips and augmentation depend on `seed` and `epoch` alone. The
    batches count their epochs: Keras calls `on_epoch_end`. A training that
    `PatchDPM.fit` starts at a later epoch, since `BackupAndRestore` has found a backup
    or by `initial_epoch`, has that epoch's order, as an unbroken one.

    Args:
        images: Array of shape `(count, H, W, C)`, uint8 or float in [-1, 1], which may
            be a memory map.
        batch_size: Positive int, at most `count`.
        flip: Bool. Whether each image is mirrored left to right half of the time.
        steps: Batches of an epoch, or `None` for each image once, but for those that
            fill no batch. More than that goes through the images again.
        seed: Non-negative int.
        augment: Function `(batch, draws) -> batch` of whole images, such as
            `random_crop_and_resize`, or `None`. `draws` is a `numpy.random.Generator`
            of the batch. A layer of Keras with a seed of its own works too, as `lambda
            batch, draws: layer(batch, training=True)`, but has other draws after a
            stop.
        **kwargs: Passed to `keras.utils.PyDataset`, such as `workers`.

    Attributes:
        epoch: Int. The epoch whose batches come next. Set it to 0 to start again.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
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
        self._made = None, None  # The epoch whose order was made last, and the order.

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        _checks.integer("index", index, minimum=0, maximum=self.steps - 1)
        epoch = self.epoch  # Read once: the next one may begin meanwhile.
        order = self._order(epoch)
        start = index * self.batch_size
        chosen = order[start : start + self.batch_size]
        batch = self.images[np.sort(chosen)]
        if self.flip:
            draws = np.random.default_rng((self.seed, epoch, 1, index))
            mirrored = draws.random(len(batch)) < 0.5
            batch[mirrored] = batch[mirrored, :, ::-1]
        if self.augment is not None:
            draws = np.random.default_rng((self.seed, epoch, 2, index))
            augmented = keras.ops.convert_to_numpy(self.augment(batch, draws))
            batch = in_dtype(augmented, batch.dtype)
        return (batch,)

    def on_epoch_begin(self):
        """Called by Keras when it starts to read an epoch."""
        self._begun = True

    def on_epoch_end(self):
        """Called by Keras when it has read an epoch: the next one comes."""
        if self._begun and self._counts:
            self.epoch += 1
        self._begun = False

    def set_epoch(self, epoch, before=0):
        """Sets which epoch comes; `PatchDPM.fit` calls it.

        Args:
            epoch: Int. Epoch of a training.
            before: Int. Epochs that the batches have been used for before it.
        """
        self.epoch = before + epoch

    def fixed(self):
        """A copy whose epochs are all the first one, to measure a loss on."""
        other = copy.copy(self)
        other.epoch, other._counts = 0, False
        return other

    def _order(self, epoch):
        """Indices of an epoch's images, each as often as any other, give or take 1."""
        made, order = self._made  # Read at once: workers may be making another.
        if made != epoch:
            rounds = math.ceil(self.steps * self.batch_size / len(self.images))
            draws = np.random.default_rng((self.seed, epoch, 0))
            order = np.concatenate(
                [draws.permutation(len(self.images)) for _ in range(rounds)]
            )
            self._made = epoch, order
        return order
