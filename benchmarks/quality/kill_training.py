"""Kills trainings at random moments, and resumes them by the same call.

    python benchmarks/kills.py fit --backend jax --kills 15 --seed 0
    python benchmarks/kills.py train --backend tensorflow --kills 30

A run is a training in processes: the first ones are killed, by SIGKILL, SIGTERM and
SIGINT alternately, at a random moment of a random epoch; the last one ends by itself.
Then weights, optimizer, seeds and the curve must be those of a training that nobody
killed, bit for bit. A backup is written every two steps, so that many kills fall into
the writing. One line of JSON for each kill, and one for all of them.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
KILLS_PER_RUN = 3
EPOCH = "epoch begins:"  # Printed by a training, with the number.
STEPS = 2  # From one backup to the next.


def main():
    """Kills as often as asked, prints."""
    options = _options()
    if options.folder is not None:
        work(options.what, pathlib.Path(options.folder), options.epochs)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        lines = list(kill_and_resume(options, pathlib.Path(folder)))
    summary = {
        "benchmark": "kills",
        "of": options.what,
        "backend": options.backend,
        "seed": options.seed,
        "kills": sum("signal" in line for line in lines),
        "resumes_that_failed": sum(line["resumed"] is False for line in lines),
        "runs": sum("identical" in line for line in lines),
        "bit_identical": sum(line.get("identical", False) for line in lines),
        "torn_files": sum(len(line["torn"]) for line in lines),
    }
    print(json.dumps(summary))
    bad = summary["resumes_that_failed"] + summary["torn_files"]
    return 0 if summary["runs"] == summary["bit_identical"] and not bad else 1


def kill_and_resume(options, root):
    """Yields a dict for each process that was killed or ended."""
    draws = random.Random(options.seed)
    seconds = _run(options, root / "unbroken")["seconds"]
    kills, run = 0, 0
    while kills < options.kills:
        run += 1
        folder = root / f"run{run}"
        for number in range(KILLS_PER_RUN + 1):
            last = number == KILLS_PER_RUN or kills == options.kills
            kill = None if last else (draws, seconds / options.epochs)
            name = SIGNALS[kills % len(SIGNALS)]
            ended = _run(options, folder, kill, name)
            good = ended["epoch"] is not None if ended["killed"] else ended["rc"] == 0
            line = {"run": run, "resumed": good if number else None}
            line["torn"] = _torn(folder)
            if ended["killed"]:
                kills += 1
                line |= {"signal": name.name, "epoch": ended["epoch"]}
                line["left"] = ended["left"]
            else:
                line["identical"] = _same(folder, root / "unbroken")
            if not good:
                line["error"] = ended["error"][-500:]
            print(json.dumps(line), flush=True)
            yield line
            if not ended["killed"]:
                break


def _run(options, folder, kill=None, name=signal.SIGKILL):
    """One process, killed if `kill` is a generator and the seconds of an epoch."""
    folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "KERAS_BACKEND": options.backend,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, __file__, options.what, "--folder", str(folder)]
    command += ["--epochs", str(options.epochs)]
    with open(folder / "errors.txt", "w+") as errors:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        epochs = (
            int(line.removeprefix(EPOCH))
            for line in process.stdout
            if line.startswith(EPOCH)
        )
        epoch = next(epochs, None)  # The first one of this process.
        start = time.monotonic()
        if kill is not None and epoch is not None:
            draws, seconds = kill
            chosen = draws.randrange(epoch, options.epochs)
            while epoch is not None and epoch < chosen:
                epoch = next(epochs, None)
            time.sleep(draws.uniform(0, 1.5 * seconds))
            if process.poll() is None:
                process.send_signal(name)
        for _ in epochs:
            pass
        process.wait()
        process.stdout.close()
        errors.seek(0)
        error = errors.read()
        obeyed = process.returncode == -name or "KeyboardInterrupt" in error
        return {
            "epoch": epoch,
            "killed": kill is not None and process.returncode != 0 and obeyed,
            "seconds": time.monotonic() - start,
            "rc": process.returncode,
            "left": sorted(path.name for path in (folder / "backup").glob("*")),
            "error": error,
        }


def _torn(folder):
    """The files under a real name that are not whole."""
    from keras_patchdpm.callbacks import _backups

    torn = []
    for path in (folder / "backup").glob("epoch-*"):
        try:
            _backups._read(path, int(path.name.removeprefix("epoch-")))
        except (OSError, ValueError) as error:
            torn.append(f"{path.name}: {error}")
    for path in [*folder.glob("*.json"), *folder.glob("preset/*.json")]:
        try:
            json.loads(path.read_text())
        except ValueError:
            torn.append(path.name)
    curve = folder / "curve.csv"
    if curve.exists():
        rows = curve.read_text().split("\n")
        numbers = [row.split(",")[0] for row in rows]
        if numbers != ["epoch", *map(str, range(len(rows) - 2)), ""]:
            torn.append(curve.name)
    return torn


def _same(folder, expected):
    """Whether two trainings have ended with the same bits."""
    if not (folder / "end.npz").exists():
        return False
    with np.load(folder / "end.npz") as one, np.load(expected / "end.npz") as other:
        same = one.files == other.files and all(
            np.array_equal(one[name], other[name]) for name in one.files
        )
    texts = [*expected.glob("curve.*"), *expected.glob("preset/config.json")]
    return same and all(
        path.read_bytes() == (folder / path.relative_to(expected)).read_bytes()
        for path in texts
    )


def work(what, folder, epochs):
    """One training, or what is left of it; writes all that it ends with."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Shells may ignore it.
    import keras

    import keras_patchdpm as kp

    class SayEpoch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            print(f"\n{EPOCH}{epoch}", flush=True)

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 8, 8, 3), dtype="uint8")
    config = {
        "network": {
            "name": "unet",
            "image_size": 8,
            "width": 8,
            "multipliers": [1],
            "blocks_per_level": 1,
            "attention_levels": [],
            "dropout": 0.1,
        },
        "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
        "patching": {"name": "GridPatching", "divisions": 2},
    }
    if what == "train":
        model = _train(kp, SayEpoch(), config, images, folder, epochs)
    else:
        model = _fit(kp, SayEpoch(), config, images, folder, epochs)
    variables = [*model.variables, *model.optimizer.variables]
    arrays = [keras.ops.convert_to_numpy(variable) for variable in variables]
    np.savez(folder / "end.npz", *arrays)


def _fit(kp, say, config, images, folder, epochs):
    import keras

    from keras_patchdpm.models import presets

    keras.utils.set_random_seed(0)
    model = kp.PatchDPM(**presets.parts(config))
    model.compile(keras.optimizers.Adam(1e-3, use_ema=True, ema_momentum=0.9))
    batches = kp.datasets.ImageBatches(images, batch_size=4, steps=STEPS)
    backup = kp.callbacks.BackupAndRestore(folder / "backup")
    callbacks = [backup, say]
    model.fit(batches, epochs=epochs, verbose=0, callbacks=callbacks)
    lines = [json.dumps(row) + "\n" for row in backup.curve]
    (folder / "curve.txt").write_text("".join(lines))
    return model


def _train(kp, say, config, images, folder, epochs):
    from keras_patchdpm import training
    from keras_patchdpm.training import train_model

    fit = train_model.PatchDPM.fit

    def fit_and_say(self, *arguments, callbacks, **options):
        return fit(self, *arguments, callbacks=[*callbacks, say], **options)

    train_model.PatchDPM.fit = fit_and_say
    settings = training.TrainingSettings(
        batch_size=4, steps_per_epoch=STEPS, precision="float32", ema_momentum=0.9
    )
    return training.train(config, images, folder, epochs=epochs, settings=settings)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fit", "train"))
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument(
        "--backend", default="jax", choices=("jax", "tensorflow", "torch")
    )
    parser.add_argument("--epochs", type=int, default=40, help="of two steps each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help=argparse.SUPPRESS)  # Of one training.
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
