"""The time of a compiled loop of training steps over the time of `fit`.

    KERAS_BACKEND=jax OMP_NUM_THREADS=1 python -m benchmarks.speed.fit_overhead

`fit` reads shuffled, mirrored batches from `ImageBatches`, as `train` does. The loop
has the images on the device, draws the same kind of batches there, and calls the step
of the model, compiled on JAX and TensorFlow. The host waits at the end alone. Both run
alternately, several rounds. The line has the median of the ratios, the lowest, the
highest: 1 means that `fit` costs nothing.
"""

import functools

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring


def main():
    """Times both, writes the line."""
    parser = command_line.parser(
        __doc__, image_size=64, width=32, stem=2, batch=32, steps=30, rounds=5
    )
    add = parser.add_argument
    add("--patching", default="cascade4", help="kind and N")
    add("--workers", type=int, default=2, help="threads that prepare batches")
    add("--images-on", choices=("device", "host"), help="as in `ImageBatches`")
    add("--steps-per-execution", type=int, default=1, help="as in `compile`")
    options = parser.parse_args()
    model = measuring.build_model(
        options.patching, options.image_size, width=options.width, stem=options.stem
    )
    model.compile(
        keras.optimizers.Adam(1e-4, use_ema=True),
        steps_per_execution=options.steps_per_execution,
    )
    images = kp.datasets.synthetic_scenes(8 * options.batch, options.image_size)
    batches = kp.datasets.ImageBatches(
        images,
        options.batch,
        steps=options.steps,
        workers=options.workers,
        images_on=options.images_on,
    )
    fit = functools.partial(model.fit, batches, verbose=0)
    fit()  # Builds the optimizer's variables.
    loop = LOOPS[keras.backend.backend()](model, images, options)
    measures = {
        "fit": functools.partial(measuring.seconds, fit),
        "loop": functools.partial(measuring.seconds, loop),
    }
    measuring.alternately(measures, 1)  # Compiles the loop.
    seconds = measuring.alternately(measures, options.rounds)
    ratios = measuring.ratios(seconds["loop"], seconds["fit"])
    second = float(np.median(seconds["fit"])) / options.steps
    figures = measuring.spread("loop_over_fit", ratios)
    command_line.write(options, {**figures, "seconds_of_a_step": round(second, 4)})


def drawn(images, options):
    """Which images each step has, and which of them are mirrored: two arrays."""
    rng = np.random.default_rng(0)
    shape = options.steps, options.batch
    return rng.integers(len(images), size=shape), rng.random(shape) < 0.5


def on_jax(model, images, options):
    """A function that takes all steps: on a CPU, one `lax.scan` would be slow."""
    import jax

    index, mirrored = map(jax.numpy.asarray, drawn(images, options))
    images = jax.numpy.asarray(images)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, images, index, mirrored):
        batch = images[index]
        batch = jax.numpy.where(mirrored[:, None, None, None], batch[:, :, ::-1], batch)
        return model.train_step(state, (batch,))[1]

    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )

    def run():
        state = tuple([variable.value for variable in group] for group in groups)
        state = jax.tree.map(jax.numpy.array, state)  # Copies: a step deletes its own.
        for each in zip(index, mirrored, strict=True):
            state = step(state, images, *each)
        jax.block_until_ready(state)

    return run


def on_tensorflow(model, images, options):
    """A function that takes all steps in one graph."""
    import tensorflow as tf

    index, mirrored = map(tf.constant, drawn(images, options))
    images = tf.constant(images)

    @tf.function(autograph=False)
    def loop():
        def step(number):
            batch = tf.gather(images, index[number])
            flip = mirrored[number][:, None, None, None]
            model.train_step((tf.where(flip, batch[:, :, ::-1], batch),))
            return (number + 1,)

        return tf.while_loop(lambda number: number < options.steps, step, (0,))

    return lambda: loop()[0].numpy()


def on_torch(model, images, options):
    """A function that takes all steps, one after another."""
    index, mirrored = map(keras.ops.convert_to_tensor, drawn(images, options))
    images = keras.ops.convert_to_tensor(images)

    def run():
        for chosen, flip in zip(index, mirrored, strict=True):
            batch = images[chosen]
            flip = flip[:, None, None, None]
            logs = model.train_step((keras.ops.where(flip, batch.flip(2), batch),))
        float(logs["loss"])

    return run


LOOPS = {"jax": on_jax, "tensorflow": on_tensorflow, "torch": on_torch}

if __name__ == "__main__":
    main()
