"""Files that are written whole or not at all."""

import contextlib
import os
import pathlib
import re
import secrets
import shutil
import stat

import psutil

_SUFFIX = ".part"  # Of a file that is being written.


def path_of(name, value):
    """Returns `value`, a string or a path, as a `Path` with `~` expanded.

    Args:
        name: Name of the argument, for the message.
        value: What the user passed.

    Raises:
        TypeError: If it is neither a string nor a path.
        ValueError: If it is empty or holds a null character.
    """
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise TypeError(
            f"`{name}` must be a path. Received: {name}=<{type(value).__name__}>."
        )
    if not os.fspath(value) or "\0" in os.fspath(value):
        raise ValueError(f"`{name}` must be a path. Received: {name}={value!r}.")
    return pathlib.Path(value).expanduser()


@contextlib.contextmanager
def replacing(path):
    """Opens a new file that takes the name `path` once it is whole.

    The bytes go to a temporary file in the same folder, which is flushed to the disk
    and then renamed. If the block raises, or the disk is full, the temporary file is
    removed and whatever was at `path` stays. Several processes and threads may write
    to the same `path`: the last one wins, and no file is torn.

    Args:
        path: `Path` of the file.

    Yields:
        Binary file, open for writing and reading, that can seek.

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
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write(path, content):
    """Writes bytes or a string to `path`, whole or not at all; see `replacing`."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def check_writable(path, size=0):
    """Refuses a path that cannot be written, before long work whose result is lost.

    Args:
        path: `Path` of a file that will be written.
        size: Int. Bytes that it will have, as far as is known.

    Returns:
        `path`.

    Raises:
        ValueError: If its folder does not exist, or it is a folder itself.
        OSError: If the folder is read-only, the name too long or the disk too full.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}. Received: {str(path)!r}.")
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise ValueError(f"There is a folder of that name. Received: '{path}'.")
    except FileNotFoundError:
        pass  # As it should be.
    except OSError as error:  # The name is too long.
        raise _cannot_write(path, error) from error
    try:
        _remove_abandoned(folder)
        temporary = _beside(path)
        temporary.touch(exist_ok=False)
        temporary.unlink()
    except OSError as error:
        raise _cannot_write(path, error) from error
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(
            f"{path} needs {size} bytes, and {folder} has {free} left. Free some "
            "space, or choose another folder."
        )
    return path


def sync_folder(folder):
    """Flushes the names in a folder to the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path):
    """A new name in the folder of `path`; it says which process writes there."""
    return path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}")


def _remove_abandoned(folder):
    """Removes temporary files of processes that were killed while they wrote."""
    for path in folder.glob(f".*{_SUFFIX}"):
        match = re.fullmatch(rf"\.(\d+)-[0-9a-f]{{8}}{re.escape(_SUFFIX)}", path.name)
        if match and path.is_file() and not psutil.pid_exists(int(match[1])):
            path.unlink(missing_ok=True)


def _cannot_write(path, error):
    """`error`, with a message that names the file and says what to do."""
    reason = error.strerror or str(error)
    message = (
        f"{path} could not be written ({reason}). What was there before is unchanged. "
        "Free some space, or choose a path that you may write to."
    )
    return type(error)(error.errno, message) if error.errno else OSError(message)
