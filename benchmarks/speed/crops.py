"""How many more images a second training sees on random crops: Patch Diffusion's claim.

    KERAS_BACKEND=tensorflow python benchmarks/crops.py

The same network, the same `batch_size`, an epoch of whole images and one of crops in
turn, several rounds. Images are counted as the paper counts them: each crop is one. One
line of JSON: the median of the ratio, round by round, with the lowest and the highest.
"""

import argparse
import json
import time

import keras
import numpy as np
from spread import spread

import keras_patchdpm as kp


def main():
    """Trains both in turn, prints the ratio."""
    options = _options()
    size, count = options.image_size, options.batch * options.steps
    draws = np.random.default_rng(0)
    images = draws.integers(0, 256, (count, size, size, 3), dtype="uint8")
    contestants = {
        "whole": kp.RandomPatching(size, (1.0,)),
        "crops": kp.RandomPatching(size, content=options.content),
    }
    models = {name: _model(options, each) for name, each in contestants.items()}
    for name, model in models.items():
        for epoch in range(2):  # Every size is compiled.
            _images_a_second(model, images, options.batch, epoch)
        print(f"{name} is warm", flush=True)
    ratios = []
    for number in range(options.rounds):
        speeds = [
            _images_a_second(model, images, options.batch, 2 + number)
            for model in models.values()
        ]
        ratios.append(speeds[1] / speeds[0])
    line = {
        "benchmark": "crops",
        "backend": keras.backend.backend(),
        "content": options.content,
        "image_size": size,
        "batch": options.batch,
        "width": options.width,
        **spread("ratio", ratios),
    }
    print(json.dumps(line))


def _model(options, patching):
    schedule = kp.EDMSchedule()
    network = kp.networks.unet(
        options.image_size, patching, width=options.width, schedule=schedule
    )
    model = kp.PatchDPM(network, schedule, patching)
    model.compile(keras.optimizers.Adam(1e-4))
    return model


def _images_a_second(model, images, batch, epoch):
    """Of one epoch, crops counted as images."""
    plan = model.patching.batches(images, batch, model.seed)
    multipliers = np.array(model.patching.batch_multipliers)
    seen = batch * multipliers[plan.sizes(epoch)].sum()
    clock = _Clock()
    model.fit(
        images,
        batch_size=batch,
        initial_epoch=epoch,
        epochs=epoch + 1,
        verbose=0,
        callbacks=[clock],
    )
    return seen / clock.seconds


class _Clock(keras.callbacks.Callback):
    """The time of an epoch: `fit` itself takes longer, to start and to clean up."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--content", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
