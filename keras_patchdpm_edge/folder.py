"""Reads an exported folder, which may be damaged or of another version."""

import json
import os
import pathlib

NAME = "patchdpm.json"
FORMAT = "keras_patchdpm.export"
VERSION = 1  # Of the format; raised by each change that an older reader cannot read.


def read(folder):
    """Reads and validates the description in an exported folder.

    Args:
        folder: Path.

    Returns:
        `(folder, description)`: a `Path`, and the dict of `patchdpm.json`.

    Raises:
        TypeError: If `folder` is no path.
        ValueError: If the folder or a file is missing or damaged, or the format is of
            another version.
    """
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"`folder` must be a path. Received: folder={folder!r}.")
    folder = pathlib.Path(folder).expanduser()
    received = f"Received: folder={str(folder)!r}."
    path = folder / NAME
    if not path.is_file():
        raise ValueError(
            f"There is no {NAME} in the folder. Pass the folder that "
            f"`python -m keras_patchdpm export` wrote. {received}"
        )
    try:
        description = json.loads(path.read_text("utf-8"))
        written = description["format"], description["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not the description of an exported model, or is damaged. Copy "
            f"or export the folder again. {received}"
        ) from error
    if written != (FORMAT, VERSION):
        raise ValueError(
            f"{path} has another format. This version of keras_patchdpm_edge reads "
            f"{FORMAT} {VERSION}: export the model again with the keras_patchdpm of "
            "this version, or use the keras_patchdpm_edge of the export. "
            f"Received: {written[0]} {written[1]}."
        )
    for network in description["networks"]:
        _check_file(folder / network["file"], network["bytes"])
    return folder, description


def _check_file(path, size):
    """Refuses a network file that is missing or incomplete."""
    if not path.is_file():
        raise ValueError(
            f"The file of a network is missing. Copy or export the folder again. "
            f"Received: no file {path}."
        )
    if path.stat().st_size != size:
        raise ValueError(
            f"{path} is incomplete or of another export: {NAME} says {size} bytes. "
            f"Copy or export the folder again. Received: {path.stat().st_size} bytes."
        )
