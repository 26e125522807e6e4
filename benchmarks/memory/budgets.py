"""A memory budget, the peak that the plan predicts for it, and the peak measured.

    KERAS_BACKEND=jax python -m benchmarks.memory.budgets --part 4

The budget is the weights and a part of what sampling without a budget needs above them:
with `--part 4` a quarter. `error` is that of the prediction, of the whole peak and of
the activations alone.
"""

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from benchmarks.measuring import megabytes


def main():
    """Plans, measures, writes the line."""
    parser = command_line.parser(__doc__, image_size=64, width=64, n=4, images=16)
    parser.add_argument("--part", type=int, default=2, help="2: half, 4: a quarter")
    options = parser.parse_args()
    model = measuring.build_model(
        f"grid{options.n}", options.image_size, width=options.width
    )
    free = kp.memory.plan(model, "1000GB", options.images)
    budget = free.weights + (free.peak - free.weights) // options.part
    plan = kp.memory.plan(model, budget, options.images)
    rows = plan.patches_per_call * plan.batch_size
    report = kp.memory.profile(model, batch_size=rows)
    measured = report.peak + plan.images
    figures = {
        "budget_mb": megabytes(budget),
        "patches_per_call": plan.patches_per_call,
        "batch_size": plan.batch_size,
        "predicted_mb": megabytes(plan.peak),
        "measured_mb": megabytes(measured),
        "error": round(plan.peak / measured - 1, 3),
        "error_of_activations": round(plan.activations / report.activations - 1, 3),
    }
    command_line.write(options, figures)


if __name__ == "__main__":
    main()
