"""The weight file of a preset, which is validated before it is assigned."""

import hashlib
import math

import numpy as np
from keras import ops

from keras_patchdpm.networks import int8
from keras_patchdpm.presets import _archives

_SCALE = ".scale"  # Suffix of the scales of an int8 array, one for each channel.
STORAGES = ("float16", "int8")


class WeightsFile:
    """The weights of a preset, open for reading.

    At first only names, shapes and types are read, since a small compressed file can
    contain arrays of many gigabytes.

    Args:
        path: `Path` of the file.
        sha256: String, the checksum that the file must have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no regular file, has another checksum, or holds anything
            but arrays of floats, or of int8 with scales.
    """

    def __init__(self, path, sha256):
        self.path = path
        if path.exists() and not path.is_file():  # Reading a pipe would hang.
            raise ValueError(f"{path} is not a regular file. {_ADVICE}")
        self._file = open(path, "rb")
        try:
            found = hashlib.file_digest(self._file, "sha256").hexdigest()
            if found != sha256:
                raise ValueError(
                    f"{path} is damaged or belongs to another preset. {_ADVICE} "
                    f"Received: a file with the SHA-256 {found}, where config.json has "
                    f"{sha256}."
                )
            self._headers = self._parsed(_checked_headers)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    @property
    def shapes(self):
        """Dict of the names of the weights to their shapes."""
        return {
            name: shape
            for name, (shape, _) in self._headers.items()
            if not name.endswith(_SCALE)
        }

    @property
    def count(self):
        """Int. Number of weights in the file, without scales."""
        return sum(map(math.prod, self.shapes.values()))

    def assign(self, network):
        """Loads the weights into `network`: all of them, or none after an error.

        Raises:
            ValueError: If names or shapes differ from those of the network, or a value
                is not finite.
        """
        self._check_fits(network)
        names = self._headers
        arrays = self._parsed(lambda one: {name: one.array(name) for name in names})
        odd = [
            name for name in self.shapes if not np.isfinite(_value(arrays, name)).all()
        ]
        if odd:
            raise ValueError(
                f"The weights in {self.path} must be finite in float32. {_ADVICE} "
                f"Received: {len(odd)} tensors with NaN or infinity; the first is "
                f"{odd[0]!r}."
            )
        weights = int8.without_scales(network)
        for weight in weights:
            int8.check_range(weight, _value(arrays, weight.path))
        scales = int8.scales(network)
        for weight in weights:
            if weight.path in scales:
                ints, scale = _as_int8(arrays, weight.path)
                weight.assign(ints)
                scales[weight.path].assign(scale)
            else:
                weight.assign(_value(arrays, weight.path))

    def _parsed(self, read):
        """The result of `read` for the archive; any error becomes a `ValueError`."""
        try:
            with _archives.opened(self.path, self._file) as archive:
                return read(archive)
        except ImportError:  # Of the library that reads the format.
            raise
        except Exception as error:  # Damaged bytes can raise any error.
            raise ValueError(
                f"{self.path} is not a weight file. {_ADVICE} Reading it failed: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _check_fits(self, network):
        weights = int8.without_scales(network)
        expected = {weight.path: tuple(weight.shape) for weight in weights}
        if expected == self.shapes:
            return
        odd = sorted(
            name
            for name in {*expected, *self.shapes}
            if expected.get(name) != self.shapes.get(name)
        )
        raise ValueError(
            f"The weights in {self.path} do not fit the network: {len(odd)} tensors "
            f"differ. The first is {odd[0]!r}: the network has "
            f"{expected.get(odd[0])}, the file has {self.shapes.get(odd[0])}. Build "
            "the network with the arguments in the preset's config.json."
        )


def pack(network, storage="float16", format="npz"):
    """The weights of `network` as the bytes of a file.

    Args:
        network: Keras model.
        storage: `"float16"` (the default), half the size of float32; a tensor with
            values out of its range is stored as float32. Or `"int8"`, half of that:
            large tensors are stored as ints with a float scale for each output channel,
            the others as float16. Kernels that the network itself holds as int8 are
            stored as they are.
        format: `"npz"` (the default) or `"safetensors"`.

    Raises:
        ValueError: If a weight is not finite.
    """
    arrays = {}
    scales = int8.scales(network)
    for weight in int8.without_scales(network):
        name = weight.path
        # In C order: on PyTorch, a sampling changes the order of kernels in memory.
        held = {name: np.asarray(ops.convert_to_numpy(weight), order="C")}
        if name in scales:
            held[name + _SCALE] = ops.convert_to_numpy(scales[name])
        array = _value(held, name)
        if not np.isfinite(array).all():
            raise ValueError(
                "The network's weights must be finite to be saved as a preset. Train "
                "it again, with a smaller learning rate. Received: NaN or infinity in "
                f"{name!r}."
            )
        if storage == "int8" and int8.is_large(array.shape):
            arrays[name], arrays[name + _SCALE] = _as_int8(held, name)
            continue
        fits = np.abs(array).max(initial=0) <= np.finfo("float16").max
        arrays[name] = array.astype("float16") if fits else array
    return _archives.pack(arrays, format)


def _value(arrays, name):
    """A tensor of a weight file as float32; values out of its range are infinite."""
    with np.errstate(all="ignore"):
        value = arrays[name].astype("float32")
        if name + _SCALE in arrays:
            value *= arrays[name + _SCALE].astype("float32")
    return value


def _as_int8(arrays, name):
    """`(ints, scale)` of a tensor of a weight file, as the file has them if it does."""
    if name + _SCALE in arrays:
        return arrays[name], arrays[name + _SCALE]
    return int8.quantised(_value(arrays, name))


def _checked_headers(archive):
    """Names, shapes and types of an archive; each int8 array must have scales."""
    headers = archive.headers()
    if not headers:
        raise ValueError("it contains no array")
    for name, (shape, dtype) in headers.items():
        scale, _ = headers.get(name + _SCALE, (None, None))
        if (dtype == "int8") != (scale is not None):
            raise ValueError(
                f"{name!r} is {dtype}: int8 arrays need a scale, others have none"
            )
        if scale is not None and scale != shape[-1:]:
            raise ValueError(f"{name!r} needs one scale for each channel")
    return headers


_ADVICE = "Copy the folder again, or reinstall the package."
