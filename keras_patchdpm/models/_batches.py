"""Data sets whose batches are validated on the host, before each step."""

import collections.abc
import contextlib
import itertools

import keras
import numpy as np
from keras import ops

from keras_patchdpm import _images, runtime
from keras_patchdpm.datasets import ImageBatches
from keras_patchdpm.models import _labels, _weights


def kind_of(data):
    """The kind of the data.

    Returns:
        `"array"`, `"PyDataset"`, `"tf.data"`, `"DataLoader"` or `"iterator"`.

    Raises:
        TypeError: If the data are of another kind.
    """
    if isinstance(data, keras.utils.PyDataset):
        return "PyDataset"
    if hasattr(data, "element_spec"):
        return "tf.data"
    if hasattr(data, "collate_fn") and hasattr(data, "dataset"):
        return "DataLoader"
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        return "array"
    if isinstance(data, collections.abc.Iterator):
        return "iterator"
    received = f"`x` of type {type(data).__name__}"
    if isinstance(data, list | tuple | dict):
        received += f" of {len(data)}"
    raise TypeError(
        "The images must be one array of the shape (count, height, width, channels), "
        "such as `np.stack(list_of_images)`, or a data set of batches: a "
        "`keras.utils.PyDataset`, a `tf.data.Dataset`, a torch `DataLoader` or a "
        "generator. Pass labels and weights as `y` and `sample_weight`. "
        f"Received: {received}."
    )


class BatchCheck:
    """Validates batches, and keeps the first error of a data set.

    TensorFlow reads data sets in its own threads, and hides an error in forty lines
    about its graph. `first_error` shows the error itself.

    Args:
        model: `PatchDPM`.
        table: Dict of classes to weights in the loss. Default `None`: no such weights.
    """

    def __init__(self, model, table=None):
        self.image_shape = model.image_shape
        self.latents = model.latents
        self.num_classes = model.num_classes
        self.table = table
        self.shards = _shards()
        self.first = True  # A doubtful range is warned of once.
        self.all_checked = False  # Whether the images of all batches are validated.
        self.error = None

    def __call__(self, batch, number, whole=True):
        """Validates a batch and returns it as a tuple.

        Args:
            batch: Images, or a tuple or list of images, labels and weights.
            number: Int. Number of the batch in its epoch, from 0.
            whole: Bool. Whether the batch is complete. If not, its number of images may
                be one that the devices cannot share. Default: yes.

        Returns:
            `(images,)`, `(images, labels)` or `(images, labels, weights)`.
        """
        try:
            images, labels, weights = _unpacked(batch)
            if whole:
                check_sharding(len(images), self.shards)
            self._check(images, labels, weights)
            weights = _weights.combined(labels, weights, self.table)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"Batch {number} of the data set: {error}") from None
        labels = None if self.num_classes is None else _flat(labels, "int32")
        if weights is None:
            return (images,) if labels is None else (images, labels)
        if labels is None:  # Without labels Keras would ignore the weights.
            labels = np.zeros(len(images), "int32")
        return images, labels, _flat(weights, "float32")

    def each(self, batches):
        """Yields the validated batches of an iterator."""
        for number in itertools.count():
            with self.watching():
                batch = next(batches, None)
                if batch is not None:
                    batch = self(batch, number)
            if batch is None:
                return
            yield batch

    def check_images(self, images):
        """Validates a NumPy array of images."""
        warn, self.first = self.first, False
        _images.check(images, self.image_shape, latents=self.latents, warn=warn)

    def _check(self, images, labels, weights):
        """Validates the arrays or tensors of one batch."""
        if self.all_checked:
            _images.check_shape(images.shape, self.image_shape)
        else:
            self.check_images(_as_numpy(images))
        _labels.require(labels, self.num_classes)
        if self.num_classes is not None:
            _labels.check(_as_numpy(labels), self.num_classes, len(images))
        elif hasattr(labels, "ndim"):
            _labels.refuse_images(labels)
        if weights is not None:
            _weights.check(_as_numpy(weights), len(images))

    @contextlib.contextmanager
    def watching(self):
        """Context that stores the first error raised in it."""
        try:
            yield
        except Exception as error:
            if self.error is None:
                self.error = error
            raise

    @contextlib.contextmanager
    def first_error(self):
        """Context that replaces TensorFlow's error by the stored one."""
        try:
            yield
        except Exception as error:
            wrapped = type(error).__module__.startswith("tensorflow.")
            if self.error is None or not wrapped:
                raise
            found = self.error
        else:
            return
        raise found


def check_sharding(count, shards):
    """Refuses a batch that `keras.distribution.DataParallel` cannot divide."""
    if count % shards:
        raise ValueError(
            f"A batch of {count} images cannot be divided among {shards} devices. "
            f"Choose a `batch_size` that is a multiple of {shards}, and a number of "
            "images that is a multiple of `batch_size`. `datasets.ImageBatches` leaves "
            "out incomplete batches."
        )


def _shards():
    """The devices of this process among which `keras.distribution` divides a batch."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    devices = mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    return max(devices // runtime.processes()[0], 1)


class CheckedBatches(keras.utils.PyDataset):
    """A `PyDataset` of the validated batches of another.

    Args:
        batches: `keras.utils.PyDataset`.
        check: `BatchCheck`.
    """

    def __init__(self, batches, check):
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self.batches, self.check_batch = batches, check
        if isinstance(batches, ImageBatches) and batches.images_on == "device":
            # All at once: batches would have to be copied back to the host.
            check.check_images(batches.images)
            check.all_checked = True

    @property
    def num_batches(self):
        return self.batches.num_batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        with self.check_batch.watching():
            return self.check_batch(self.batches[index], index)

    def on_epoch_begin(self):
        self.batches.on_epoch_begin()

    def on_epoch_end(self):
        self.batches.on_epoch_end()

    def set_epoch(self, epoch, before=0):
        """Sets the next epoch of `ImageBatches`; called by `EpochOfBatches`."""
        if isinstance(self.batches, ImageBatches):
            self.batches.set_epoch(epoch, before)


def checked(data, check):
    """The data set `data` for Keras, where each batch is validated when it is read."""
    kind = kind_of(data)
    if kind == "PyDataset":
        return CheckedBatches(data, check)
    if kind == "tf.data":
        from keras_patchdpm.models._train_step import tf_data

        return tf_data.checked(data, check)
    if kind == "DataLoader":
        from keras_patchdpm.models._train_step import torch_data

        return torch_data.checked(data, check)
    return check.each(data)


def checked_on_host(data, check):
    """`checked`, with the images of each batch on the host, where crops are cut."""
    return checked(data.on_host() if isinstance(data, ImageBatches) else data, check)


def first_batch(data):
    """The first batch of a data set, or `None` if the data can be read only once.

    For a `DataLoader` it is a batch of one image.
    """
    kind = kind_of(data)
    if kind == "PyDataset":
        return data[0]
    if kind == "tf.data" and hasattr(data, "take"):
        return next(iter(data.take(1)), None)
    if kind == "DataLoader":
        try:
            return data.collate_fn([data.dataset[0]])
        except (NotImplementedError, TypeError):  # The data set has no indices.
            return None
    return None


def _unpacked(batch):
    """`(images, labels, weights)` of a batch; lists of numbers become arrays."""
    if isinstance(batch, list | tuple) and not 1 <= len(batch) <= 3:
        raise ValueError(
            "A batch must be images, `(images, labels)` or `(images, labels, "
            "weights)`. "
            f"Received: a {type(batch).__name__} of {len(batch)} entries."
        )
    images, *rest = keras.utils.unpack_x_y_sample_weight(batch)
    _images.refuse_structures(images)
    if not hasattr(images, "shape"):
        raise TypeError(
            "A batch must contain an array of images. Received: images of type "
            f"{type(images).__name__}."
        )
    rest = [np.asarray(v) if isinstance(v, list | tuple) else v for v in rest]
    return images, *rest


def _flat(values, dtype):
    """Reshapes `(B, 1)` to `(B,)`, so that all batches have one shape."""
    return np.reshape(_as_numpy(values), (-1,)).astype(dtype)


def _as_numpy(values):
    if isinstance(values, np.ndarray):
        return values
    if not hasattr(values, "shape"):
        raise TypeError(
            "Labels and weights must each be one array. Received: labels or weights "
            f"of type {type(values).__name__}."
        )
    return np.asarray(ops.convert_to_numpy(values))
