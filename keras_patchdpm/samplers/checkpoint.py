"""A file from which a stopped sampling resumes."""

import hashlib
import json
import math
import os
import stat
import time

import numpy as np

from keras_patchdpm import _files, _npz
from keras_patchdpm.samplers.identity import differences

SECONDS = 30.0  # Between two savings.
BLOCK = 2**20  # Bytes that are read at a time.


class Checkpoint:
    """Arrays of a run in one `.npz`, replaced as a whole.

    The bytes of the file end with their own checksum, which is compared before anything
    else is read. Several processes may write to one path: the last one wins.

    Args:
        path: String or path of the file, in a folder that exists.
        run: What `identity.describe` returned of the run: another one is refused.
        size: Int. Bytes that the file will have, as far as is known.

    Raises:
        TypeError: If `path` is no path.
        ValueError: If there is no such folder.
        OSError: If the file cannot be written there.
    """

    def __init__(self, path, run, size=0):
        self.path = _files.path_of("checkpoint", path)
        self.run = json.dumps(run, sort_keys=True)
        self.saved = -math.inf
        self._check_kind()
        _files.check_writable(self.path, size)

    def load(self):
        """Reads the arrays that were saved last.

        Returns:
            Dict of arrays; empty if there is no file.

        Raises:
            ValueError: If the file is damaged, is another one, or holds another run.
        """
        self._check_kind()
        try:
            with open(self.path, "rb") as file:
                arrays = _read(file)
            found = str(arrays.pop("run"))
            saved = json.loads(found)
        except FileNotFoundError:
            return {}
        except Exception as error:  # NumPy, `zipfile` and `json` raise many kinds.
            raise ValueError(
                f"{self.path} is damaged, or is no checkpoint of a sampling ({error}). "
                "Delete it to start again, or choose another path."
            ) from error
        if found != self.run:
            odd = differences(saved, json.loads(self.run))
            more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
            raise ValueError(
                f"{self.path} holds another sampling. Choose another path, delete the "
                "file, or repeat the call that it was made with. They differ in "
                f"{', '.join(odd[:5])}{more}."
            )
        return arrays

    def save(self, arrays, now=False):
        """Writes `arrays()`, a dict, unless the last time was a moment ago.

        Args:
            arrays: Function without arguments.
            now: Bool. Whether to write however short ago that was.

        Raises:
            OSError: If the file cannot be written; what was there stays.
        """
        if not now and time.monotonic() - self.saved < SECONDS:
            return
        with _files.replacing(self.path) as file:
            np.savez(file, run=np.array(self.run), **arrays())
            size = file.seek(0, os.SEEK_END)
            file.write(_checksum(file, size))
        self.saved = time.monotonic()

    def _check_kind(self):
        """Refuses a folder and what is no file, such as a pipe: reading would hang."""
        try:
            kind = os.stat(self.path).st_mode
        except OSError:  # Not there, or out of reach: the next step says which.
            return
        if not stat.S_ISREG(kind):
            raise ValueError(
                f"{self.path} is no checkpoint of a sampling, but a folder, a pipe or "
                "a device. Choose another path. Received: "
                f"checkpoint={str(self.path)!r}."
            )


def _read(file):
    """The arrays of an open file, if its checksum is right."""
    size = file.seek(0, os.SEEK_END) - hashlib.blake2b().digest_size
    expected = _checksum(file, size)
    if file.read() != expected:
        raise ValueError("its checksum is wrong")
    file.seek(0)
    with _npz.opened(file) as archive:
        return {name: archive[name] for name in archive.files}


def _checksum(file, size):
    """Of the first `size` bytes of a file, which is left at their end."""
    digest = hashlib.blake2b()
    file.seek(0)
    for start in range(0, size, BLOCK):
        digest.update(file.read(min(BLOCK, size - start)))
    return digest.digest()
