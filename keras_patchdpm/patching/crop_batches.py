"""Batches of crops, which are cut on the host during training."""

import keras
import numpy as np

from keras_patchdpm import _checks


class CropBatches(keras.utils.PyDataset):
    """Batches of crops for `RandomPatching`, which `PatchDPM.fit` passes to Keras.

    An epoch has as many steps as one of whole images. Each step has one size of crop,
    and as many images as the batch multiplier of that size says. They come from an
    endless stream, which repeats all images, each time in a new order.

    Args:
        patching: `RandomPatching`.
        images: Array `(count, H, W, C)`, or a data set of batches with a length.
        batch_size: Positive int, for an array.
        seed: Non-negative int.
        sample_weight: Array `(count,)`, not for a data set. Default `None`: all
            weights are 1.
        epochs: Positive int. Epochs of the training, over which the sizes grow if the
            patching is progressive. Default 1.
        labels: Int array `(count,)`. A data set has them in its batches. Default
            `None`: no labels.
        whole: Bool. Whether batches have the whole images, not the crops. Default: the
            crops.
        shard: Int of at least 0, the number of this process among those that train
            together: see `RandomPatching.batches`. Default 0.

    Attributes:
        epoch: Int. The current epoch, which `PatchDPM.fit` sets. Each epoch has other
            sizes and positions, and another order.
        before: Int. Epochs before this training. A progressive training does not count
            them.
    """

    def __init__(
        self,
        patching,
        images,
        *,
        batch_size,
        seed,
        sample_weight=None,
        epochs=1,
        labels=None,
        whole=False,
        shard=0,
    ):
        super().__init__()
        self.patching = patching
        self.seed, self.whole, self.shard = seed, whole, shard
        if hasattr(images, "shape"):
            batch_size = _checks.positive_int("batch_size", batch_size)
            self.stream = _ArrayStream(
                images,
                batch_size=batch_size,
                seed=seed,
                labels=labels,
                sample_weight=sample_weight,
                shard=shard,
            )
        elif isinstance(images, keras.utils.PyDataset):
            turns = max(patching.batch_multipliers)
            self.stream = _IndexedStream(images, turns)
        else:
            self.stream = _DataStream(images)
        self.epochs = epochs
        self.epoch = self.before = 0
        self._planned = None, None

    def __len__(self):
        return self.stream.steps

    def __getitem__(self, step):
        epoch = self.epoch  # Read once: the next one may begin meanwhile.
        sizes = self.sizes(epoch)
        size = sizes[step]
        multipliers = np.array(self.patching.batch_multipliers)[sizes]
        before = int(multipliers[:step].sum())
        images, labels, weights = self.stream.take(epoch, before, multipliers[step])
        # Even numbers for positions, odd ones for orders.
        rng = np.random.default_rng((self.seed, epoch, step, 2 * self.shard))
        rows, cols = (
            rng.integers(0, whole - side + 1, (len(images), 1)) + np.arange(side)
            for whole, side in zip(
                self.patching.image_size, self.patching.sizes[size], strict=True
            )
        )
        if not self.whole:  # Only the crop is needed on the device.
            image = np.arange(len(images))[:, None, None]
            images = images[image, rows[:, :, None], cols[:, None, :]]
        data = {
            "images": images,
            "rows": rows.astype("int32"),
            "cols": cols.astype("int32"),
        }
        if weights is not None:
            # Without labels Keras would ignore the weights.
            labels = np.zeros(len(images), "int32") if labels is None else labels
            return data, labels, weights
        return (data,) if labels is None else (data, labels)

    def set_epoch(self, epoch, before=0):
        """Sets the next epoch; called in `PatchDPM.fit`, by `EpochOfBatches`.

        Args:
            epoch: Int. Number of the epoch in this training, from 0.
            before: Int. Epochs of the model before this training. Default 0.
        """
        self.epoch, self.before = before + epoch, before

    def open_shapes(self):
        """Shapes of the arrays of a batch, with `None` where batches differ."""
        height, width, channels = self.stream.image_shape
        if not self.whole:
            height = width = None
        images = (None, height, width, channels)
        return {"images": images, "rows": (None, None), "cols": (None, None)}

    def sizes(self, epoch):
        """The size of each step of an epoch, an int array of indices into `sizes`."""
        planned, sizes = self._planned
        if planned != (epoch, self.before):
            sizes = self._plan(epoch)
            self._planned = (epoch, self.before), sizes
        return sizes

    def _plan(self, epoch):
        number = epoch - self.before
        if not self.patching.progressive or not 0 <= number < self.epochs:
            return self._drawn(epoch)
        epochs = range(self.before, self.before + self.epochs)
        drawn = np.concatenate([self._drawn(epoch) for epoch in epochs])
        rising = np.argsort(np.array(self.patching.fractions)[drawn], kind="stable")
        return drawn[rising].reshape(self.epochs, -1)[number]

    def _drawn(self, epoch):
        probabilities = self.patching.probabilities
        rng = np.random.default_rng((self.seed, epoch))
        return rng.choice(len(probabilities), len(self), p=probabilities)


class _ArrayStream:
    """An endless stream of the images of an array: all of them once, then again."""

    def __init__(self, images, *, batch_size, seed, labels, sample_weight, shard):
        self.images = keras.ops.convert_to_numpy(images)
        self.image_shape = self.images.shape[1:]
        self.extra = [
            None if values is None else keras.ops.convert_to_numpy(values)
            for values in (labels, sample_weight)
        ]
        self.batch_size, self.seed, self.shard = batch_size, seed, shard
        self.steps = -(-len(self.images) // batch_size)

    def take(self, epoch, before, batches):
        """`(images, labels, weights)` of `batches` batches, after `before` batches."""
        count, size = len(self.images), self.batch_size
        places = np.arange(before * size, (before + batches) * size)
        chosen = np.empty(len(places), int)
        for turn in np.unique(places // count):
            key = (self.seed, epoch, turn, 2 * self.shard + 1)
            order = np.random.default_rng(key)
            here = places // count == turn
            chosen[here] = order.permutation(count)[places[here] % count]
        return self.images[chosen], *(
            None if values is None else values[chosen] for values in self.extra
        )


class _IndexedStream:
    """An endless stream of the batches of a `PyDataset`; each epoch starts it again."""

    def __init__(self, batches, turns):
        self.batches, self.turns = batches, turns
        self.steps = len(batches)
        self.image_shape = _unpacked(batches[0])[0].shape[1:]
        self.turn = None

    def take(self, epoch, before, batches):
        """`(images, labels, None)` of `batches` batches, after `before` batches."""
        return _joined(
            self._at(epoch, number) for number in range(before, before + batches)
        )

    def _at(self, epoch, number):
        turn, step = divmod(number, self.steps)
        if self.turn not in (None, (epoch, turn)):
            self.batches.on_epoch_end()
        self.turn = epoch, turn
        if hasattr(self.batches, "set_epoch"):  # `ImageBatches`: sets a new order.
            self.batches.set_epoch(epoch * self.turns + turn)
        return _unpacked(self.batches[step])


class _DataStream:
    """An endless stream of the batches of a data set that has no indices.

    Each epoch starts the data set again.
    """

    def __init__(self, batches):
        try:
            self.steps = len(batches)
        except TypeError as error:
            raise ValueError(
                "`images` must be an array, or a data set with a length, which is the "
                "number of steps of an epoch. Use `dataset.apply(tf.data."
                "experimental.assert_cardinality(steps))`, or an array of images. "
                f"Received: {_checks.received('images', batches)}."
            ) from error
        if not self.steps or isinstance(batches, str | bytes | dict | set):
            raise ValueError(
                "`images` must be an array, or a data set of at least one batch of "
                f"images. Received: {_checks.received('images', batches)}."
            )
        self.batches = batches
        self.iterator = iter(())
        self.first = self._next()  # Its shape is used here; `take` returns it first.
        self.image_shape = _checks.images("images", self.first[0])

    def take(self, epoch, before, batches):
        """`(images, labels, None)` of the next batches, joined; each epoch starts anew.

        So a validation has the same images each time.
        """
        if not before and self.first is None:
            self.iterator = iter(self.batches)
        found = [self.first] if self.first is not None else []
        self.first = None
        return _joined(found + [self._next() for _ in range(batches - len(found))])

    def _next(self):
        batch = next(self.iterator, None)
        if batch is None:
            self.iterator = iter(self.batches)
            batch = next(self.iterator, None)
        if batch is None:
            raise ValueError(
                "`images` must be a data set of batches of images that can be iterated "
                "in every epoch. It is empty, or could be iterated only once. "
                f"Received: {_checks.received('images', self.batches)}."
            )
        return _unpacked(batch)


def _unpacked(batch):
    """`(images, labels)` of a batch of a data set, as NumPy arrays."""
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(batch)
    if weights is not None:
        raise ValueError(
            "`RandomPatching` does not support sample weights in a data set. Pass "
            "arrays instead: `fit(images, sample_weight=weights)`."
        )
    if labels is not None:
        labels = keras.ops.convert_to_numpy(labels)
    return keras.ops.convert_to_numpy(images), labels


def _joined(batches):
    images, labels = zip(*batches, strict=True)
    labels = None if labels[0] is None else np.concatenate(labels)
    return np.concatenate(images), labels, None


def one_each(name, values, count, *, whole=False):
    """Validates one number of at least 0 for each image; an array `(count,)`."""
    values = _checks.array(name, values)
    shape = _checks.numbers_of(name, values, None)
    if shape not in ((count,), (count, 1)):
        raise ValueError(
            f"`{name}` must contain one number for each of the {count} images. "
            f"Received: {name} of shape={shape}."
        )
    if whole and not np.issubdtype(values.dtype, np.integer):
        raise _checks.wrong_type(name, "an array of ints", values)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise _checks.wrong_value(name, "be at least 0, and finite", values)
    return values.reshape(-1)
