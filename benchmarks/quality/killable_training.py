"""One training, or what is left of it, in a process that `kill_training.py` may kill.

    KERAS_BACKEND=jax python -m benchmarks.quality.killable_training train runs/kill 4

It prints each epoch as it begins, and writes `end.npz`: all variables of the model and
the optimizer, as they are at the end.
"""

import json
import pathlib
import signal
import sys

import keras
import numpy as np

import keras_patchdpm as kp
from keras_patchdpm import presets, training
from keras_patchdpm.training import train_model

EPOCH = "epoch begins:"  # Printed with the number of the epoch.
STEPS = 2  # From one backup to the next.
CONFIG = {
    "network": {
        "name": "unet",
        "image_size": 8,
        "width": 8,
        "multipliers": [1],
        "blocks_per_depth": 1,
        "attention_depths": [],
        "dropout": 0.1,
    },
    "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
    "patching": {"name": "GridPatching", "divisions": 2},
}


def main():
    """Trains by the call that is named, writes the end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Shells may ignore it.
    what, folder, epochs = sys.argv[1:]
    folder = pathlib.Path(folder)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 8, 8, 3), dtype="uint8")
    call = {"fit": fit, "train": train}[what]
    model = call(images, folder, int(epochs))
    variables = [*model.variables, *model.optimizer.variables]
    arrays = [keras.ops.convert_to_numpy(variable) for variable in variables]
    np.savez(folder / "end.npz", *arrays)


class PrintEpoch(keras.callbacks.Callback):
    """Prints each epoch as it begins."""

    def on_epoch_begin(self, epoch, logs=None):
        print(f"\n{EPOCH}{epoch}", flush=True)


def fit(images, folder, epochs):
    """The trained model, by `fit` with `BackupAndRestore`."""
    keras.utils.set_random_seed(0)
    model = kp.PatchDPM(**presets.parts(CONFIG))
    model.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9))
    batches = kp.datasets.ImageBatches(images, batch_size=4, steps=STEPS)
    backup = kp.callbacks.BackupAndRestore(folder / "backup")
    callbacks = [backup, PrintEpoch()]
    model.fit(batches, epochs=epochs, verbose=0, callbacks=callbacks)
    lines = [json.dumps(row) + "\n" for row in backup.curve]
    (folder / "curve.txt").write_text("".join(lines))
    return model


def train(images, folder, epochs):
    """The trained model, by `training.train`."""
    original = train_model.PatchDPM.fit

    def fit_and_print(self, *arguments, callbacks, **options):
        callbacks = [*callbacks, PrintEpoch()]
        return original(self, *arguments, callbacks=callbacks, **options)

    train_model.PatchDPM.fit = fit_and_print
    settings = training.TrainingSettings(
        batch_size=4, steps_per_epoch=STEPS, precision="float32"
    )
    return training.train(CONFIG, images, folder, epochs=epochs, settings=settings)


if __name__ == "__main__":
    main()
