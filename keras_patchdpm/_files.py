"""Writes files so that they are complete or not there at all."""

import contextlib
import math
import os
import pathlib
import re
import secrets
import shutil
import stat

import psutil

from keras_patchdpm import _checks

_SUFFIX = ".part"  # Suffix of a file that is being written.


def path_of(name, value):
    """Returns `value`, a string or a path, as a `Path` with `~` expanded.

    Args:
        name: Name of the argument, for error messages.
        value: Value of the argument.

    Raises:
        TypeError: If `value` is neither a string nor a path.
        ValueError: If `value` is empty or has a null character.
    """
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise _checks.wrong_type(name, "a path", value)
    if not os.fspath(value) or "\0" in os.fspath(value):
        raise _checks.wrong_value(name, "be a path", value)
    return pathlib.Path(value).expanduser()


def folder_of(name, value):
    """Returns `value` as `path_of`, for a folder, which need not exist.

    Args:
        name: Name of the argument, for error messages.
        value: Value of the argument.

    Raises:
        TypeError: If `value` is neither a string nor a path.
        ValueError: If `value` is no path, or there is a file at it or above it.
    """
    path = path_of(name, value)
    check_is_folder(path, name, value)
    return path


def check_is_folder(path, name, value):
    """Refuses a file at `path` or above it; `name` and `value` as `folder_of`."""
    existing = nearest_existing(path)
    if not existing.is_dir():
        wanted = f"be a folder, and {existing} is a file. Choose another name"
        raise _checks.wrong_value(name, wanted, value)


def nearest_existing(path):
    """`path` if there is something at it, or else the nearest folder above it."""
    return next(p for p in (path, *path.parents) if os.path.lexists(p))


@contextlib.contextmanager
def replacing(path):
    """Opens a new file that replaces the file at `path` once it is complete.

    The bytes are written to a temporary file in the same folder, which is flushed to
    the disk and then renamed. If the block raises an error, or the disk is full, the
    temporary file is removed and the old file at `path` stays. Several processes and
    threads may write to the same `path`: the last one wins.

    Args:
        path: `Path` of the file.

    Yields:
        Binary file, open for writing, reading and seeking.

    Raises:
        OSError: If the file cannot be written; the message names `path`.

    Example:

    >>> with replacing(path) as file:
    ...     np.savez(file, images=images)
    """
    temporary = _beside(path)
    try:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write(path, content):
    """Writes bytes or a string to `path`, completely or not at all: see `replacing`."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing_folder(path):
    """Creates a new folder that replaces the one at `path` once it is complete.

    The block writes to a temporary folder next to `path`. Its files are then flushed to
    the disk, an older folder at `path` is removed, and the new one is renamed. If the
    block raises an error, the temporary folder is removed and the old folder stays.

    Args:
        path: `Path` of the folder. One process at a time writes to it.

    Yields:
        `Path` of the temporary folder, which exists. The block writes files, but no
        folders, into it.

    Raises:
        OSError: If the folder cannot be written; see `reason`.

    Example:

    >>> with replacing_folder(path) as temporary:
    ...     model.save_weights(temporary / "model.weights.h5")
    """
    temporary = _beside(path)
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.iterdir():
            with open(file, "r+b") as handle:
                os.fsync(handle.fileno())
        sync_folder(temporary)
        remove_folder(path)
        os.rename(temporary, path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(path):
    """Renames a folder or a file, if there is one, and then removes it."""
    if os.path.lexists(path):
        temporary = _beside(path)
        os.rename(path, temporary)
        _remove(temporary)


def check_writable(path, size=0):
    """Refuses a path that cannot be written, before a long computation.

    Args:
        path: `Path` of a file that will be written.
        size: Int. Expected size of the file in bytes. Default 0: unknown.

    Returns:
        `path`.

    Raises:
        ValueError: If the folder of the file does not exist, or `path` is a folder or
            another kind of file.
        OSError: If the folder is read-only, the name too long or the disk too full.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ValueError(
            f"There is no folder {folder}. Create it, or choose another path. "
            f"Received: {str(path)!r}."
        )
    kind = _kind(path)
    if kind == stat.S_IFDIR:
        raise ValueError(
            "The path is a folder, not a file. Choose another name. "
            f"Received: '{path}'."
        )
    if kind not in (stat.S_IFREG, None):  # A pipe would be replaced by a file.
        raise ValueError(f"{path} is not a regular file. Choose another name.")
    try:
        remove_abandoned(folder)
        temporary = _beside(path)
        temporary.touch(exist_ok=False)
        temporary.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            f"{path} needs {size} bytes, and {folder} has {free} left. Free some "
            "space, or choose another folder."
        )
    if size > (largest := _largest_file()):
        raise OSError(
            f"{path} needs {size} bytes, and files are limited to {largest} bytes "
            "(`ulimit -f`). Raise the limit, or write less."
        )
    return path


def _kind(path):
    """The kind of a file, such as `stat.S_IFREG`; `None` if it does not exist."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:  # The name is too long.
        raise cannot_write(path, error) from error


def sync_folder(folder):
    """Flushes the names in a folder to the disk, if the system supports it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_abandoned(folder, alone=False):
    """Removes temporary files and folders of processes that were killed.

    Args:
        folder: `Path` of the folder with these files.
        alone: Bool. Whether a lock excludes that another process writes to `folder`.
            Otherwise the files of running processes stay. Default: no.
    """
    for path in folder.glob(f".*{_SUFFIX}"):
        match = re.fullmatch(rf"\.(\d+)-[0-9a-f]{{8}}{re.escape(_SUFFIX)}", path.name)
        if match and (alone or not psutil.pid_exists(int(match[1]))):
            _remove(path)


def reason(error):
    """The reason why a file could not be written, as a short text.

    Args:
        error: `OSError`, or the error of another library: HDF5 writes the number of the
            system's error into its text.
    """
    if getattr(error, "strerror", None):
        return error.strerror
    number = re.search(r"errno = (\d+)", str(error))
    return os.strerror(int(number[1])) if number else str(error)


def _largest_file():
    """The largest size of a file of this process, in bytes."""
    if os.name != "posix":
        return math.inf
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return math.inf if limit == resource.RLIM_INFINITY else limit


def _beside(path):
    """A new name in the folder of `path`, with the id of this process."""
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}")


def _remove(path):
    """Removes a file or a folder, as far as the system allows it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def cannot_write(path, error):
    """An error like `error`, whose message names the file and says what to do."""
    message = (
        f"{path} could not be written ({reason(error)}). Existing files are "
        "unchanged. Free some space, or choose a path that you may write to."
    )
    return type(error)(error.errno, message) if error.errno else OSError(message)
