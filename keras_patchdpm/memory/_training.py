"""The memory and the time of one training step, measured on a copy of the model."""

import keras
import numpy as np

from keras_patchdpm import _checks, augmentation
from keras_patchdpm.memory import _own_process
from keras_patchdpm.memory._measuring import median_seconds, variables_bytes, with_note
from keras_patchdpm.memory._peak import backend_module
from keras_patchdpm.memory.report import ProfileReport

STEPS = 64  # Of batches of several sizes: in so many, each size is expected.


def profile(model, batch_size, *, optimizer, isolated, timed):
    """`memory.profile` of a training step; the other arguments are validated."""
    _checks.like(
        "model", model, asked=("train_on_batch", "patching"), example="PatchDPM(...)"
    )
    config = _config(model, optimizer)
    backend = backend_module()
    if isolated is None:
        isolated = backend.needs_own_process()
    if not isolated:
        return measure(config, batch_size=batch_size, timed=timed)
    request = {"model": config, "batch_size": batch_size, "timed": timed}
    used = optimizer or model.optimizer
    modules = _own_process.modules(model.network, model.schedule, model.patching, used)
    return _own_process.profile(request, modules, backend.environment())


def refuse_sampling(**arguments):
    """Refuses arguments of a sampling: names to `(value, default)`."""
    for name, (value, default) in arguments.items():
        if value != default:
            raise ValueError(
                f"`{name}` is for a sampling. Leave it out, or leave `training` out. "
                f"Received: {name}={value!r}, training=True."
            )


def refuse_optimizer(optimizer):
    """Refuses an optimizer for a sampling."""
    if optimizer is not None:
        raise ValueError(
            "`optimizer` is for a training. Pass `training=True`, or leave `optimizer` "
            f"out. Received: optimizer={optimizer!r}, training=False."
        )


def _config(model, optimizer=None):
    """The configuration of a copy of `model`, with its optimizer: plain data.

    Args:
        model: `PatchDPM`.
        optimizer: Keras optimizer, instead of that of `compile`. Default `None`.

    Raises:
        ValueError: If the model was not compiled, and no optimizer is given.
    """
    config = keras.saving.serialize_keras_object(model)
    compiled = config.get("compile_config") or {}
    if optimizer is not None:
        optimizer = keras.optimizers.get(optimizer)
        compiled["optimizer"] = keras.saving.serialize_keras_object(optimizer)
    if not compiled.get("optimizer"):
        raise ValueError(
            "A training step needs an optimizer. Call `model.compile(optimizer=...)` "
            "first, or pass `optimizer`. Received: optimizer=None, and a model that "
            "is not compiled."
        )
    return {**config, "compile_config": compiled}


def measure(config, *, batch_size, timed):
    """The `ProfileReport` of a training step, in this process.

    Args:
        config: Configuration of a compiled `PatchDPM`, a dict.
        batch_size: Positive int.
        timed: Bool.
    """
    backend = backend_module()
    model = keras.saving.deserialize_keras_object(config)
    divisions = model.tiled().stages[-1].tiling.grid.divisions
    measured = seconds = None
    for batch in _batches(model, batch_size):
        fn, args, options = backend.measured_step(model, batch)
        report = backend.peak(fn, args, **options)
        if measured is None or report.bytes > measured.bytes:
            measured = report
        if timed:
            x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
            taken = median_seconds(lambda x=x, y=y: model.train_on_batch(x, y))
            seconds = max(taken, seconds or 0)
    return ProfileReport(
        weights=variables_bytes(model.network.variables),
        activations=measured.bytes,
        seconds=seconds,
        divisions=tuple(divisions),
        batch_size=batch_size,
        patches_per_call=model.patching.patches_per_image,
        measured=with_note(
            measured, "Measured: one training step, with its gradients."
        ),
        optimizer=variables_bytes(model.optimizer.variables),
    )


def _batches(model, batch_size):
    """One batch of each size that a training has, as `fit` passes it to Keras."""
    shape = (batch_size * STEPS, *model.image_shape)
    # The images of all steps are one zero in memory.
    images = np.broadcast_to(np.zeros((), _dtype(model)), shape)
    labels = None
    if model.num_classes is not None:
        labels = np.zeros(len(images), "int32")
    if not model.patching.cuts_batches:
        labels = None if labels is None else labels[:batch_size]
        image_batch = np.array(images[:batch_size])
        return [keras.utils.pack_x_y_sample_weight(image_batch, labels)]
    whole = augmentation.options_of_batches(model.augmentation)
    batches = model.patching.batches(images, batch_size, 0, labels=labels, **whole)
    by_shapes = {}
    for step in range(len(batches)):
        batch = batches[step]
        shapes = tuple(x.shape for x in keras.tree.flatten(batch))
        by_shapes.setdefault(shapes, batch)
    return list(by_shapes.values())


def _dtype(model):
    return "float32" if model.latents else "uint8"
