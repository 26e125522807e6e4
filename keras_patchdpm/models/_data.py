"""What a user gives to `fit` and `evaluate`, looked at, as Keras is to have it."""

import warnings

import keras

from keras_patchdpm.models import _crops, _images, _labels


def look_at(model, images, labels=None):
    """Refuses images and labels that the model cannot be trained on."""
    first, of_first = _images.first_batch(images)
    _images.check(first, model.image_shape, model.latents)
    if hasattr(images, "shape"):
        _labels.require(labels, model.num_classes)
        _labels.check(labels, model.num_classes, len(images))
    else:
        _labels.check(of_first if labels is None else labels, model.num_classes)


def to_fit(model, x, y, sample_weight, options):
    """`(x, y, sample_weight, options)` for `keras.Model.fit`.

    Args:
        model: `PatchDPM`.
        x, y, sample_weight: As given to `PatchDPM.fit`.
        options: Dict of its other arguments.
    """
    look_at(model, x, y)
    options = dict(options)
    _warn_of_backup_in_place(options.get("callbacks"))
    if options.get("validation_data") is not None:
        options["validation_data"] = _held_out(model, options)
    if _crops.has_crops(model.patching):
        batches = _crops.batches(
            model.patching,
            x,
            options.pop("batch_size", None),
            model.seed,
            labels=y,
            sample_weight=sample_weight,
            epochs=options.get("epochs", 1),
        )
        options["callbacks"] = _crops.with_epochs(options.get("callbacks"), batches)
        x, y, sample_weight = model.of_open_sizes(batches), None, None
    if not hasattr(x, "shape"):
        # A data set has an order of its own; Keras would shuffle a `PyDataset`.
        options.setdefault("shuffle", False)
    return x, _labels.given_or_zeros(x, y, sample_weight), sample_weight, options


def to_evaluate(model, x, y, sample_weight, batch_size):
    """`(x, y, sample_weight, batch_size)` for `keras.Model.evaluate`."""
    if hasattr(x, "shape"):
        look_at(model, x, y)
    if _crops.has_crops(model.patching) and not _crops.are_cut(x):
        x = _cut(model, (x, y, sample_weight), batch_size)
        y = sample_weight = batch_size = None
    return x, _labels.given_or_zeros(x, y, sample_weight), sample_weight, batch_size


def _warn_of_backup_in_place(callbacks):
    """Says that a kill may leave Keras' own backup torn, if it is among `callbacks`."""
    given = getattr(callbacks, "callbacks", callbacks) or []
    given = given if isinstance(given, list | tuple) else [given]
    if any(isinstance(each, keras.callbacks.BackupAndRestore) for each in given):
        warnings.warn(
            "`keras.callbacks.BackupAndRestore` overwrites its backup, which a kill "
            "then leaves half written. `keras_patchdpm.callbacks.BackupAndRestore` "
            "keeps the earlier one until the next is whole.",
            stacklevel=4,
        )


def _held_out(model, options):
    """The validation data, from the arguments of `fit`."""
    given = options["validation_data"]
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(given)
    look_at(model, images, labels)
    if _crops.has_crops(model.patching):
        size = options.get("validation_batch_size") or options.get("batch_size")
        return _cut(model, (images, labels, weights), size)
    if weights is None:
        return given
    return images, _labels.given_or_zeros(images, labels, weights), weights


def _cut(model, data, batch_size):
    """Crops to evaluate on, the same every time."""
    images, labels, weights = data
    batches = _crops.batches(
        model.patching,
        images,
        batch_size,
        model.test_seed,
        labels=labels,
        sample_weight=weights,
    )
    return model.of_open_sizes(batches)
