"""How much a process grows that samples, trains and builds models again and again.

    KERAS_BACKEND=jax python benchmarks/leaks.py

One process, three parts: calls of a sampler, `fit`s of one step, and models that are
built, compiled and dropped. One line of JSON for each: the resident memory after a
tenth of the repetitions and after all of them, and the growth between them. What the
C library keeps for later is given back to the system first, where it can be.

Models that are also trained and dropped cost TensorFlow 37 MiB each, plain Keras models
as well: it keeps the graphs. Start a process for each training.
"""

import argparse
import ctypes
import gc
import json
import sys

import keras
import psutil

import keras_patchdpm as kp

SIZE = 16
IMAGES = kp.datasets.synthetic_scenes(8, SIZE)


def main():
    """Runs the three parts, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplings", type=int, default=300)
    parser.add_argument("--fits", type=int, default=300)
    parser.add_argument("--models", type=int, default=50)
    options = parser.parse_args()
    model = new_model()
    sampler = kp.PatchSampler(model, "ddim", 2)
    report("sampler calls", options.samplings, lambda: sampler(2))
    report("fits of one step", options.fits, lambda: fit(model))
    report("models", options.models, drop_model)


def new_model():
    """A small cascade, compiled."""
    patching = kp.CascadePatching(2)
    network = kp.networks.unet(SIZE, patching, width=16, multipliers=(1,))
    model = kp.PatchDPM(network, kp.DDPMSchedule(), patching)
    model.compile(optimizer=keras.optimizers.Adam(1e-4, use_ema=True))
    return model


def drop_model():
    """Builds a model and drops it; Python frees it when it collects cycles."""
    new_model()
    gc.collect()


def fit(model):
    """One step of training."""
    model.fit(IMAGES, batch_size=len(IMAGES), verbose=0)


def report(part, count, work):
    """Repeats `work` and prints how memory grew."""
    first = max(count // 10, 1)
    memory = []
    for number in range(count):
        work()
        if number + 1 in (first, count):
            memory.append(resident())
    line = {
        "benchmark": "leaks",
        "backend": keras.backend.backend(),
        "part": part,
        "count": count,
        "after_a_tenth_mib": round(memory[0] / 2**20, 1),
        "after_all_mib": round(memory[-1] / 2**20, 1),
        "growth_percent": round(100 * (memory[-1] / memory[0] - 1), 2),
    }
    print(json.dumps(line), flush=True)


def resident():
    """Bytes of this process in memory, after what is not used was freed."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    main()
