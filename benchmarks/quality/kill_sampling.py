"""Kills samplings that write a checkpoint, damages checkpoints, shares them.

    KERAS_BACKEND=torch python -m benchmarks.quality.kill_sampling --kills 40

A process samples a small cascade with random weights, saves after every step
(`killable_sampling.py`), and is killed at a random moment by SIGKILL, SIGTERM or
SIGINT. The same call then resumes from the checkpoint, and its images are compared, bit
for bit, with those of an unbroken run. Then a checkpoint is cut at 50 places, and 50 of
its bits are flipped: each must be refused with a message that names the file. Last, two
processes sample with one checkpoint at the same time, `--pairs` times.

The line counts what was right; each try is reported on standard error. The exit status
is 1 if one failed.
"""

import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks import command_line, measuring
from benchmarks.quality.killable_sampling import (
    READY,
    SAMPLING,
    STEPS,
    build,
    sampler_of,
)

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
SOLVERS = ("ddim", "ddpm", "dpmpp_2m", "heun")


def main():
    """Runs all three tests, writes the line."""
    parser = command_line.parser(__doc__, kills=40, seed=0)
    add = parser.add_argument
    add("--damages", type=int, default=50, help="of each kind")
    add("--pairs", type=int, default=10, help="processes that share a checkpoint")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        tries = Tries(pathlib.Path(folder), random.Random(options.seed))
        for result in tries.run(options):
            command_line.progress(**result)
            results.append(result)
    right = {}
    for test in ("kill", "cut", "flip", "share"):
        good = [result["ok"] for result in results if result["test"] == test]
        right[test] = f"{sum(good)} of {len(good)}"
    command_line.write(options, {"right": right})
    return 0 if all(result["ok"] for result in results) else 1


def start(solver, path, out):
    """A process that samples."""
    command = [sys.executable, "-m", "benchmarks.quality.killable_sampling"]
    command += [solver, str(path), str(out)]
    return subprocess.Popen(
        command,
        cwd=command_line.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_and_wait(solver, path, out):
    """A process that samples, after its first step."""
    process = start(solver, path, out)
    for line in process.stdout:
        if line.strip() == READY:
            return process
    raise RuntimeError(process.stderr.read())


class Tries:
    """The three tests; each method yields the result of each try, a dict."""

    def __init__(self, folder, rng):
        self.folder, self.rng, model = folder, rng, build()
        self.samplers = {solver: sampler_of(model, solver) for solver in SOLVERS}
        self.expected = {
            solver: sampler(**SAMPLING) for solver, sampler in self.samplers.items()
        }

    def run(self, options):
        """All of them."""
        seconds = {solver: self.seconds(solver) for solver in SOLVERS}
        number = hits = 0
        while hits < options.kills:  # One that comes after the end does not count.
            result = self.kill(number, seconds)
            yield result
            number, hits = number + 1, hits + (not result["finished"])
        yield from self.damage(options.damages)
        for number in range(options.pairs):
            yield self.share(number)

    def seconds(self, solver):
        """The time of a sampling in a process, from its first step to its end."""
        path, out = self.folder / f"{solver}.npz", self.folder / f"{solver}.npy"
        return measuring.seconds(start_and_wait(solver, path, out).communicate)

    def kill(self, number, seconds):
        """One killed sampling, and the one that resumes from it."""
        solver = SOLVERS[number % len(SOLVERS)]
        name = SIGNALS[number % len(SIGNALS)]
        path, out = self.folder / f"{number}.npz", self.folder / f"{number}.npy"
        process = start_and_wait(solver, path, out)
        moment = self.rng.uniform(0, seconds[solver])
        time.sleep(moment)
        process.send_signal(getattr(signal, name))
        process.communicate()
        result = {"test": "kill", "signal": name, "solver": solver}
        result |= {"seconds": round(moment, 3), "saved": path.exists()}
        result["finished"] = out.exists()
        steps = []
        images = self.samplers[solver](
            **SAMPLING, checkpoint=path, callback=lambda step, clean: steps.append(step)
        )
        same = np.array_equal(images, self.expected[solver])
        return {**result, "steps_left": len(steps), "ok": same}

    def damage(self, count):
        """Checkpoints that are cut, and others of which one bit is flipped."""
        sampler, expected = self.samplers[SOLVERS[0]], self.expected[SOLVERS[0]]
        path = self.folder / "damaged.npz"
        whole = unfinished(sampler, path)
        for number in range(2 * count):
            content, test = bytearray(whole), "cut" if number < count else "flip"
            if test == "cut":
                place = self.rng.randrange(len(whole))
                content = content[:place]
            else:
                place = self.rng.randrange(8 * len(whole))
                content[place // 8] ^= 1 << place % 8
            path.write_bytes(content)
            try:
                images = sampler(**SAMPLING, checkpoint=path)
                refused, good = False, np.array_equal(images, expected)
            except ValueError as error:
                message = f"{path} is damaged, or not a checkpoint of a sampling"
                refused, good = True, str(error).startswith(message)
            yield {"test": test, "place": place, "refused": refused, "ok": good}

    def share(self, number):
        """Two processes with one checkpoint."""
        solver = SOLVERS[number % len(SOLVERS)]
        path = self.folder / f"shared-{number}.npz"
        outs = [self.folder / f"shared-{number}-{which}.npy" for which in range(2)]
        processes = [start(solver, path, out) for out in outs]
        errors = [process.communicate()[1] for process in processes]
        same = all(
            out.exists() and np.array_equal(np.load(out), self.expected[solver])
            for out in outs
        )
        left = [path.name for path in self.folder.glob(".*.part")]
        result = {"test": "share", "solver": solver, "left": left}
        if not same:
            result["errors"] = errors
        return {**result, "ok": same and not left}


def unfinished(sampler, path):
    """The bytes of the checkpoint of a sampling that is interrupted."""
    steps = []

    def stop(step, clean):
        steps.append(step)
        if len(steps) == 3 * STEPS:
            raise KeyboardInterrupt

    try:
        sampler(**SAMPLING, checkpoint=path, callback=stop)
    except KeyboardInterrupt:
        return path.read_bytes()
    raise RuntimeError("The sampling has ended before it was interrupted.")


if __name__ == "__main__":
    sys.exit(main())
