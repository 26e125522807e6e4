"""Reads images in threads, in order, into memory or into a file."""

import concurrent.futures
import itertools
import math
import os

import numpy as np

from keras_patchdpm.datasets._arrays import check_fits
from keras_patchdpm.datasets._image_file import quiet
from keras_patchdpm.datasets._skipped import Unreadable

_TOGETHER = 64  # Images that are read in threads before they are yielded.


def default_workers():
    """Threads that read images: one for each processor, at least 2 and at most 8."""
    return min(max(2, os.cpu_count() or 2), 8)


def results(items, function):
    """Calls `function` on what each item reads, in threads.

    Args:
        items: Iterable of pairs of a name and a function of no arguments.
        function: Function of what such a function returns.

    Yields:
        Pairs of a name, and the result or the `Unreadable` that was raised.
    """

    def call(item):
        try:
            return function(item[1]())
        except Unreadable as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(default_workers()) as pool:
        items = iter(items)
        while chunk := list(itertools.islice(items, _TOGETHER)):
            with quiet():
                found = list(pool.map(call, chunk))
            for (name, _), result in zip(chunk, found, strict=True):
                yield name, result


def read(items, fit, skipped, *, limit=math.inf):
    """Yields up to `limit` images as arrays; counts the others in `skipped`.

    Args:
        items: Iterable of pairs of a name and a function that returns an image.
        fit: `Fit`.
        skipped: `Skipped`.
        limit: Int. Default: infinity.

    Raises:
        ValueError: If there is no image that can be read.
    """
    count = 0
    for name, image in results(items, fit):
        if isinstance(image, Unreadable):
            skipped.add(name, image)
            continue
        yield image
        count += 1
        if count >= limit:
            break
    check_some(count, fit, skipped)


def check_some(count, fit, skipped):
    """Refuses a source of which no image can be read."""
    if not count:
        found = f" {skipped.summary()}\n" if skipped.errors else " "
        raise ValueError(
            f"There is no image in {skipped.source} that can be read.{found}"
            f"Received: source={skipped.source!r}, smallest={fit.smallest}."
        )


def to_memory(images, most, size):
    """The array of an iterator of at most `most` images."""
    shape = (most, *size, 3)
    check_fits(math.prod(shape), f"{most} images, image_size={size}")
    array = np.empty(shape, "uint8")
    count = 0
    for image in images:
        array[count] = image
        count += 1
    return array[:count]
