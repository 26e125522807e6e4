"""Validates the data given to `fit` and `evaluate`, and converts it for Keras."""

import warnings

import keras
import numpy as np

from keras_patchdpm import _images, augmentation, runtime
from keras_patchdpm.datasets import ImageBatches
from keras_patchdpm.models import (
    _arguments,
    _batches,
    _epochs,
    _labels,
    _weights,
)
from keras_patchdpm.patching.crop_batches import CropBatches

BATCH_SIZE = 32  # The default of Keras.


def to_fit(model, arguments):
    """Validates the arguments of `fit` and converts them for `keras.Model.fit`.

    Args:
        model: `PatchDPM`.
        arguments: Dict of all arguments of `PatchDPM.fit`.

    Returns:
        `(arguments, check)`: a dict, and the `BatchCheck` that validates the batches.
    """
    found = _arguments.of_fit(arguments)
    _warn_of_backup_in_place(found["callbacks"])
    table = _weights.of_classes(found.pop("class_weight"), model.num_classes)
    check = _batches.BatchCheck(model, table)
    data = [found.pop(name) for name in ("x", "y", "sample_weight")]
    data, is_array = _validated(
        model, data, check=check, batch_size=found["batch_size"]
    )
    if found["shuffle"] is None:
        # A data set keeps its order; by default Keras would shuffle a `PyDataset`.
        found["shuffle"] = is_array
    if found["validation_data"] is not None:
        found["validation_data"] = _held_out(model, found)
    elif found["validation_split"]:
        data, found["validation_data"] = _split(
            model,
            data,
            is_array=is_array,
            by_class=table is not None,
            arguments=found,
        )
    found["validation_split"] = 0.0
    if model.patching.cuts_batches:
        batches, before = _crops_to_fit(model, data, check=check, arguments=found)
        _follow_epochs(batches, before, found)
        data = model.of_open_sizes(batches), None, None
        found["shuffle"] = False
    else:
        if isinstance(data[0], ImageBatches):
            _follow_epochs(data[0], data[0].epoch, found)
        data = _in_batches(
            model,
            data,
            check=check,
            batch_size=found["batch_size"],
            shuffle=found["shuffle"],
        )
        if is_array and _batches.kind_of(data[0]) != "array":
            found["shuffle"] = False  # The batches are shuffled already.
    found["x"], found["y"], found["sample_weight"] = data
    return found, check


def _warn_of_backup_in_place(callbacks):
    """Warns of Keras' `BackupAndRestore`: a killed process can damage its backup."""
    given = getattr(callbacks, "callbacks", callbacks) or []
    given = given if isinstance(given, list | tuple) else [given]
    if any(isinstance(each, keras.callbacks.BackupAndRestore) for each in given):
        warnings.warn(
            "`keras.callbacks.BackupAndRestore` overwrites its backup. If the process "
            "is killed while it writes, the backup is incomplete. Use "
            "`keras_patchdpm.callbacks.BackupAndRestore`, which keeps the earlier "
            "backup until the next one is complete.",
            stacklevel=4,
        )


def to_evaluate(model, arguments):
    """Validates the arguments of `evaluate` and converts them, as `to_fit` does."""
    found = _arguments.of_evaluate(arguments)
    check = _batches.BatchCheck(model)
    data = [found.pop(name) for name in ("x", "y", "sample_weight")]
    data, _ = _validated(model, data, check=check, batch_size=found["batch_size"])
    data = _to_measure(model, data, check=check, batch_size=found["batch_size"])
    found["x"], found["y"], found["sample_weight"] = data
    return found, check


def to_step(model, x, y, *, sample_weight, class_weight=None):
    """Validates and converts the data of `train_on_batch` and `test_on_batch`.

    Returns:
        `(x, y, sample_weight)`.
    """
    table = _weights.of_classes(class_weight, model.num_classes)
    if isinstance(x, dict):  # A batch of `RandomPatching.batches`.
        return x, y, _weights.combined(y, sample_weight, table)
    _images.refuse_structures(x)
    check = _batches.BatchCheck(model, table)
    data, _ = _validated(model, (x, y, sample_weight), check=check)
    return _for_keras(data, check)


def _validated(model, data, *, check, batch_size=None):
    """Validates the data: an array as a whole, a data set by its first batch.

    Returns:
        `([x, y, sample_weight], is_array)`.
    """
    x, y, sample_weight = data
    if x is None:
        raise ValueError(
            "There are no images. Train with `fit(images)` or `fit(dataset)`. "
            "Received: x=None."
        )
    if isinstance(x, CropBatches) or _batches.kind_of(x) != "array":
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"A data set has labels and weights in its batches, `(images, "
                    f"labels, weights)`. Leave out `{name}`. "
                    f"Received: x of type {type(x).__name__}, and `{name}`."
                )
        if not isinstance(x, CropBatches):
            first = _batches.first_batch(x)
            if first is not None:
                check(first, 0, whole=False)
        return [x, None, None], False
    images = _labels.as_numpy("x", x)
    _images.check(images, model.image_shape, latents=model.latents)
    count = len(images)
    y = _labels.of_array(y, model.num_classes, count)
    sample_weight = _weights.of_array(sample_weight, count)
    sample_weight = _weights.combined(y, sample_weight, check.table)
    if model.num_classes is None:
        y = None
    size = min(batch_size or BATCH_SIZE, count)
    _batches.check_sharding(size, check.shards)
    if not model.patching.cuts_batches:
        _batches.check_sharding(count % size, check.shards)
    return [x, y, sample_weight], True


def _for_keras(data, check):
    """`(x, y, sample_weight)` for Keras; a data set with validated batches."""
    x, y, sample_weight = data
    if sample_weight is not None and y is None:
        # Without labels Keras would ignore the weights.
        y = np.zeros(len(sample_weight), "int32")
    if (
        check is not None
        and not isinstance(x, CropBatches)
        and _batches.kind_of(x) != "array"
    ):
        x = _batches.checked(x, check)
    return x, y, sample_weight


def _in_batches(model, data, *, check, batch_size, shuffle):
    """`_for_keras`, with arrays as the backend reads them best."""
    x, y, sample_weight = _for_keras(data, check)
    if _batches.kind_of(x) != "array":
        return x, y, sample_weight
    size = BATCH_SIZE if batch_size is None else batch_size
    return model.of_arrays((x, y, sample_weight), batch_size=size, shuffle=shuffle)


def _crops_to_fit(model, data, *, check, arguments):
    """`(batches, before)`: `CropBatches`, and the number of epochs trained before."""
    x, labels, weights = data
    if isinstance(x, CropBatches):
        return x, x.epoch
    if _batches.kind_of(x) != "array":
        if check.table is not None:
            raise ValueError(
                "`class_weight` of a data set is not carried over to its crops. Pass "
                "arrays: `fit(images, labels, class_weight=...)`."
            )
        x = _batches.checked_on_host(x, check)
    batches = _crop_batches(
        model.patching,
        x,
        batch_size=arguments["batch_size"],
        seed=model.seed,
        labels=labels,
        sample_weight=weights,
        epochs=arguments["epochs"],
        **augmentation.options_of_batches(model.augmentation),
    )
    return batches, model.epochs_trained


def _to_measure(model, data, *, check, batch_size):
    """`(x, y, sample_weight)` for `evaluate`: the same batches in every call."""
    if isinstance(data[0], ImageBatches):
        data = [data[0].fixed(), None, None]
    if not model.patching.cuts_batches:
        return _in_batches(
            model, data, check=check, batch_size=batch_size, shuffle=False
        )
    x, labels, weights = data
    if not isinstance(x, CropBatches):
        if _batches.kind_of(x) != "array":
            x = _batches.checked_on_host(x, check)
        x = _crop_batches(
            model.patching,
            x,
            batch_size=batch_size,
            seed=model.test_seed,
            labels=labels,
            sample_weight=weights,
        )
    return model.of_open_sizes(x), None, None


def _held_out(model, arguments):
    """Validates and converts the `validation_data` of `fit`."""
    given = arguments["validation_data"]
    if isinstance(given, list | tuple) and not 1 <= len(given) <= 3:
        raise ValueError(
            "`validation_data` must be images, `(images, labels)`, `(images, labels, "
            f"weights)` or a data set. Received: a {type(given).__name__} of "
            f"{len(given)} entries."
        )
    size = arguments["validation_batch_size"] or arguments["batch_size"]
    try:
        check = _batches.BatchCheck(model)
        data = keras.utils.unpack_x_y_sample_weight(given)
        data, _ = _validated(model, data, check=check, batch_size=size)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"`validation_data`: {error}") from None
    return _to_measure(model, data, check=check, batch_size=size)


def _split(model, data, *, is_array, by_class, arguments):
    """Splits arrays into training and validation data; as in Keras, the last images.

    Weights of classes are for training alone.
    """
    share = arguments["validation_split"]
    if not is_array:
        raise ValueError(
            "`validation_split` is only for arrays. Split the data set yourself, and "
            f"pass `validation_data`. Received: validation_split={share}, x of type "
            f"{type(data[0]).__name__}."
        )
    count = len(data[0])
    first = int(np.floor(count * (1 - share)))
    if first in (0, count):
        raise ValueError(
            f"`validation_split` leaves no images for training or for validation. "
            f"Received: validation_split={share} of {count} images."
        )
    train, held = (
        [None if values is None else values[part] for values in data]
        for part in (slice(0, first), slice(first, count))
    )
    if by_class:
        held[2] = None
    size = arguments["validation_batch_size"] or arguments["batch_size"]
    return train, _to_measure(
        model, held, check=_batches.BatchCheck(model), batch_size=size
    )


def _follow_epochs(batches, before, arguments):
    """Adds the callback that sets the epoch of the batches."""
    steps = arguments["steps_per_epoch"]
    if steps is not None and steps != len(batches):
        raise ValueError(
            f"An epoch of these batches has {len(batches)} steps. `steps_per_epoch` "
            "must be the same, because each epoch has its own order. Leave out "
            "`steps_per_epoch`, and set the length of an epoch with "
            "`ImageBatches(images, batch_size, steps=...)`, or with the `batch_size` "
            f"of crops. Received: steps_per_epoch={steps}."
        )
    own = _epochs.EpochOfBatches(batches, before)
    arguments["callbacks"] = _epochs.with_callback(arguments["callbacks"], own)


def _crop_batches(patching, images, *, batch_size, seed, **options):
    """`CropBatches` of the images of `fit` or `evaluate`."""
    processes, process = runtime.processes()
    if processes > 1:
        options["shard"] = process
    size = BATCH_SIZE if batch_size is None else batch_size
    return patching.batches(images, size, seed, **options)
