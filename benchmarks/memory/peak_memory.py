"""The paper's Table 2: the peak memory of one network call, for N = 1, 2, 4, 8.

    KERAS_BACKEND=jax python benchmarks/peak_memory.py --batch 64 --untimed

The authors' network at their size. A line of JSON for each N, measured in a process of
its own: bytes of weights and of activations, and the seconds of a step, which is
`N * N` calls. `--untimed` leaves those out; JAX then only compiles.
"""

import argparse
import json

import keras

import keras_patchdpm as kp


def main():
    """Measures for every N, prints."""
    options = _options()
    for n in options.n:
        network = kp.networks.arakawa_unet(options.image_size, n, options.dim)
        report = kp.memory.profile(
            network,
            batch_size=options.batch,
            divisions=n,
            isolated=True,
            timed=not options.untimed,
        )
        line = {
            "benchmark": "peak_memory",
            "backend": keras.backend.backend(),
            "dim": options.dim,
            "image_size": options.image_size,
            "batch": options.batch,
            "n": n,
            "weights": report.weights,
            "activations": report.activations,
            "peak": report.peak,
            "seconds_per_step": report.seconds and round(report.seconds * n * n, 3),
            "method": report.measured.method,
            "library": report.measured.library,
        }
        print(json.dumps(line), flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--n", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--untimed", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
