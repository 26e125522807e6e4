"""Kills samplings that write a checkpoint, damages checkpoints, shares them.

    KERAS_BACKEND=torch python benchmarks/kill_sampling.py --kills 40

A sampling of a small cascade with random weights is started in a process, which saves
after every step, and is killed at a random moment by SIGKILL, SIGTERM or SIGINT. The
same call then resumes from the checkpoint, and its images are compared, bit for bit,
with those of an unbroken run. Then a checkpoint is cut at 50 places and 50 of its bits
are flipped: each must be refused with a message that names the file. Last, two
processes sample with one checkpoint at the same time, `--pairs` times.

Prints one line of JSON for each try and a summary; the exit status is 1 if one failed.
"""

import argparse
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import keras_patchdpm as kp  # Before Keras, for which it picks the backend.

# isort: split
import keras
import numpy as np

from keras_patchdpm.samplers import checkpoint

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
READY = "sampling"  # What a process prints after each step, when all is compiled.
SAMPLING = {"num_images": 3, "seed": 7, "batch_size": 2}
RULES = ("ddim", "ddpm", "dpmpp_2m", "heun")
STEPS = 60


def make_model():
    """A small cascade, the same in every process."""
    patching = kp.CascadePatching(2)
    network = kp.networks.unet(16, patching, width=8, multipliers=(1,))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.1, weight.shape).astype("float32"))
    schedule = kp.DDPMSchedule("linear", prediction="velocity")
    return kp.PatchDPM(network, schedule, patching)


def sampler_of(model, rule):
    """How the model is sampled here."""
    return kp.PatchSampler(model, rule, STEPS, patches_per_call=9)


def run_child(rule, path, out):
    """Samples with a checkpoint, saving after every step; what a process runs."""
    checkpoint.SECONDS = 0.0

    def say(step, clean):
        print(READY, flush=True)

    sampler = sampler_of(make_model(), rule)
    np.save(out, sampler(**SAMPLING, checkpoint=path, callback=say))


def start(rule, path, out):
    """A process that samples."""
    command = [sys.executable, __file__, "--child", rule, str(path), str(out)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start_and_wait(rule, path, out):
    """A process that samples, when its first step is done."""
    process = start(rule, path, out)
    for line in process.stdout:
        if line.strip() == READY:
            return process
    raise RuntimeError(process.stderr.read())


def kill(number, folder, rng, model, expected, seconds):
    """One killed sampling, and the one that resumes from it."""
    rule = RULES[number % len(RULES)]
    name = SIGNALS[number % len(SIGNALS)]
    path, out = folder / f"{number}.npz", folder / f"{number}.npy"
    process = start_and_wait(rule, path, out)
    moment = rng.uniform(0, seconds[rule])
    time.sleep(moment)
    process.send_signal(getattr(signal, name))
    process.communicate()
    tried = {"test": "kill", "signal": name, "rule": rule, "seconds": round(moment, 3)}
    tried |= {"saved": path.exists(), "finished": out.exists()}
    asked = []
    images = sampler_of(model, rule)(
        **SAMPLING, checkpoint=path, callback=lambda step, clean: asked.append(step)
    )
    tried["steps_left"] = len(asked)
    return {**tried, "ok": np.array_equal(images, expected[rule])}


def damage(count, folder, rng, model, expected):
    """Yields what became of checkpoints that were cut, or a bit of them flipped."""
    rule, path = RULES[0], folder / "damaged.npz"
    steps = []

    def stop(step, clean):
        steps.append(step)
        if len(steps) == 3 * STEPS:
            raise KeyboardInterrupt

    try:
        sampler_of(model, rule)(**SAMPLING, checkpoint=path, callback=stop)
    except KeyboardInterrupt:
        whole = path.read_bytes()
    sampler = sampler_of(model, rule)
    for number in range(2 * count):
        content = bytearray(whole)
        if number < count:
            place = rng.randrange(len(whole))
            content = content[:place]
        else:
            place = rng.randrange(8 * len(whole))
            content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        tried = {"test": "cut" if number < count else "flip", "place": place}
        try:
            images = sampler(**SAMPLING, checkpoint=path)
            tried |= {"refused": False, "ok": np.array_equal(images, expected[rule])}
        except ValueError as error:
            message = f"{path} is damaged, or is no checkpoint of a sampling"
            tried |= {"refused": True, "ok": str(error).startswith(message)}
        yield tried


def share(number, folder, expected):
    """Two processes with one checkpoint."""
    rule = RULES[number % len(RULES)]
    path = folder / f"shared-{number}.npz"
    outs = [folder / f"shared-{number}-{which}.npy" for which in range(2)]
    processes = [start(rule, path, out) for out in outs]
    errors = [process.communicate()[1] for process in processes]
    same = [
        out.exists() and np.array_equal(np.load(out), expected[rule]) for out in outs
    ]
    left = [path.name for path in folder.glob(".*.part")]
    tried = {"test": "share", "rule": rule, "left": left}
    if not all(same):
        tried["errors"] = errors
    return {**tried, "ok": all(same) and not left}


def main(options):
    """Runs all, and prints."""
    rng, results, model = random.Random(options.seed), [], make_model()
    expected = {rule: sampler_of(model, rule)(**SAMPLING) for rule in RULES}

    def report(result):
        results.append(result)
        print(json.dumps({"backend": keras.backend.backend(), **result}), flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        seconds = {}
        for rule in RULES:
            process = start_and_wait(
                rule, folder / f"{rule}.npz", folder / f"{rule}.npy"
            )
            begun = time.perf_counter()
            process.communicate()
            seconds[rule] = time.perf_counter() - begun
        number = hits = 0
        while hits < options.kills:  # One that comes after the end does not count.
            result = kill(number, folder, rng, model, expected, seconds)
            report(result)
            number, hits = number + 1, hits + (not result["finished"])
        for result in damage(options.damages, folder, rng, model, expected):
            report(result)
        for number in range(options.pairs):
            report(share(number, folder, expected))
    tests = sorted({result["test"] for result in results})
    summary = {
        test: f"{sum(r['ok'] for r in results if r['test'] == test)} of "
        f"{sum(r['test'] == test for r in results)}"
        for test in tests
    }
    print(json.dumps({"backend": keras.backend.backend(), "right": summary}))
    return 0 if all(result["ok"] for result in results) else 1


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--damages", type=int, default=50, help="of each kind")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--child", nargs=3, help="rule, checkpoint, file of the images")
    return parser.parse_args()


if __name__ == "__main__":
    given = _options()
    sys.exit(run_child(*given.child) if given.child else main(given))
