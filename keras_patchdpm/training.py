"""Training a patch DPM by the clock: resumable, with its curve on record."""

import dataclasses
import json
import pathlib
import time

import keras

from keras_patchdpm import _checks, datasets
from keras_patchdpm.models import PatchDPM, presets
from keras_patchdpm.models._precision import precision


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        batch_size: Images, one patch of each, that a step sees.
        learning_rate: Of Adam.
        warmup_steps: First steps, in which the learning rate rises from 0. Rates
            above 1e-3 do not learn without it.
        decay_steps: Steps after them in which it falls to 0, along a cosine, or `None`
            to keep it. A training whose length is known learns more with it.
        ema_momentum: Of the averaged weights, in [0, 1).
        steps_per_epoch: Steps between two checkpoints.
        precision: Keras dtype policy: on CPUs with bfloat16 arithmetic
            `"mixed_bfloat16"` is fastest.
        flip: Whether images are mirrored left to right half of the time.
        seed: Of the order of the images, of weights, levels, noise and patches.
        start_from: Preset whose weights the training starts from, a name or a folder,
            or `None` for random ones.
    """

    batch_size: int = 64
    learning_rate: float = 4e-4
    warmup_steps: int = 0
    decay_steps: int | None = None
    ema_momentum: float = 0.999
    steps_per_epoch: int = 250
    precision: str = "mixed_bfloat16"
    flip: bool = True
    seed: int = 0
    start_from: str | None = None


def images_per_step(model, batch_size):
    """Images, or crops of them, that a training step sees on average.

    Args:
        model: `PatchDPM`.
        batch_size: Positive int, of `fit`.

    Returns:
        Float: `batch_size`, but for a `RandomPatching`, whose small crops come in
        larger batches.
    """
    return batch_size * getattr(model.patching, "mean_batch_multiplier", 1)


def ema_momentum(half_life, images_per_step):
    """The momentum of averaged weights that forget half of what they know in a time.

    Args:
        half_life: Positive number of images, really seen: crops count.
        images_per_step: Positive number, see `images_per_step`.

    Returns:
        Float in (0, 1), for `keras.optimizers.Adam(..., use_ema=True, ema_momentum=)`.

    Raises:
        ValueError: If a number is not positive.

    Example:

    >>> momentum = ema_momentum(500_000, images_per_step(model, batch_size=256))

    Source: Karras et al. 2022 (arXiv:2206.00364), appendix F.2.
    """
    half_life = _checks.real("half_life", half_life, 1e-6)
    images_per_step = _checks.real("images_per_step", images_per_step, 1e-6)
    return 0.5 ** (images_per_step / half_life)


class StopAfter(keras.callbacks.Callback):
    """Ends the training at the first epoch's end after some minutes.

    Args:
        minutes: Positive number.
    """

    def __init__(self, minutes):
        super().__init__()
        self.seconds = 60 * _checks.real("minutes", minutes, 0)

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self.start > self.seconds:
            self.model.stop_training = True


def train(config, images, folder, minutes=None, epochs=None, settings=None):
    """Trains a model, or goes on where a stopped training stood.

    In `folder` are then `backup/` (from which the same call goes on), `curve.csv` (the
    loss of each epoch), `settings.json`, and `preset/` for `PatchDPM.from_preset`.

    Args:
        config: Dict of `network`, `schedule` and `patching`, each a dict of a `name`
            and its arguments.
        images: Uint8 array of shape `(count, H, W, C)`.
        folder: Path, made if need be.
        minutes: Positive number. Time to train for, looked at once an epoch.
        epochs: Positive int. Epochs, all runs together. Give it, `minutes`, or both.
        settings: `TrainingSettings`.

    Returns:
        The trained `PatchDPM`, with its averaged weights.

    Raises:
        ValueError: If there is no end, if `folder` holds a training with another
            configuration, or the preset to start from has another network.
    """
    if minutes is None and epochs is None:
        raise ValueError(
            "Say when the training ends: give `minutes`, `epochs` or both."
        )
    settings = settings or TrainingSettings()
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = {**config, "training": dataclasses.asdict(settings)}
    _check_same(folder / "settings.json", record)
    keras.utils.set_random_seed(settings.seed)
    with precision(settings.precision):
        model = PatchDPM(**presets.parts(config), seed=settings.seed)
        seen_before = _start_from(settings.start_from, model.network)
        optimizer = keras.optimizers.Adam(
            _learning_rate(settings),
            global_clipnorm=1.0,
            use_ema=True,
            ema_momentum=settings.ema_momentum,
        )
        model.compile(optimizer=optimizer)
        batches = datasets.ImageBatches(
            images,
            settings.batch_size,
            settings.flip,
            settings.steps_per_epoch,
            settings.seed,
        )
        callbacks = [
            # Two checkpoints: one stays whole while the other is written.
            keras.callbacks.BackupAndRestore(
                str(folder / "backup"), delete_checkpoint=False, double_checkpoint=True
            ),
            keras.callbacks.CSVLogger(str(folder / "curve.csv"), append=True),
        ]
        if minutes is not None:
            callbacks.append(StopAfter(minutes))
        epochs = _NO_END if epochs is None else _checks.positive_int("epochs", epochs)
        # After `fit` the weights are the averaged ones.
        model.fit(batches, epochs=epochs, callbacks=callbacks, verbose=2)
    seen = int(optimizer.iterations) * images_per_step(model, settings.batch_size)
    record["training"]["patches_seen"] = seen_before + round(seen)
    presets.save(folder / "preset", record, model.network, _CARD)
    return model


_NO_END = 10**6  # Epochs, where the clock ends the training.

_CARD = """# A patch DPM

Trained by `keras_patchdpm.training.train`; `config.json` says how. SHA-256 of the
weights: {sha256}.
"""


def _learning_rate(settings):
    """The learning rate, or how it rises and falls."""
    warmup = _checks.integer("warmup_steps", settings.warmup_steps, minimum=0)
    if settings.decay_steps is None and not warmup:
        return settings.learning_rate
    falls = settings.decay_steps is not None
    steps = _checks.positive_int("decay_steps", settings.decay_steps) if falls else 1
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        steps,
        alpha=0.0 if falls else 1.0,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _start_from(preset, network):
    """Gives `network` the weights of `preset`; returns the patches they have seen."""
    if preset is None:
        return 0
    presets.load_weights(network, preset)
    return presets.read_config(preset).get("training", {}).get("patches_seen", 0)


def _check_same(path, record):
    """Refuses to go on with a training of another configuration."""
    if path.exists() and (found := json.loads(path.read_text())) != record:
        odd = [key for key in record if found.get(key) != record[key]]
        raise ValueError(
            f"{path.parent} holds a training of another configuration. Choose another "
            f"folder, or the same settings. They differ in {odd}: the folder has "
            f"{[found.get(key) for key in odd]}, the call {[record[k] for k in odd]}."
        )
    path.write_text(json.dumps(record, indent=2) + "\n")
