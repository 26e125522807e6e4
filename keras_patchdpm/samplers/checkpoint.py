"""The checkpoint file, from which a stopped sampling resumes."""

import hashlib
import json
import math
import os
import stat
import time

import numpy as np

from keras_patchdpm import _files, _npz
from keras_patchdpm.samplers.identity import differences

SECONDS = 30.0  # Time between two writes.
BLOCK = 2**20  # Bytes that are read at a time.


class Checkpoint:
    """The arrays of a run in one `.npz` file, which is replaced as a whole.

    The file ends with a checksum, which is compared before the arrays are read. If
    several processes write to one path, the last one wins.

    Args:
        path: String or path of the file, in a folder that exists.
        run: Result of `identity.describe` for the run. A file of another run is
            refused.
        size: Int. Expected size of the file in bytes. Default 0: unknown.

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
        """Reads the arrays of the file.

        Returns:
            Dict of arrays; empty if there is no file.

        Raises:
            ValueError: If the file is damaged, no checkpoint, or that of another run.
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
                f"{self.path} is damaged, or not a checkpoint of a sampling ({error}). "
                "Delete it to start again, or choose another path."
            ) from error
        if found != self.run:
            odd = differences(saved, json.loads(self.run))
            more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
            raise ValueError(
                f"{self.path} is the checkpoint of another sampling. Choose another "
                "path, delete the file, or repeat the call that wrote it. The two "
                f"samplings differ in {', '.join(odd[:5])}{more}."
            )
        return arrays

    def save(self, arrays, now=False):
        """Writes the file, unless the last time was less than `SECONDS` ago.

        Args:
            arrays: Function without arguments that returns a dict of arrays.
            now: Bool. Whether to write in any case. Default: no.

        Raises:
            OSError: If the file cannot be written. The old file stays.
        """
        if not now and time.monotonic() - self.saved < SECONDS:
            return
        with _files.replacing(self.path) as file:
            np.savez(file, run=np.array(self.run), **arrays())
            size = file.seek(0, os.SEEK_END)
            file.write(_checksum(file, size))
        self.saved = time.monotonic()

    def _check_kind(self):
        """Refuses a folder, a pipe or a device, since reading a pipe would hang."""
        try:
            kind = os.stat(self.path).st_mode
        except OSError:  # It does not exist or cannot be read: reported when opened.
            return
        if not stat.S_ISREG(kind):
            raise ValueError(
                f"{self.path} is not a checkpoint of a sampling, but a folder, a pipe "
                "or a device. Choose another path. Received: "
                f"checkpoint={str(self.path)!r}."
            )


def _read(file):
    """The arrays of an open file; refuses a wrong checksum."""
    size = file.seek(0, os.SEEK_END) - hashlib.blake2b().digest_size
    expected = _checksum(file, size)
    if file.read() != expected:
        raise ValueError("its checksum is wrong")
    file.seek(0)
    with _npz.opened(file) as archive:
        return {name: archive[name] for name in archive.files}


def _checksum(file, size):
    """Checksum of the first `size` bytes of a file; leaves its position after them."""
    digest = hashlib.blake2b()
    file.seek(0)
    for start in range(0, size, BLOCK):
        digest.update(file.read(min(BLOCK, size - start)))
    return digest.digest()
