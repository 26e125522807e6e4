"""How many more images a second training sees on random crops: Patch Diffusion's claim.

    KERAS_BACKEND=tensorflow python -m benchmarks.speed.crops

The same network and the same `batch_size`, an epoch of whole images and one of crops
alternately, several rounds. Images are counted as Wang et al. count them: each crop is
one. The line has the median of the ratio, round by round, with the lowest and the
highest.
"""

import itertools
import time

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring


def main():
    """Trains both alternately, writes the ratio."""
    parser = command_line.parser(__doc__, image_size=64, batch=8, width=32, rounds=5)
    parser.add_argument("--steps", type=int, default=40, help="of an epoch")
    parser.add_argument("--content", action="store_true", help="crops have it as input")
    options = parser.parse_args()
    size, count = options.image_size, options.batch * options.steps
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, size, size, 3), dtype="uint8")
    patchings = {
        "whole": kp.RandomPatching(size, (1.0,)),
        "crops": kp.RandomPatching(size, content=options.content),
    }
    measures = {
        name: images_a_second(build(options, patching), images, options.batch)
        for name, patching in patchings.items()
    }
    for name, measure in measures.items():
        measuring.alternately({name: measure}, 2)  # Every size is compiled.
        command_line.progress(warm=name)
    found = measuring.alternately(measures, options.rounds)
    ratios = measuring.ratios(found["crops"], found["whole"])
    command_line.write(options, measuring.spread("ratio", ratios))


def build(options, patching):
    """A model of crops, compiled."""
    model = measuring.build_model(
        patching,
        options.image_size,
        schedule=kp.EDMSchedule(),
        width=options.width,
    )
    model.compile(keras.optimizers.Adam(1e-4))
    return model


def images_a_second(model, images, batch):
    """A function that trains one more epoch and returns the images it saw a second."""
    plan = model.patching.batches(images, batch, model.seed)
    multipliers = np.array(model.patching.batch_multipliers)
    epochs, clock = itertools.count(), Clock()

    def measure():
        epoch = next(epochs)
        model.fit(
            images,
            batch_size=batch,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            callbacks=[clock],
        )
        return batch * multipliers[plan.sizes(epoch)].sum() / clock.seconds

    return measure


class Clock(keras.callbacks.Callback):
    """The time of an epoch: `fit` itself takes longer, to start and to clean up."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start


if __name__ == "__main__":
    main()
