"""Kills trainings at random moments, and resumes them by the same call.

    KERAS_BACKEND=jax python -m benchmarks.quality.kill_training fit --kills 15
    KERAS_BACKEND=tensorflow python -m benchmarks.quality.kill_training train --kills 30

A run is one training in several processes (`killable_training.py`): the first ones are
killed, by SIGKILL, SIGTERM and SIGINT alternately, at a random moment of a random
epoch; the last one ends by itself. Then weights, optimizer, seeds and the curve must be
those of a training that was never killed, bit for bit. A backup is written every two
steps, so that many kills come while one is written. The line counts kills, runs and
files; each process is reported on standard error. The exit status is 1 if one failed.
"""

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

from benchmarks import command_line
from benchmarks.quality.killable_training import EPOCH
from keras_patchdpm.callbacks import _backups

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
KILLS_PER_RUN = 3


def main():
    """Kills as often as asked, writes the line."""
    parser = command_line.parser(__doc__, kills=15, seed=0)
    parser.add_argument("what", choices=("fit", "train"), help="call that is resumed")
    parser.add_argument("--epochs", type=int, default=40, help="of two steps each")
    options = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for line in kill_and_resume(options, pathlib.Path(folder)):
            command_line.progress(**line)
            lines.append(line)
    figures = {
        "kills": sum("signal" in line for line in lines),
        "resumes_that_failed": sum(line["resumed"] is False for line in lines),
        "runs": sum("identical" in line for line in lines),
        "bit_identical": sum(line.get("identical", False) for line in lines),
        "torn_files": sum(len(line["torn"]) for line in lines),
    }
    command_line.write(options, figures)
    bad = figures["resumes_that_failed"] + figures["torn_files"]
    return 0 if figures["runs"] == figures["bit_identical"] and not bad else 1


def kill_and_resume(options, root):
    """Yields a dict for each process that was killed or ended."""
    rng = random.Random(options.seed)
    seconds = run(options, root / "unbroken")["seconds"]
    kills, number = 0, 0
    while kills < options.kills:
        number += 1
        folder = root / f"run{number}"
        for part in range(KILLS_PER_RUN + 1):
            last = part == KILLS_PER_RUN or kills == options.kills
            name = SIGNALS[kills % len(SIGNALS)]
            kill = None if last else (rng, seconds / options.epochs, name)
            ended = run(options, folder, kill)
            good = ended["epoch"] is not None if ended["killed"] else ended["rc"] == 0
            line = {"run": number, "resumed": good if part else None}
            line["torn"] = torn(folder)
            if ended["killed"]:
                kills += 1
                line |= {"signal": name.name, "epoch": ended["epoch"]}
                line["left"] = ended["left"]
            else:
                line["identical"] = same(folder, root / "unbroken")
            if not good:
                line["error"] = ended["error"][-500:]
            yield line
            if not ended["killed"]:
                break


def run(options, folder, kill=None):
    """One process, killed if `kill` is `(generator, seconds of an epoch, signal)`."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.quality.killable_training"]
    command += [options.what, str(folder), str(options.epochs)]
    with open(folder / "errors.txt", "w+") as errors:
        process = subprocess.Popen(
            command,
            cwd=command_line.ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        epochs = (
            int(line.removeprefix(EPOCH))
            for line in process.stdout
            if line.startswith(EPOCH)
        )
        epoch = next(epochs, None)  # The first one of this process.
        start = time.monotonic()
        if kill is not None and epoch is not None:
            rng, seconds, name = kill
            chosen = rng.randrange(epoch, options.epochs)
            while epoch is not None and epoch < chosen:
                epoch = next(epochs, None)
            time.sleep(rng.uniform(0, 1.5 * seconds))
            if process.poll() is None:
                process.send_signal(name)
        for _ in epochs:
            pass
        process.wait()
        process.stdout.close()
        errors.seek(0)
        error = errors.read()
    stopped = kill is not None and process.returncode != 0
    obeyed = stopped and process.returncode == -kill[2] or "KeyboardInterrupt" in error
    return {
        "epoch": epoch,
        "killed": stopped and obeyed,
        "seconds": time.monotonic() - start,
        "rc": process.returncode,
        "left": sorted(path.name for path in (folder / "backup").glob("*")),
        "error": error,
    }


def torn(folder):
    """The files under their final names that are not whole."""
    found = []
    for path in (folder / "backup").glob("epoch-*"):
        try:
            _backups._read(path, int(path.name.removeprefix("epoch-")))
        except (OSError, ValueError) as error:
            found.append(f"{path.name}: {error}")
    for path in [*folder.glob("*.json"), *folder.glob("preset/*.json")]:
        try:
            json.loads(path.read_text())
        except ValueError:
            found.append(path.name)
    curve = folder / "curve.csv"
    if curve.exists():
        rows = curve.read_text().split("\n")
        numbers = [row.split(",")[0] for row in rows]
        if numbers != ["epoch", *map(str, range(len(rows) - 2)), ""]:
            found.append(curve.name)
    return found


def same(folder, expected):
    """Whether two trainings have ended with the same bits."""
    if not (folder / "end.npz").exists():
        return False
    with np.load(folder / "end.npz") as one, np.load(expected / "end.npz") as other:
        arrays = one.files == other.files and all(
            np.array_equal(one[name], other[name]) for name in one.files
        )
    texts = [*expected.glob("curve.*"), *expected.glob("preset/config.json")]
    return arrays and all(
        path.read_bytes() == (folder / path.relative_to(expected)).read_bytes()
        for path in texts
    )


if __name__ == "__main__":
    sys.exit(main())
