"""How good the solvers are with few steps, with each spacing.

    KERAS_BACKEND=jax python -m benchmarks.quality.solvers
    KERAS_BACKEND=jax python -m benchmarks.quality.solvers --preset faces128 \
        --spacings karras trailing

Without a preset, on normally distributed pixels of deviation 0.3 and 0.05 (fine
detail), computed exactly, a line for each solver, schedule and spacing: the deviation
of the result over the true one, and the error of the mean. With `--preset` on a trained
model, a line for each solver, spacing and number of steps: the RMSE (of 255) to a
converged run from the same noise, which is meaningful for solvers without noise alone,
and `grain`, the difference between neighbouring pixels over that after 200 ancestral
steps.
"""

import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from benchmarks.quality.gaussians import propagate
from keras_patchdpm.schedules.spacings import SPACINGS
from keras_patchdpm.solvers import NAMES, as_solver

STDS = (0.3, 0.05)


def main():
    """Writes the lines that the arguments ask for."""
    parser = command_line.parser(
        __doc__, steps=[10, 20, 50], images=4, patches_per_call=9
    )
    add = parser.add_argument
    add("--solvers", nargs="+", choices=NAMES, default=list(NAMES), help="by name")
    add("--spacings", nargs="+", choices=SPACINGS, default=SPACINGS, help="by name")
    add("--preset", help="of a DDPM schedule")
    options = parser.parse_args()
    if not options.preset:  # Nothing is sampled.
        options.images = options.patches_per_call = None
    for figures in on_preset(options) if options.preset else on_gaussians(options):
        command_line.write(options, figures)


def on_gaussians(options):
    """Yields the figures of each solver, schedule and spacing."""
    schedules = {name: kp.DDPMSchedule(name) for name in ("cosine", "linear")}
    for solver in options.solvers:
        for name, schedule in schedules.items():
            for spacing in options.spacings:
                setting = {"solver": solver, "schedule": name, "spacing": spacing}
                yield setting | deviations(setting, schedule, options.steps)
        setting = {"solver": solver, "schedule": "EDM", "spacing": "karras"}
        yield setting | deviations(setting, kp.EDMSchedule(), options.steps)


def deviations(setting, schedule, counts):
    """What a solver ends with after each of several numbers of steps: a dict."""
    found = {}
    for steps in counts:
        levels = schedule.levels(steps, setting["spacing"])
        for std in STDS:
            mean, deviation = propagate(levels, as_solver(setting["solver"]), std=std)
            found[f"std_{std}_at_{steps}"] = round(deviation / std, 3)
        found[f"mean_error_at_{steps}"] = round(mean - 0.2, 4)
    return found


def on_preset(options):
    """Yields the figures of each solver, spacing and number of steps."""
    model = kp.PatchDPM.from_preset(options.preset)

    def images(solver, steps, spacing):
        sampler = measuring.build_sampler(
            model,
            solver,
            steps,
            patches_per_call=options.patches_per_call,
            spacing=spacing,
        )
        return sampler(options.images, seed=3, dtype="float32")

    converged = images("dpmpp_2m", 200, "karras")
    grain = step_between_pixels(images("ddpm", 200, "karras"))
    for solver in options.solvers:
        for spacing in options.spacings:
            for steps in options.steps:
                found = images(solver, steps, spacing)
                calls = 2 * steps - 1 if solver == "heun" else steps
                rmse = np.sqrt(np.mean((found - converged) ** 2)) * 127.5
                yield {
                    "solver": solver,
                    "spacing": spacing,
                    "steps": steps,
                    "calls": calls,
                    "rmse": round(float(rmse), 2),
                    "grain": round(float(step_between_pixels(found) / grain), 3),
                }


def step_between_pixels(images):
    """Mean absolute difference of neighbouring pixels, across and down."""
    return (
        np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean()
    ) / 2


if __name__ == "__main__":
    main()
