"""One image too large for most, and the memory of the whole process that makes it.

    KERAS_BACKEND=torch python benchmarks/large_image.py --size 2048 --n 16

Random weights: the memory is that of trained ones. With `--plan-only` nothing is made:
the line tells what one call of the network takes above its weights (on JAX by the
compiler's plan, which needs no such memory), for instance at `--n 1`.
"""

import argparse
import json
import resource
import time

import keras
import numpy as np

import keras_patchdpm as kp


def main():
    """Samples, reads the process' highest memory, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--plan-only", action="store_true")
    options = parser.parse_args()
    patching = kp.GridPatching(options.n)
    # Without attention, whose matrix at N = 1 would be of terabytes.
    network = kp.networks.unet(
        options.size, patching, width=options.width, attention_levels=()
    )
    draws = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(draws.normal(0, 0.05, weight.shape))
    model = kp.PatchDPM(network, kp.DDPMSchedule(prediction="velocity"), patching)
    line = {
        "backend": keras.backend.backend(),
        "size": options.size,
        "n": options.n,
        "width": options.width,
        "before_mb": _megabytes(),
    }
    if options.plan_only:
        report = kp.memory.profile(model, timed=False)
        line["weights_mb"] = round(report.weights / 1e6, 1)
        line["activations_mb"] = round(report.activations / 1e6, 1)
    else:
        start = time.perf_counter()
        (image,) = kp.PatchSampler(model, "ddim", options.steps)(1)
        line["steps"] = options.steps
        line["seconds"] = round(time.perf_counter() - start, 1)
        line["process_peak_mb"] = _megabytes()
        line["image"] = [*image.shape, str(image.dtype), round(float(image.std()), 1)]
    print(json.dumps(line))


def _megabytes():
    """The highest resident memory of this process so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


if __name__ == "__main__":
    main()
