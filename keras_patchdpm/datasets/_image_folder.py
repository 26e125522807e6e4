"""Lists the files of a folder in order, each with a function that reads it."""

import functools
import os
import pathlib

from keras_patchdpm.datasets._image_file import FORMATS, read_image
from keras_patchdpm.datasets._skipped import Unreadable

_OF_THE_SYSTEM = ("thumbs.db", "desktop.ini")


def folder_images(folder):
    """Lists the files of a folder and of the folders in it.

    Hidden files and folders, whose names begin with a dot, are left out, and so are the
    files that Windows adds (`Thumbs.db`, `desktop.ini`). Links to folders are not
    followed.

    Args:
        folder: `Path`.

    Returns:
        `(count, items)`: the number of files that may be images, and for each file its
        path within the folder and a function that returns the image or raises
        `Unreadable`.
    """
    found = {}
    for path, error in _walk(folder):
        if error is not None:
            found[path] = functools.partial(_refuse, *error)
        elif path.suffix.lower() in FORMATS:
            found[path] = functools.partial(read_image, path)
        else:
            suffix = path.suffix.lower() or "none"
            found[path] = functools.partial(
                _refuse, "with an unsupported suffix", suffix
            )
    count = sum(path.suffix.lower() in FORMATS for path in found)
    names = ((str(path.relative_to(folder)), found[path]) for path in sorted(found))
    return count, names


def _walk(folder):
    """Yields each path, with `None` or the reason why it cannot be read."""
    unlisted = []
    for parent, folders, files in os.walk(folder, onerror=unlisted.append):
        parent = pathlib.Path(parent)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (parent / name).is_symlink():
                yield parent / name, ("a link to a folder",)
            elif (parent / name).suffix.lower() in FORMATS:
                yield parent / name, ("a folder",)
        for name in files:
            if not name.startswith(".") and name.lower() not in _OF_THE_SYSTEM:
                yield parent / name, None
    for error in unlisted:
        yield pathlib.Path(error.filename), ("a folder", error.strerror)


def _refuse(*reason):
    raise Unreadable(*reason)
