"""One model, any number of patches: how good its images are at N = 1, 2, 4.

    KERAS_BACKEND=tensorflow python benchmarks/any_n.py --minutes 8 --out runs/any-n
    KERAS_BACKEND=tensorflow python benchmarks/any_n.py --minutes 8 --plain

Synthetic scenes of 32 x 32 pixels. A line of JSON for each N: the Frechet distance of
the samples to held-out scenes in simple features, the pixels pooled to 8 x 8, and that
of as many training scenes as a floor. `--plain` trains without content and coordinates.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np

import keras_patchdpm as kp
from keras_patchdpm.datasets.picture import save_images

SIZE = 32


def main():
    """Trains, samples, prints."""
    options = _options()
    scenes = kp.datasets.synthetic_scenes(8192 + options.samples, image_size=SIZE)
    train, held = scenes[:8192], scenes[8192:]
    schedule = kp.EDMSchedule()
    patching = kp.RandomPatching(
        SIZE, content=not options.plain, coordinates=not options.plain
    )
    network = kp.networks.unet(
        SIZE,
        patching,
        width=options.width,
        multipliers=(1, 2),
        blocks_per_level=1,
        stem=2,
        schedule=schedule,
    )
    model = kp.PatchDPM(network, schedule, patching)
    rate = keras.optimizers.schedules.CosineDecay(  # Rises, and then stays.
        0.0, 1, alpha=1.0, warmup_target=1.5e-3, warmup_steps=150
    )
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.995))
    history = model.fit(
        train,
        batch_size=options.batch,
        epochs=10_000,
        verbose=0,
        callbacks=[_StopAfter(options.minutes)],
    )
    floor = frechet_distance(train[: options.samples], held)
    for n in options.n:
        sampler = kp.PatchSampler(
            model, "heun", options.steps, divisions=n, moving=n > 1
        )
        with model.ema_weights():
            samples = sampler(options.samples, batch_size=100)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            save_images(samples[:64], options.out / f"n{n}.png")
        line = {
            "benchmark": "any_n",
            "backend": keras.backend.backend(),
            "plain": options.plain,
            "n": n,
            "frechet": round(frechet_distance(samples, held), 4),
            "floor": round(floor, 4),
            "training_steps": int(model.optimizer.iterations),
            "loss": round(history.history["loss"][-1], 4),
        }
        print(json.dumps(line), flush=True)


def frechet_distance(images, others):
    """Between normal distributions fitted to both, of the images pooled to 8 x 8.

    Source: Heusel et al. 2017 (arXiv:1706.08500), equation 6.
    """
    (mean, cov), (other_mean, other_cov) = map(_moments, (images, others))
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.linalg.eigvalsh(root @ other_cov @ root)
    cross = np.sqrt(np.maximum(shared, 0)).sum()
    traces = np.trace(cov) + np.trace(other_cov)
    return float(((mean - other_mean) ** 2).sum() + traces - 2 * cross)


def _moments(images):
    side = SIZE // 8
    x = images.astype("float64") / 127.5 - 1
    x = x.reshape(-1, 8, side, 8, side, 3).mean((2, 4)).reshape(len(x), -1)
    return x.mean(0), np.cov(x, rowvar=False)


class _StopAfter(keras.callbacks.Callback):
    """Ends training after some minutes."""

    def __init__(self, minutes):
        super().__init__()
        self.seconds = 60 * minutes

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self.start > self.seconds:
            self.model.stop_training = True


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--n", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--out", type=pathlib.Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
