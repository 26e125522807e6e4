"""The memory of a training step at one N.

    KERAS_BACKEND=jax python -m benchmarks.memory.training_memory --patching grid4

The U-Net of the shipped models, trained with Adam and averaged weights: bytes of the
weights, of the optimizer's variables, and of activations with gradients. With
`--budget 8GB` the line also has the largest batch that fits.
"""

import keras

import keras_patchdpm as kp
from benchmarks import command_line, measuring


def main():
    """Measures, writes the line."""
    parser = command_line.parser(__doc__, image_size=128, width=64, batch=4)
    add = parser.add_argument
    add("--patching", default="grid2", help="kind and N: whole, grid4, cascade4")
    add("--budget", help="plan the largest batch for this much memory")
    add("--timed", action="store_true", help="time the step as well")
    options = parser.parse_args()
    model = measuring.build_model(
        options.patching, options.image_size, width=options.width, stem=2
    )
    model.compile(optimizer=keras.optimizers.Adam(use_ema=True))
    report = kp.memory.profile(model, options.batch, training=True, timed=options.timed)
    figures = {
        "weights": report.weights,
        "optimizer": report.optimizer,
        "activations": report.activations,
        "peak": report.peak,
        "seconds": report.seconds,
        "method": report.measured.method,
    }
    if options.budget:
        plan = kp.memory.plan(model, options.budget, training=True, verbose=1)
        figures |= {"batch_in_budget": plan.batch_size, "peak_in_budget": plan.peak}
    command_line.write(options, figures)


if __name__ == "__main__":
    main()
