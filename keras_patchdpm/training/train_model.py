"""Trains a model in a folder, from which the same call resumes the training."""

import dataclasses

import keras

from keras_patchdpm import _checks, datasets, presets, runtime
from keras_patchdpm.callbacks import BackupAndRestore, _lock
from keras_patchdpm.models import PatchDPM
from keras_patchdpm.models._precision import precision
from keras_patchdpm.training import _arguments, _start
from keras_patchdpm.training._record import Record
from keras_patchdpm.training._run import EarlyState, LearningRate, Progress, StopAfter
from keras_patchdpm.training.averaging import AveragingAdam, images_per_step


def train(config, images, folder, *, minutes=None, epochs=None, settings=None):
    """Trains a model, or resumes a training that was stopped or killed.

    The folder then has `backup/` (from which the same call resumes, see
    `callbacks.BackupAndRestore`), `curve.csv` (the loss of each epoch),
    `settings.json`, `preset/`, which `PatchDPM.from_preset` loads, and `early/`, the
    preset of an eighth of the training, which may guide (`Guidance`). The result of a
    resumed training is bit-identical to that of an unbroken one, except where the
    learning rate falls with the clock. The arguments are validated before anything is
    written.

    The learning rate falls to 0 at the end of the training, which is that of `minutes`
    or of `epochs`, whichever comes first. A line every ten seconds says how far it is.

    Args:
        config: Dict of `network`, `schedule` and `patching`, each a dict of a `name`
            and its arguments; and of `augmentation`, if there is one.
        images: Uint8 array of shape `(count, H, W, C)`, or a `datasets.ImageFolder`.
        folder: Path. The folder is created if it does not exist.
        minutes: Number of at least 0. Time limit of this call, checked after each
            step, so that the last epoch may be shorter. Default `None`: no time limit;
            then `epochs` is needed. Not for several processes, whose clocks differ.
        epochs: Positive int. Epochs of all calls together. Default `None`: no such
            limit; then `minutes` is needed.
        settings: `TrainingSettings`. Default `None`: the default ones.

    Returns:
        The trained `PatchDPM`, with its averaged weights.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If neither `minutes` nor `epochs` is given, `minutes` is given to
            several processes, an argument is out of range, `folder` has a training with
            another configuration or other images, or the preset to start from has
            another network.
        BlockingIOError: If another process trains in `folder`.
        OSError: If `folder` cannot be written.

    Example:

    >>> config = {
    ...     "network": {"name": "unet", "image_size": 64, "width": 64, "stem": 2},
    ...     "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
    ...     "patching": {"name": "CascadePatching", "divisions": 2},
    ... }
    >>> settings = TrainingSettings(batch_size=32, precision="float32")
    >>> model = kp.train(config, images, "runs/mine", minutes=90, settings=settings)
    """
    if minutes is None and epochs is None:
        raise ValueError(
            "The training needs a limit. Pass `minutes`, `epochs` or both. "
            "Received: minutes=None, epochs=None."
        )
    processes, process = runtime.processes()
    if minutes is not None and processes > 1:
        raise ValueError(
            "`minutes` cannot limit a training of several processes: they would stop "
            "at different steps. Pass `epochs`, and leave `minutes` out. "
            f"Received: minutes={minutes}, {processes} processes."
        )
    clock = None if minutes is None else StopAfter(minutes)
    if epochs is not None:
        epochs = _checks.positive_int("epochs", epochs)
    settings = _arguments.settings(settings)
    config = _arguments.config(config)
    images = _arguments.images(images, settings.batch_size)
    folder = _arguments.folder(folder)
    keras.utils.set_random_seed(settings.seed)
    with precision(settings.precision):
        model = PatchDPM(**presets.parts(config), seed=settings.seed)
        _arguments.check_size(images, model)
        seen_before = _start.from_preset(settings.start_from, config, model.network)
        model.compile(optimizer=_optimizer(settings))
        batches = datasets.ImageBatches(
            images,
            settings.batch_size,
            flip=settings.flip,
            steps=settings.steps_per_epoch,
            seed=settings.seed,
        )
        record = {**config, "training": dataclasses.asdict(settings)}
        identity = {**record, "images": _arguments.fingerprint(images)}
        if processes > 1:
            identity["processes"] = processes
        backup = BackupAndRestore(folder / "backup", settings=identity)
        steps = None if epochs is None else epochs * settings.steps_per_epoch
        writes = process == 0
        progress = Progress(steps=steps, clock=clock, prints=writes)
        rate = LearningRate(
            progress,
            settings.learning_rate,
            warmup_steps=settings.warmup_steps,
            cooldown=settings.cooldown,
        )

        def save(folder):
            if not writes:
                return
            seen = int(model.optimizer.iterations)
            seen *= images_per_step(model, settings.batch_size * processes)
            training = {**record["training"], "patches_seen": seen_before + round(seen)}
            config = {**record, "training": training}
            presets.save(folder, config, model.network, card=_CARD)

        early = EarlyState(progress, folder / "early", save)
        callbacks = [backup, rate, progress, early]
        if writes:
            callbacks.append(Record(folder, backup))
        if clock is not None:
            callbacks.append(clock)
        lock = _lock.acquire(folder) if writes else None
        try:
            # After `fit` the model has the averaged weights.
            model.fit(
                batches,
                epochs=epochs or _NO_END,
                callbacks=callbacks,
                verbose=2 if writes else 0,
            )
            save(folder / "preset")
        finally:
            backup.release()
            if lock is not None:
                lock.release(force=True)
    return model


_NO_END = 10**6  # Epochs, if the time limit ends the training.

_CARD = """# A patch DPM

Trained by `keras_patchdpm.training.train`; `config.json` says how. SHA-256 of the
weights: {sha256}.
"""


def _optimizer(settings):
    return AveragingAdam(
        settings.learning_rate, ema_share=settings.ema_share, global_clipnorm=1.0
    )
