"""The time of a cascade's sampling over that of the original method.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python -m benchmarks.speed.cascade_cost

The same U-Net under `GridPatching` and `CascadePatching`, one patch of each image in a
call, alternately, several rounds; `always` shifts the cascade's grids in every step.
There is a line for each N and each cascade: the median of the ratios, the lowest, the
highest. `--n 4 --shift-below 0.55 0.3` is the cascade of `faces128`.
"""

import functools

import keras_patchdpm as kp
from benchmarks import command_line, measuring


def main():
    """Times the samplings, writes the ratios."""
    parser = command_line.parser(
        __doc__, n=[2, 4, 8], width=32, stem=2, images=4, steps=20, rounds=3
    )
    parser.add_argument("--patch", type=int, default=16, help="pixels per side")
    parser.add_argument(
        "--shift-below",
        type=float,
        nargs="+",
        help="one for each stage after the first (default: that of the package)",
    )
    options = parser.parse_args()
    chosen = {} if options.shift_below is None else {"shift_below": options.shift_below}
    for n in options.n:
        patchings = {
            "grid": kp.GridPatching(n),
            "cascade": kp.CascadePatching(n, **chosen),
            "always": kp.CascadePatching(n, shift_below=None),
        }
        measures = {
            name: functools.partial(measuring.seconds, sampling(patching, n, options))
            for name, patching in patchings.items()
        }
        measuring.alternately(measures, 1)  # Compiles all.
        seconds = measuring.alternately(measures, options.rounds)
        for name in ("cascade", "always"):
            ratios = measuring.ratios(seconds[name], seconds["grid"])
            figures = {"n": n, "patching": name, **measuring.spread("ratio", ratios)}
            command_line.write(options, figures)


def sampling(patching, n, options):
    """A function that samples images with a new model."""
    model = measuring.build_model(
        patching,
        n * options.patch,
        schedule=kp.DDPMSchedule(prediction="velocity"),
        width=options.width,
        stem=options.stem,
    )
    sampler = measuring.build_sampler(
        model, "dpmpp_2m", options.steps, spacing="trailing"
    )
    return functools.partial(sampler, options.images, batch_size=options.images)


if __name__ == "__main__":
    main()
