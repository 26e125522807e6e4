"""A folder of images, which are decoded when they are needed."""

import functools
import itertools
import os

import numpy as np

from keras_patchdpm import _checks, _files
from keras_patchdpm.datasets._cache import cache_folder
from keras_patchdpm.datasets._fit import Fit
from keras_patchdpm.datasets._image_file import check_header, read_image
from keras_patchdpm.datasets._listing import list_files
from keras_patchdpm.datasets._load_images import collected, folder_source
from keras_patchdpm.datasets._reading import check_some, results
from keras_patchdpm.datasets._skipped import Skipped, Unreadable


class ImageFolder:
    """The images of a folder, as an array that is not in memory.

    `ImageBatches` decodes the images of a batch in its threads, and needs neither
    TensorFlow nor `tf.data`. The memory does not grow with the number of images, except
    for their names. What is read, and how, is described at `load_images`.

    First the header of each file is read. Files that are no images or too small are
    skipped, with one warning. A file whose pixels turn out to be broken is replaced, in
    each epoch, by the next file in the order of the names that can be read (with
    labels: of its class, after whose last file the first one follows). `ImageBatches`
    warns of such files once, at the end of the epoch. With `cache` all files are
    decoded before the training, and the broken ones are skipped as well.

    Args:
        folder: Path of a folder of images.
        image_size: Positive int or pair `(height, width)`, in pixels.
        labels: `"folders"`: the folders in `folder` are the classes, numbered in the
            order of their names; files outside of them are skipped. Default `None`: no
            labels.
        strict: Bool. Whether the first file that cannot be read is an error. Default:
            no.
        smallest, crop, resample: As in `load_images`, with the same defaults.
        cache: Path of a folder, which is written, as in `load_images`: the images are
            decoded once and then read from an array on the disk. Choose it for
            photographs, whose decoding takes longer than a training step. Default
            `None`: no such folder.

    Attributes:
        shape: `(count, height, width, 3)`.
        dtype: `numpy.dtype` uint8.
        names: List of the paths of the images within `folder`.
        labels: Int32 array `(count,)`, or `None`.
        class_names: List of the names of the classes, or `None`.

    Raises:
        OSError: If `cache` cannot be written.
        TypeError: If an argument has the wrong type.
        ValueError: If there is no such folder, or none of its images can be read; if a
            class has no such image.

    Example:

    >>> photos = ImageFolder("photos/", image_size=64)
    >>> model.fit(ImageBatches(photos, batch_size=32), epochs=10)
    """

    dtype = np.dtype("uint8")

    def __init__(
        self,
        folder,
        image_size,
        *,
        labels=None,
        strict=False,
        smallest=None,
        crop="center",
        resample="bicubic",
        cache=None,
    ):
        self._folder = path = _files.path_of("folder", folder)
        self._fit = Fit.checked(
            image_size, smallest=smallest, crop=crop, resample=resample
        )
        labels = _checks.one_of("labels", labels, (None, "folders"))
        self._strict = _checks.boolean("strict", strict)
        cache = None if cache is None else cache_folder("cache", cache)
        if not path.is_dir():
            raise ValueError(
                "`folder` must be a folder of images. "
                f"Received: folder={str(path)!r}, which is not a folder."
            )
        skipped = Skipped(str(path), self._strict)
        files = list_files(path)
        if labels is not None:
            files = _in_classes(files)
            classes = {name.split(os.sep)[0] for name, error in files if not error}
        self._array = None  # The path of the cache.
        if cache is None:
            self.names = _with_headers(path, files, fit=self._fit, skipped=skipped)
            skipped.warn(len(self.names))
        else:
            array = collected(
                *folder_source(path, files), self._fit, skipped, cache=cache
            )
            self._array = array.filename
            left_out = {name for name, _ in skipped.errors}
            self.names = [name for name, _ in files if name not in left_out]
        self.shape = (len(self.names), *self._fit.size, 3)
        self.labels = self.class_names = None
        if labels is not None:
            self.class_names = sorted(classes)
            self._set_labels()
        self._broken = {}  # Indices of files that could not be decoded, to errors.
        self._reported = set()

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        """Decodes images; several threads may call it.

        Args:
            index: Int, slice, or list or array of ints from 0 to `len(self) - 1`.

        Returns:
            Uint8 array `(height, width, 3)` for an int, otherwise `(B, height, width,
            3)`.

        Raises:
            IndexError: If there is no such image.
            OSError: If the folder or the cache was removed.
            ValueError: If a file cannot be read, and `strict` is `True` or no other
                file can replace it.
        """
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        indices = np.asarray(index)
        if not indices.size:
            return np.empty((0, *self.shape[1:]), "uint8")
        if indices.dtype.kind not in "iu" or indices.ndim > 1:
            raise _checks.wrong_type(
                "index", "an int, a slice or a list of ints", index
            )
        if indices.min() < 0 or indices.max() >= len(self):
            raise IndexError(
                f"`index` must be from 0 to {len(self) - 1}. "
                f"Received: {_checks.received('index', index)}."
            )
        if self._array is not None:
            # Opened anew: the pages that were read do not stay in this process.
            array = np.load(self._array, mmap_mode="r", allow_pickle=False)
            return np.array(array[indices])
        if not indices.ndim:
            return self._decode(int(indices))
        return np.stack([self._decode(int(number)) for number in indices])

    def __array__(self, dtype=None, copy=None):
        """Refused: NumPy would call it, and read all images into memory."""
        raise TypeError(
            "An `ImageFolder` is read in batches. Pass `ImageBatches(folder, "
            "batch_size)`, or read all images into memory with `load_images`. "
            f"Received: {self!r}."
        )

    def __repr__(self):
        return f"<ImageFolder {str(self._folder)!r}, shape={self.shape}>"

    def warn_of_broken(self):
        """Warns of files that were replaced since the last call, if there are any.

        Called by `ImageBatches`, at the end of an epoch.
        """
        new = sorted(set(self._broken) - self._reported)
        if new:
            self._reported.update(new)
            skipped = Skipped(str(self._folder), strict=False)
            for number in new:
                skipped.add(self.names[number], self._broken[number])
            count = "1 file" if len(new) == 1 else f"{len(new)} files"
            _checks.warn(
                f"{count} of {self._folder} could not be decoded; the next images were "
                f"used in their place. {skipped.summary()}"
            )

    def _decode(self, index):
        """The image `index`, or the next one that can be read."""
        first, last = self._class_of(index)
        for number in itertools.chain(range(index, last), range(first, index)):
            if number in self._broken:
                continue
            try:
                return self._fit(read_image(self._folder / self.names[number]))
            except Unreadable as error:
                if self._strict:
                    Skipped(str(self._folder), True).add(self.names[number], error)
                self._broken[number] = error
        within = f"{self.names[first]!r} to {self.names[last - 1]!r}"
        raise ValueError(
            f"No image in {self._folder} can be read any more, from {within}. "
            f"Received: folder={str(self._folder)!r}."
        )

    def _class_of(self, index):
        """The first index of the images of the same class, and that after the last."""
        if self.labels is None:
            return 0, len(self)
        label = self.labels[index]  # Labels rise, as the names do.
        return tuple(
            int(np.searchsorted(self.labels, label, side)) for side in ("left", "right")
        )

    def _set_labels(self):
        numbers = {name: number for number, name in enumerate(self.class_names)}
        labels = (numbers[name.split(os.sep)[0]] for name in self.names)
        self.labels = np.fromiter(labels, "int32", len(self.names))
        empty = np.bincount(self.labels, minlength=len(numbers)) == 0
        if empty.any():
            names = [self.class_names[number] for number in np.flatnonzero(empty)]
            raise ValueError(
                f"A class needs at least one image that can be read. Remove the "
                f"folders without one: {names}. "
                f"Received: folder={str(self._folder)!r}, labels='folders'."
            )


def as_images(name, value):
    """Returns an `ImageFolder` as it is, and other images as a NumPy array."""
    return value if isinstance(value, ImageFolder) else _checks.array(name, value)


def _in_classes(files):
    """Listed files, where those outside of a folder are refused."""
    outside = Unreadable("not in the folder of a class")
    return [
        (name, outside if error is None and os.sep not in name else error)
        for name, error in files
    ]


def _with_headers(path, files, *, fit, skipped):
    """The names of the files whose headers can be read; counts the others."""

    def check(name, error):
        if error is not None:
            raise error
        check_header(path / name, fit.check)
        return name

    items = ((name, functools.partial(check, name, error)) for name, error in files)
    names = []
    for name, result in results(items, lambda checked: checked):
        if isinstance(result, Unreadable):
            skipped.add(name, result)
        else:
            names.append(name)
    check_some(len(names), fit, skipped)
    return names
