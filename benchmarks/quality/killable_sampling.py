"""One sampling with a checkpoint, in a process that `kill_sampling.py` may kill.

    KERAS_BACKEND=jax python -m benchmarks.quality.killable_sampling ddim a.npz a.npy

The checkpoint, `a.npz`, is saved after every step; the images are written to `a.npy`.
"""

import sys

import numpy as np

import keras_patchdpm as kp
from benchmarks import measuring
from keras_patchdpm.samplers import checkpoint

READY = "sampling"  # Printed after each step, so when all is compiled.
SAMPLING = {"num_images": 3, "seed": 7, "batch_size": 2}
STEPS = 60


def main():
    """Samples, writes the images."""
    solver, path, out = sys.argv[1:]
    checkpoint.SECONDS = 0.0
    sampler = sampler_of(build(), solver)
    images = sampler(
        **SAMPLING,
        checkpoint=path,
        callback=lambda step, clean: print(READY, flush=True),
    )
    np.save(out, images)


def build():
    """A small cascade, the same in every process."""
    schedule = kp.DDPMSchedule("linear", prediction="velocity")
    model = measuring.build_model(
        "cascade2", 16, schedule=schedule, width=8, multipliers=(1,)
    )
    measuring.randomize(model.network, 0.1)
    return model


def sampler_of(model, solver):
    """How the model is sampled here."""
    return measuring.build_sampler(model, solver, STEPS, patches_per_call=9)


if __name__ == "__main__":
    main()
