"""How good the solvers are at few steps, with each spacing: lines of JSON.

On normal pixels of deviation 0.3 and 0.05 (fine detail), followed exactly: the
deviation that comes out over the true one, and the error of the mean. With `--preset`
on a trained model: the RMSE (of 255) to a converged run from the same noise, which says
something of solvers without noise alone, and the steps between neighbouring pixels over
those of 200 ancestral steps:

    python benchmarks/solvers.py
    python benchmarks/solvers.py --preset faces128 --spacings karras trailing
"""

import argparse
import json

import numpy as np
from gaussians import propagate

import keras_patchdpm as kp
from keras_patchdpm.samplers.named_rules import RULES
from keras_patchdpm.schedules.spacings import SPACINGS

STDS = (0.3, 0.05)


def main():
    """Prints what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solvers", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--spacings", nargs="+", choices=SPACINGS, default=SPACINGS)
    parser.add_argument("--steps", nargs="+", type=int, default=[10, 20, 50])
    parser.add_argument("--preset", help="of a DDPM schedule")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--patches-per-call", type=int, default=9)
    options = parser.parse_args()
    for line in on_preset(options) if options.preset else on_gaussians(options):
        print(json.dumps(line), flush=True)


def on_gaussians(options):
    """A line for each solver, schedule and spacing."""
    schedules = {name: kp.DDPMSchedule(name) for name in ("cosine", "linear")}
    for solver in options.solvers:
        for name, schedule in schedules.items():
            for spacing in options.spacings:
                yield gaussian_line(solver, name, schedule, spacing, options.steps)
        yield gaussian_line(solver, "EDM", kp.EDMSchedule(), "karras", options.steps)


def gaussian_line(solver, name, schedule, spacing, counts):
    """One line, of several numbers of steps."""
    line = {"solver": solver, "schedule": name, "spacing": spacing}
    for steps in counts:
        levels = schedule.levels(steps, spacing)
        for std in STDS:
            mean, found = propagate(levels, RULES[solver], 0.2, std)
            line[f"std_{std}_at_{steps}"] = round(found / std, 3)
        line[f"mean_error_at_{steps}"] = round(mean - 0.2, 4)
    return line


def on_preset(options):
    """A line for each solver, spacing and number of steps."""
    model = kp.PatchDPM.from_preset(options.preset)

    def images(solver, steps, spacing):
        sampler = kp.PatchSampler(
            model, solver, steps, options.patches_per_call, spacing=spacing
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
                    "preset": options.preset,
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
