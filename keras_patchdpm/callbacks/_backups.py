"""Backups of a training on disk: one folder each, which appears complete or not at all.

`epoch-000012/` has `variables.npz` and `state.json`. The state contains the SHA-256 of
the variables and of itself, so that any changed bit of a backup is detected.
"""

import dataclasses
import hashlib
import json
import pathlib
import re

from keras_patchdpm import _files

_FORMAT = 1
_STATE, _VARIABLES = "state.json", "variables.npz"


@dataclasses.dataclass(frozen=True)
class Backup:
    """A complete backup.

    Attributes:
        path: `Path` of its folder.
        epoch: Int. Number of finished epochs.
        curve: List of dicts, the logs of each epoch.
        settings: Dict, the user's `settings`.
        model: Dict, see `_variables.describe`.
    """

    path: pathlib.Path
    epoch: int
    curve: list
    settings: object
    model: dict

    @property
    def variables(self):
        """`Path` of the file of all variables."""
        return self.path / _VARIABLES


def write(folder, epoch, save, **state):
    """Writes a backup under another name, then renames it.

    Args:
        folder: `Path` of the folder of all backups.
        epoch: Int. Number of finished epochs.
        save: Function that writes the variables into a binary file.
        **state: `curve`, `settings` and `model` of `Backup`.
    """
    with _files.replacing_folder(_path(folder, epoch)) as temporary:
        with open(temporary / _VARIABLES, "x+b") as file:
            save(file)
        digest = _digest(temporary / _VARIABLES)
        state = {"format": _FORMAT, "epoch": epoch, "variables": digest, **state}
        state["state"] = _checksum(state)
        (temporary / _STATE).write_text(json.dumps(state) + "\n", "utf-8")


def prune(folder, epoch, keep):
    """Removes all backups except the newest `keep` of those up to `epoch`."""
    older = [number for number in _epochs(folder) if number <= epoch]
    for number in set(_epochs(folder)) - set(older[:keep]):
        _files.remove_folder(_path(folder, number))


def newest(folder):
    """Finds the newest complete backup.

    Returns:
        `(backup, broken)`: a `Backup`, or `None` if there is none, and a list of
        `(path, reason)` of the newer backups, which are damaged.
    """
    broken = []
    for epoch in _epochs(folder):
        path = _path(folder, epoch)
        try:
            return _read(path, epoch), broken
        except (OSError, ValueError, RecursionError) as error:
            broken.append((path, str(error)))
    return None, broken


def _path(folder, epoch):
    return folder / f"epoch-{epoch:06d}"


def _epochs(folder):
    """The epochs that have a backup, complete or damaged, the newest first."""
    matches = (re.fullmatch(r"epoch-(\d{6,})", path.name) for path in folder.iterdir())
    epochs = {int(match[1]) for match in matches if match}
    return sorted((e for e in epochs if (_path(folder, e)).exists()), reverse=True)


def _read(path, epoch):
    """Reads the backup at `path`; a `ValueError` says why it is damaged."""
    for name in (_STATE, _VARIABLES):
        if not (path / name).is_file():  # Reading a pipe would hang.
            raise ValueError(f"it has no {name}")
    try:
        state = json.loads((path / _STATE).read_text("utf-8"))
        recorded = state.pop("state")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{_STATE} is damaged") from error
    if recorded != _checksum(state):
        raise ValueError(f"{_STATE} is damaged: its checksum does not match")
    if state["format"] != _FORMAT:
        raise ValueError(
            f"its format is {state['format']}, and this version reads {_FORMAT}"
        )
    if state["epoch"] != epoch:
        raise ValueError(f"{_STATE} belongs to epoch {state['epoch']}")
    if state["variables"] != _digest(path / _VARIABLES):
        raise ValueError(f"{_VARIABLES} is damaged or belongs to another backup")
    return Backup(path, epoch, state["curve"], state["settings"], state["model"])


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(state):
    """SHA-256 of a dict, which does not depend on the order of its keys."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
