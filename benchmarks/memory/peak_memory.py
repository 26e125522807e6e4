"""The peak memory of one network call at one N, as in table 2 of Arakawa et al.

    KERAS_BACKEND=jax python -m benchmarks.memory.peak_memory --n 4 --batch 64 --untimed

The authors' network at their size, measured in a subprocess: bytes of weights and of
activations, and the seconds of a step, which is `N * N` calls. `--untimed` leaves the
seconds out; JAX then only compiles. `--storage float16` holds the weights in half the
memory, `--storage int8` in about a quarter.
"""

import keras_patchdpm as kp
from benchmarks import command_line
from keras_patchdpm.models._precision import STORAGES, precision
from keras_patchdpm.networks.int8 import with_int8_kernels


def main():
    """Measures, writes the line."""
    parser = command_line.parser(__doc__, n=1, image_size=128, width=128, batch=1)
    parser.add_argument("--untimed", action="store_true", help="measure memory alone")
    parser.add_argument("--storage", choices=STORAGES, help="type of the weights")
    options = parser.parse_args()
    n = options.n
    with precision(None, options.storage):
        network = kp.networks.arakawa_unet(options.image_size, n, dim=options.width)
        if options.storage == "int8":
            network = with_int8_kernels(network)
    report = kp.memory.profile(
        network,
        batch_size=options.batch,
        divisions=n,
        isolated=True,
        timed=not options.untimed,
    )
    figures = {
        "weights": report.weights,
        "activations": report.activations,
        "peak": report.peak,
        "seconds_per_step": report.seconds and round(report.seconds * n * n, 3),
        "method": report.measured.method,
        "library": report.measured.library,
    }
    command_line.write(options, figures)


if __name__ == "__main__":
    main()
