"""The memory of sampling and of training, by the size of the images and N.

    KERAS_BACKEND=jax python -m benchmarks.memory.by_size --image-size 256 512 1024

A U-Net without attention, whose memory would grow with the square of the pixels. For
each size and N there is a line: bytes of a network call on one patch of each of `batch`
images, and of a training step with Adam, weights included. JAX only compiles them, so
that they need not fit this machine.
"""

import keras

import keras_patchdpm as kp
from benchmarks import command_line, measuring


def main():
    """Measures every pair, writes a line for each."""
    parser = command_line.parser(
        __doc__, image_size=[256, 512, 1024], n=[1, 2, 4, 8], width=64, stem=2, batch=8
    )
    options = parser.parse_args()
    for size in options.image_size:
        for n in options.n:
            model = measuring.build_model(
                f"grid{n}",
                size,
                width=options.width,
                stem=options.stem,
                attention_depths=(),
            )
            model.compile(optimizer=keras.optimizers.Adam())
            figures = {"image_size": size, "n": n}
            for name, training in (("sampling", False), ("training", True)):
                report = kp.memory.profile(
                    model, options.batch, training=training, timed=False
                )
                figures[name] = report.peak
            command_line.write(options, {**figures, "method": report.measured.method})
            keras.utils.clear_session()


if __name__ == "__main__":
    main()
