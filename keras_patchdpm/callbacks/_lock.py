"""A lock, so that only one training at a time uses a folder."""

import os
import threading
import weakref

import filelock

from keras_patchdpm import _files

_NAME = ".lock"
_HELD = weakref.WeakValueDictionary()  # Locks of this process, by path.


class _Lock(filelock.FileLock):
    """A lock that stores which thread acquired it."""

    owner = None


def acquire(folder):
    """Locks a folder; refuses if another training has locked it.

    The system releases the lock when the process ends in any way. If an error or Ctrl-C
    ends `fit`, the lock is not released. The next `fit` in the same thread then
    acquires it.

    Args:
        folder: `Path`. The folder is created if it does not exist.

    Returns:
        A lock. `release(force=True)` releases it, and so does garbage collection.

    Raises:
        BlockingIOError: If another process, or another thread, trains in `folder`.
        OSError: If `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _acquire(folder)
    except BlockingIOError:
        raise
    except OSError as error:
        raise _files.cannot_write(folder, error) from error


def _acquire(folder):
    path = os.path.join(folder.resolve(), _NAME)
    lock = _HELD.get(path)
    if lock is not None and lock.is_locked:
        if lock.owner is threading.current_thread() or not lock.owner.is_alive():
            lock.owner = threading.current_thread()
            return lock
        raise BlockingIOError(_message(folder, "Another thread"))
    lock = _Lock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:  # An `OSError` too.
        raise BlockingIOError(_message(folder, "Another process")) from None
    lock.owner = threading.current_thread()
    _HELD[path] = lock
    return lock


def _message(folder, who):
    return (
        f"{who} is training in {folder}. Two trainings would overwrite each other's "
        "backups. Wait until it ends, stop it, or choose another folder. Worker "
        "processes of a killed training keep the folder locked: stop them too. If a "
        "training was interrupted in a notebook, call the callback's `release()` "
        "there, or restart the notebook. "
        f"Received: folder='{folder}'."
    )
