"""Files of the statistics of features."""

import dataclasses
import json

import numpy as np

from keras_patchdpm import _checks, _files, _npz
from keras_patchdpm.metrics._extractor import Description
from keras_patchdpm.metrics._statistics import FeatureStatistics

_FORMAT = 1


def save_statistics(statistics, path):
    """Saves statistics and their description to a `.npz` file, or nothing at all.

    Args:
        statistics: `FeatureStatistics`.
        path: Path of the file, which ends in `.npz`. An older file is replaced once the
            new one is complete.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the suffix is another one, or there is no such folder.
        OSError: If the file cannot be written.

    Example:

    >>> save_statistics(reference, "photos.npz")
    """
    _checks.instance("statistics", statistics, FeatureStatistics)
    path = check_path("path", path)
    texts = {
        "format": _FORMAT,
        "description": dataclasses.asdict(statistics.description),
        "source": statistics.source,
        "digest": statistics.digest,
        "count": statistics.count,
    }
    with _files.replacing(path) as file:
        np.savez(
            file,
            mean=statistics.mean,
            covariance=statistics.covariance,
            features=statistics.features,
            texts=np.frombuffer(json.dumps(texts).encode(), "uint8"),
        )


def load_statistics(path):
    """Loads statistics that `save_statistics` saved. No code in the file is executed.

    Args:
        path: Path of the file.

    Returns:
        `FeatureStatistics`.

    Raises:
        TypeError: If `path` is no path.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or another kind of file.

    Example:

    >>> reference = load_statistics("photos.npz")
    """
    path = _files.path_of("path", path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file at that path. Received: path={str(path)!r}."
        )
    try:
        with _npz.opened(path) as file:
            return _from_arrays({name: file[name] for name in file.files})
    except Exception as error:  # Damaged bytes can raise any error.
        raise ValueError(
            "The file is not a complete file of `save_statistics`. Compute the "
            "statistics again. "
            f"Received: path={str(path)!r} ({type(error).__name__}: {error})."
        ) from error


def check_path(name, path):
    """Returns the path of a file of statistics as a `Path`, if it can be written."""
    path = _files.path_of(name, path)
    if path.suffix != ".npz":
        raise ValueError(f"`{name}` must end in .npz. Received: {name}={str(path)!r}.")
    return _files.check_writable(path)


def _from_arrays(arrays):
    """Validates the arrays of a file and returns `FeatureStatistics`."""
    texts = json.loads(arrays["texts"].tobytes())
    if texts["format"] != _FORMAT:
        raise ValueError(f"it has the format {texts['format']}, not {_FORMAT}")
    fields = texts["description"]
    description = Description(**{**fields, "size": tuple(fields["size"])})
    mean, covariance, features = (
        arrays[name] for name in ("mean", "covariance", "features")
    )
    length = description.dimensions
    shapes = mean.shape, covariance.shape, features.shape[1:]
    if shapes != ((length,), (length, length), (length,)):
        raise ValueError(f"the shapes {shapes} do not fit {length} features")
    if (mean.dtype, covariance.dtype, features.dtype) != ("f8", "f8", "f4"):
        raise ValueError("the types of its arrays are wrong")
    if not all(np.isfinite(part).all() for part in (mean, covariance, features)):
        raise ValueError("it contains NaN or infinity")
    if not np.array_equal(covariance, covariance.T) or texts["count"] < 2:
        raise ValueError("its covariance is not symmetric, or of fewer than 2 images")
    return FeatureStatistics(
        mean,
        covariance,
        int(texts["count"]),
        features,
        description,
        str(texts["source"]),
        str(texts["digest"]),
    )
