"""The memory of the whole process while it samples one large image.

    KERAS_BACKEND=torch python -m benchmarks.memory.large_image --image-size 2048 --n 16
    KERAS_BACKEND=jax python -m benchmarks.memory.large_image --n 1 --plan-only

The weights are random: they need the memory of trained ones. With `--plan-only` nothing
is sampled: the line has what one call of the network needs above its weights. JAX reads
that from the compiler's plan, so the memory itself need not be there.
"""

import resource

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from benchmarks.measuring import megabytes


def main():
    """Samples, reads the highest memory of the process, writes the line."""
    parser = command_line.parser(__doc__, image_size=2048, n=16, width=32, steps=2)
    parser.add_argument("--plan-only", action="store_true", help="sample nothing")
    options = parser.parse_args()
    model = measuring.build_model(
        f"grid{options.n}",
        options.image_size,
        schedule=kp.DDPMSchedule(prediction="velocity"),
        width=options.width,
        attention_depths=(),  # The matrix of attention would be of terabytes at N = 1.
    )
    measuring.randomize(model.network, 0.05)
    figures = {"before_mb": highest_memory()}
    if options.plan_only:
        report = kp.memory.profile(model, timed=False)
        figures["weights_mb"] = megabytes(report.weights)
        figures["activations_mb"] = megabytes(report.activations)
    else:
        sampler = measuring.build_sampler(model, "ddim", options.steps)
        (image,), seconds = measuring.timed(lambda: sampler(1))
        figures["seconds"] = round(seconds, 1)
        figures["process_peak_mb"] = highest_memory()
        deviation = round(float(image.std()), 1)
        figures["image"] = [*image.shape, str(image.dtype), deviation]
    command_line.write(options, figures)


def highest_memory():
    """The highest resident memory of this process so far, in MB."""
    return megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
