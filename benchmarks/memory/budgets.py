"""A memory budget, what the plan predicts for it, and what is measured.

    KERAS_BACKEND=jax python benchmarks/budgets.py

One line of JSON for each of five budgets: half of what sampling takes that knows no
budget, a quarter and so on. `error` is what the prediction is off by, of the peak and
of the activations alone.
"""

import argparse
import json

import keras

import keras_patchdpm as kp


def main():
    """Plans, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--images", type=int, default=16)
    options = parser.parse_args()
    patching = kp.GridPatching(options.n)
    network = kp.networks.unet(options.image_size, patching, width=options.width)
    model = kp.PatchDPM(network, kp.DDPMSchedule(), patching)
    free = kp.memory.plan(model, "1000GB", options.images)
    spare = free.peak - free.weights
    for part in (2, 4, 8, 16, 32):
        budget = free.weights + spare // part
        plan = kp.memory.plan(model, budget, options.images)
        rows = plan.patches_per_call * plan.batch_size
        report = kp.memory.profile(model, batch_size=rows)
        measured = report.peak + plan.images
        line = {
            "backend": keras.backend.backend(),
            "budget_mb": round(budget / 1e6, 1),
            "patches_per_call": plan.patches_per_call,
            "batch_size": plan.batch_size,
            "predicted_mb": round(plan.peak / 1e6, 1),
            "measured_mb": round(measured / 1e6, 1),
            "error": round(plan.peak / measured - 1, 3),
            "error_of_activations": round(plan.activations / report.activations - 1, 3),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
