"""Shuffled batches of an array of images, for `fit` on every backend."""

import copy
import functools
import math

import keras
import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.datasets._arrays import in_dtype
from keras_patchdpm.datasets._image_folder import ImageFolder, as_images
from keras_patchdpm.datasets._reading import default_workers
from keras_patchdpm.runtime import free_bytes, processes

SHARE = 0.1  # Of the device's free memory: the most that images take by default.


class ImageBatches(keras.utils.PyDataset):
    """Batches of images, in a new order in each epoch and flipped at random.

    The order, flips and augmentation of an epoch depend only on `seed` and `epoch`, and
    `batches[index]` is the same batch whichever batches were read before: a training
    may resume at any batch. The batches count epochs themselves, since Keras calls
    `on_epoch_end`. If `PatchDPM.fit` starts at a later epoch, from a backup or by
    `initial_epoch`, it uses the order of that epoch, as an unbroken training would.

    It is a `keras.utils.PyDataset`, which Keras reads in threads on every backend and
    which needs no further package. (`grain` reads in processes, but its position is
    an iterator's, which Keras does not save.)

    Args:
        images: Array of shape `(count, H, W, C)`, uint8 or float in [-1, 1]. It may be
            a memory map or an `ImageFolder`, whose images are decoded in the threads.
        batch_size: Positive int, at most `count`. With shards: of each of them.
        flip: Bool. Whether each image is mirrored left to right with probability 1/2.
            Default: yes.
        labels: Ints `(count,)`: the batches are `(images, labels)`. Default `None`:
            the labels of an `ImageFolder`; none for an array.
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
        num_shards: Positive int, the processes that train together. All have as many
            steps, and other images in each step. Default `None`: the processes of JAX
            or of `torch.distributed`; 1 on TensorFlow.
        shard: Int from 0 to `num_shards - 1`, the number of this process. Default
            `None`: its number in JAX or `torch.distributed`; 0 on TensorFlow.
        **kwargs: Passed to `keras.utils.PyDataset`, such as `max_queue_size`.

    Attributes:
        epoch: Int. The epoch of the next batches. Set it to 0 to start again.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If there are fewer images than the batches of all shards need, or an
            argument is out of range.

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
        labels=None,
        steps=None,
        seed=0,
        augment=None,
        workers=None,
        num_shards=None,
        shard=None,
        images_on=None,
        **kwargs,
    ):
        if workers is None:
            # With one, Keras lets TensorFlow tune how it reads: an epoch then ends
            # later, up to half of its time.
            workers = default_workers()
        super().__init__(workers=_checks.positive_int("workers", workers), **kwargs)
        self.images = as_images("images", images)
        _checks.images("images", self.images)
        count = _checks.integer("the number of `images`", len(self.images), minimum=1)
        self.num_shards, self.shard = _shards(num_shards, shard)
        self.batch_size = _checks.integer(
            "batch_size", batch_size, minimum=1, maximum=count
        )
        self._together = self.batch_size * self.num_shards  # Images of a step.
        if self._together > count:
            raise ValueError(
                f"A step of {self.num_shards} shards needs {self._together} images, "
                f"and there are {count}. Choose a smaller `batch_size`, or more "
                f"images. Received: batch_size={batch_size}, "
                f"num_shards={self.num_shards}."
            )
        self.labels = _labels(labels, self.images)
        self.flip = _checks.boolean("flip", flip)
        if steps is None:
            steps = count // self._together
        self.steps = _checks.positive_int("steps", steps)
        self.seed = _checks.integer("seed", seed, minimum=0)
        self.augment = augment
        if augment is not None:
            _checks.function("augment", augment)
        self.images_on = self._place(images_on)
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
        number = index * self.num_shards + self.shard  # Among those of all shards.
        start = number * self.batch_size
        chosen = np.sort(order[start : start + self.batch_size])
        mirrored = np.zeros(len(chosen), bool)
        if self.flip:
            rng = np.random.default_rng((self.seed, epoch, 1, number))
            mirrored = rng.random(len(chosen)) < 0.5
        if self.images_on == "device":
            batch = self._gathered(chosen, mirrored)
        else:
            batch = self.images[chosen]
            batch[mirrored] = batch[mirrored, :, ::-1]
        if self.augment is not None:
            rng = np.random.default_rng((self.seed, epoch, 2, number))
            augmented = keras.ops.convert_to_numpy(self.augment(batch, rng))
            batch = in_dtype(augmented, batch.dtype)
        return (batch,) if self.labels is None else (batch, self.labels[chosen])

    def on_epoch_begin(self):
        """Called by Keras before it reads the batches of an epoch."""
        self._begun = True

    def on_epoch_end(self):
        """Called by Keras after it has read an epoch: counts the epoch."""
        if self._begun and self._counts:
            self.epoch += 1
        self._begun = False
        if isinstance(self.images, ImageFolder):
            self.images.warn_of_broken()

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

    def on_host(self):
        """A copy whose batches are NumPy arrays; called where `fit` cuts crops."""
        other = copy.copy(self)
        other.images_on = "host"
        return other

    @functools.cached_property
    def _on_device(self):
        """The images as a tensor of the backend."""
        return keras.ops.convert_to_tensor(np.asarray(self.images))

    def _gathered(self, chosen, mirrored):
        """The images of a batch, a tensor on the device."""
        batch = keras.ops.take(self._on_device, chosen.astype("int32"), axis=0)
        if not self.flip:
            return batch
        mirrored = keras.ops.convert_to_tensor(mirrored[:, None, None, None])
        return keras.ops.where(mirrored, keras.ops.flip(batch, axis=2), batch)

    def _place(self, images_on):
        """Validates `images_on`; `None`: where the images are best."""
        _checks.one_of("images_on", images_on, (None, "device", "host"))
        reason = self._only_on_host()
        if images_on == "device" and reason:
            raise ValueError(
                f"The images cannot be on the device: {reason}. Leave `images_on` out. "
                f"Received: images_on={images_on!r}."
            )
        if images_on is not None:
            return images_on
        free = None if reason else free_bytes()
        fits = free is not None and self.images.nbytes <= SHARE * free
        return "device" if fits else "host"

    def _only_on_host(self):
        """Why the images must be on the host, or `None` if they need not."""
        if isinstance(self.images, ImageFolder):
            return "they are decoded from files"
        if self.augment is not None:
            return "`augment` computes on the host"
        if keras.backend.backend() == "tensorflow":
            return "TensorFlow reads batches from the host's memory"
        if self.num_shards > 1 or keras.distribution.distribution() is not None:
            return "several processes or devices share each step"
        return None

    def _order(self, epoch):
        """Indices of the images of an epoch; their counts differ by at most 1."""
        made, order = self._made  # One read: a worker may replace the pair meanwhile.
        if made != epoch:
            rounds = math.ceil(self.steps * self._together / len(self.images))
            rng = np.random.default_rng((self.seed, epoch, 0))
            order = np.concatenate(
                [rng.permutation(len(self.images)) for _ in range(rounds)]
            )
            self._made = epoch, order
        return order


def _shards(num_shards, shard):
    """Validates `(num_shards, shard)`; `None`: as the backend has it."""
    if (num_shards is None) != (shard is None):
        raise ValueError(
            "`num_shards` and `shard` belong together: pass both, or neither for the "
            "processes of the backend. "
            f"Received: num_shards={num_shards}, shard={shard}."
        )
    if num_shards is None:
        return processes()
    num_shards = _checks.positive_int("num_shards", num_shards)
    return num_shards, _checks.integer(
        "shard", shard, minimum=0, maximum=num_shards - 1
    )


def _labels(labels, images):
    """Validates labels; `None`: those of an `ImageFolder`."""
    if labels is None:
        return images.labels if isinstance(images, ImageFolder) else None
    labels = _checks.array("labels", labels)
    if labels.shape != (len(images),):
        raise ValueError(
            f"`labels` must contain one int for each of the {len(images)} images. "
            f"Received: {_checks.received('labels', labels)}."
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"`labels` must be ints. Received: labels of dtype {labels.dtype}."
        )
    if labels.min() < 0:
        raise ValueError(
            "`labels` must be at least 0. "
            f"Received: {_checks.received('labels', labels)}."
        )
    return labels
