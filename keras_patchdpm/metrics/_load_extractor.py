"""The extractors that have a name."""

import contextlib
import hashlib

import keras

from keras_patchdpm import _checks, _files, _npz, _torch_file
from keras_patchdpm.metrics import _inception_v3, _mobilenet_v2
from keras_patchdpm.metrics._extractor import Extractor

# The start of the SHA-256 of pytorch-fid's file, which is also in its name.
_PYTORCH_FID = "6726825d"


def load_extractor(name, weights=None):
    """An extractor by its name. It is never replaced by another one.

    - `"mobilenet_v2"`: MobileNetV2, whose weights are in the package (3 MB, 8 bits).
      1280 features of images that are resized bilinearly to 128 x 128. Its Frechet
      distance is no FID.
    - `"inception_v3"`: the network of the Frechet inception distance (FID). 2048
      features of images that are resized to 299 x 299 as clean-fid does. You need the
      file of pytorch-fid, `pt_inception-2015-12-05-6726825d.pth`, and PyTorch to read
      it; or a `.npz` file with the same tensors by the same names, and no PyTorch.
    - `"keras_inception_v3"` and `"keras_mobilenet_v2"`: the networks of
      `keras.applications` with Keras' own weights, which Keras downloads once. Images
      are resized to 299 x 299 and 224 x 224 as clean-fid does. The weights are not
      those of the FID.

    Args:
        name: One of these names.
        weights: Path of the weights. Default `None`: those in the package, or Keras'
            download. For Keras' networks, a file that Keras wrote for the network
            without its classifier (`include_top=False`).

    Returns:
        `Extractor`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If there is no such extractor, or `weights` is missing, not used or
            not a file of weights of this network.
        FileNotFoundError: If there is no such file.
        ImportError: If PyTorch is needed and not installed.
        OSError: If Keras cannot download the weights.

    Example:

    >>> extractor = load_extractor("mobilenet_v2")
    >>> extractor.description.dimensions
    1280
    """
    name = _checks.one_of("name", name, EXTRACTORS)
    if weights is not None:
        weights = _files.path_of("weights", weights)
        if not weights.is_file():
            raise FileNotFoundError(
                "There is no file at that path. Pass the path of the weights of "
                f"{name!r}. Received: weights={str(weights)!r}."
            )
    with _plain_keras():
        return EXTRACTORS[name](name, weights)


def _mobilenet(name, weights):
    _refuse_weights(name, weights)
    network = _mobilenet_v2.mobilenet_v2()
    return Extractor(network, name, _mobilenet_v2.SIZE, resizing="bilinear")


def _inception(name, weights):
    if weights is None:
        raise ValueError(
            f"{name!r} needs a file of weights, which is not in the package. Pass the "
            "path of pytorch-fid's pt_inception-2015-12-05-6726825d.pth, or choose "
            "'mobilenet_v2'. Received: weights=None."
        )
    if weights.suffix == ".npz":
        tensors = _read_npz(weights)
    else:
        _warn_of_others(weights)
        tensors = _torch_file.read(
            str(weights),
            "weights",
            "pass a .npz file of the same tensors as `weights`",
        )
        tensors = _as_arrays(tensors, weights)
    network = _inception_v3.inception_v3(tensors, str(weights))
    return Extractor(network, name, _inception_v3.SIZE)


def _as_arrays(tensors, path):
    """The tensors of a file of PyTorch as arrays by name."""
    try:
        return {
            str(name): _torch_file.as_array(tensor)
            for name, tensor in tensors.items()
            if not str(name).endswith("num_batches_tracked")
        }
    except (TypeError, ValueError) as error:
        raise ValueError(
            "The file must be a dict of names and tensors, as `state_dict()` returns "
            f"it. Received: weights={str(path)!r} ({error})."
        ) from error


def _read_npz(path):
    """The arrays of a `.npz` file by name."""
    try:
        with _npz.opened(path) as file:
            return {
                name: file[name]
                for name in file.files
                if not name.endswith("num_batches_tracked")
            }
    except Exception as error:  # Damaged bytes can raise any error.
        raise ValueError(
            "The file is no complete .npz file of arrays. Write it with `numpy.savez`. "
            f"Received: weights={str(path)!r} ({type(error).__name__}: {error})."
        ) from error


def _warn_of_others(path):
    """Warns if a file is not the one that FIDs are computed with."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(_PYTORCH_FID):
        _checks.warn(
            "The weights are not those of pytorch-fid, so that a Frechet distance with "
            "them is no FID. The SHA-256 of pytorch-fid's file starts with "
            f"{_PYTORCH_FID}. Received: {path}, whose SHA-256 is {found}."
        )


def _keras_inception(name, weights):
    return _application(keras.applications.InceptionV3, name, weights, size=299)


def _keras_mobilenet(name, weights):
    return _application(keras.applications.MobileNetV2, name, weights, size=224)


def _application(build, name, weights, *, size):
    """One of Keras' networks behind a layer that scales images to [-1, 1]."""
    try:
        network = build(
            include_top=False,
            pooling="avg",
            input_shape=(size, size, 3),
            weights="imagenet" if weights is None else str(weights),
        )
    except Exception as error:  # Keras raises any error, HDF5 too.
        reason = " ".join(str(error).split())[:200]
        if weights is None:
            raise OSError(
                f"Keras could not load its weights of {name!r}: {reason}. Connect to "
                "the internet, pass the path of the file, or choose 'mobilenet_v2'. "
                "Received: weights=None."
            ) from error
        raise ValueError(
            f"The file is no weight file of {name!r} that Keras wrote for "
            f"`include_top=False`. Keras says: {reason}. "
            f"Received: weights={str(weights)!r}."
        ) from error
    inputs = keras.Input((size, size, 3))
    outputs = network(keras.layers.Rescaling(1 / 127.5, -1.0)(inputs))
    return Extractor(keras.Model(inputs, outputs), name, size)


EXTRACTORS = {
    "mobilenet_v2": _mobilenet,
    "inception_v3": _inception,
    "keras_inception_v3": _keras_inception,
    "keras_mobilenet_v2": _keras_mobilenet,
}


def _refuse_weights(name, weights):
    if weights is not None:
        raise ValueError(
            f"The weights of {name!r} are in the package. Leave `weights` out, or "
            f"choose another extractor. Received: weights={str(weights)!r}."
        )


@contextlib.contextmanager
def _plain_keras():
    """Float32 and channels last, whatever the user chose for other networks."""
    policy, layout = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(layout)
