"""A file from which a stopped sampling goes on."""

import json
import os
import pathlib
import time

import numpy as np

SECONDS = 30.0  # Between two savings.


class Checkpoint:
    """Arrays of a run in one `.npz`, replaced as a whole.

    Args:
        path: Path of the file.
        run: Dict of plain data that names the run: another one is refused.

    Raises:
        ValueError: If the file holds another run, or is none of these files.
    """

    def __init__(self, path, run):
        self.path = pathlib.Path(path)
        self.run = json.dumps(run, sort_keys=True)
        self.saved = time.monotonic()

    def load(self):
        """The arrays saved last, a dict; empty if there is no file."""
        if not self.path.exists():
            return {}
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            found = str(arrays.pop("run"))
        except (ValueError, OSError, KeyError) as error:
            raise ValueError(
                f"{self.path} is no checkpoint of a sampling. Choose another path. It "
                f"could not be read: {error}"
            ) from error
        if found != self.run:
            here, there = json.loads(self.run), json.loads(found)
            odd = [key for key in here if there.get(key) != here[key]]
            raise ValueError(
                f"{self.path} holds another sampling. Choose another path, delete the "
                f"file, or ask for the same: they differ in {odd}. The file has "
                f"{[there.get(key) for key in odd]}, the call {[here[k] for k in odd]}."
            )
        return arrays

    def save(self, arrays, now=False):
        """Writes `arrays()`, a dict, unless the last time was a moment ago.

        Args:
            arrays: Function without arguments.
            now: Bool. Whether to write however short ago that was.
        """
        if not now and time.monotonic() - self.saved < SECONDS:
            return
        beside = self.path.with_name(self.path.name + ".new")
        with open(beside, "wb") as file:
            np.savez(file, run=np.array(self.run), **arrays())
        os.replace(beside, self.path)
        self.saved = time.monotonic()
