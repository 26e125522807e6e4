"""Lists the files of a folder in order, each with a function that reads it."""

import functools
import hashlib
import os

from keras_patchdpm.datasets._image_file import FORMATS, read_image
from keras_patchdpm.datasets._skipped import Unreadable

_OF_THE_SYSTEM = ("thumbs.db", "desktop.ini")


def list_files(folder):
    """Lists the files of a folder and of the folders in it, in the order of the names.

    Hidden files and folders, whose names begin with a dot, are left out, and so are the
    files that Windows adds (`Thumbs.db`, `desktop.ini`). Links to folders are not
    followed.

    Args:
        folder: `Path`.

    Returns:
        List of pairs: the path of a file within the folder, a string, and `None`, or
        the `Unreadable` that says why it cannot be an image.
    """
    found = list(_walk(str(folder)))
    found.sort(key=lambda entry: entry[0].split(os.sep))
    return found


def folder_images(folder, files):
    """The readers of listed files.

    Args:
        folder: `Path`.
        files: List of pairs, as `list_files` returns it.

    Returns:
        `(count, items)`: the number of files that may be images, and for each file its
        name and a function that returns the image or raises `Unreadable`.
    """
    items = (
        (
            name,
            functools.partial(read_image, folder / name)
            if error is None
            else functools.partial(_refuse, error),
        )
        for name, error in files
    )
    return sum(error is None for _, error in files), items


def fingerprint(folder, files):
    """A checksum of the names, sizes and times of change of the files of images."""
    digest = hashlib.sha256()
    for name, error in files:
        if error is not None:
            continue
        try:
            status = os.stat(folder / name)
            state = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:  # A link to a missing file.
            state = "missing"
        digest.update(os.fsencode(name) + f"\0{state}\n".encode())
    return digest.hexdigest()


def _walk(folder):
    """Yields pairs, as `list_files` returns them, in any order."""
    unlisted = []
    for parent, folders, files in os.walk(folder, onerror=unlisted.append):
        within = "" if parent == folder else os.path.relpath(parent, folder)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            path = os.path.join(within, name)
            if os.path.islink(os.path.join(parent, name)):
                yield path, Unreadable("a link to a folder")
            elif _suffix(name) in FORMATS:
                yield path, Unreadable("a folder")
        for name in files:
            if not name.startswith(".") and name.lower() not in _OF_THE_SYSTEM:
                yield os.path.join(within, name), _unsupported(_suffix(name))
    for error in unlisted:
        name = os.path.relpath(error.filename, folder)
        yield name, Unreadable("a folder", error.strerror)


def _suffix(name):
    return os.path.splitext(name)[1].lower()


def _unsupported(suffix):
    if suffix in FORMATS:
        return None
    return Unreadable("with an unsupported suffix", suffix or "none")


def _refuse(error):
    raise error
