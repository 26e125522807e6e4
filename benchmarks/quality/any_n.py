"""One model, any number of patches: how good its images are at N = 1, 2, 4.

    KERAS_BACKEND=tensorflow python -m benchmarks.quality.any_n --minutes 8
    KERAS_BACKEND=tensorflow python -m benchmarks.quality.any_n --minutes 8 --plain

Synthetic scenes of 32 x 32 pixels. One training, then a line for each N: the Frechet
distance of the samples to held-out scenes in simple features, the pixels pooled to
8 x 8, and that of as many training scenes as a reference value. `--plain` trains
without content and coordinates.
"""

import pathlib
import time

import keras
import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from keras_patchdpm.datasets.picture import save_images

SIZE = 32


def main():
    """Trains, samples, writes the lines."""
    parser = command_line.parser(__doc__, n=[1, 2, 4], batch=32, width=32, steps=12)
    add = parser.add_argument
    add("--minutes", type=float, default=8, help="of training")
    add("--samples", type=int, default=500, help="at each N, and held-out scenes")
    add("--plain", action="store_true", help="no content and no coordinates")
    add("--out", type=pathlib.Path, help="folder for pictures of the samples")
    options = parser.parse_args()
    scenes = kp.datasets.synthetic_scenes(8192 + options.samples, image_size=SIZE)
    train, held = scenes[:8192], scenes[8192:]
    model = build(options)
    history = model.fit(
        train,
        batch_size=options.batch,
        epochs=10_000,
        verbose=0,
        callbacks=[StopAfter(options.minutes)],
    )
    reference = frechet_distance(train[: options.samples], held)
    for n in options.n:
        sampler = measuring.build_sampler(
            model.tiled(n, shift=n > 1), "heun", options.steps
        )
        with model.ema_weights():
            samples = sampler(options.samples, batch_size=100)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            save_images(samples[:64], options.out / f"n{n}.png")
        figures = {
            "n": n,
            "frechet": round(frechet_distance(samples, held), 4),
            "reference": round(reference, 4),
            "training_steps": int(model.optimizer.iterations),
            "loss": round(history.history["loss"][-1], 4),
        }
        command_line.write(options, figures)


def build(options):
    """A model of crops, compiled."""
    patching = kp.RandomPatching(
        SIZE, content=not options.plain, coordinates=not options.plain
    )
    model = measuring.build_model(
        patching,
        SIZE,
        schedule=kp.EDMSchedule(),
        width=options.width,
        multipliers=(1, 2),
        blocks_per_depth=1,
        stem=2,
    )
    rate = keras.optimizers.schedules.CosineDecay(  # Rises, then stays.
        0.0, 1, alpha=1.0, warmup_target=1.5e-3, warmup_steps=150
    )
    model.compile(keras.optimizers.Adam(rate, use_ema=True, ema_momentum=0.995))
    return model


def frechet_distance(images, others):
    """The distance between normal distributions fitted to both, pooled to 8 x 8.

    Source: Heusel et al. 2017 (arXiv:1706.08500), equation 6.
    """
    (mean, cov), (other_mean, other_cov) = map(moments, (images, others))
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.linalg.eigvalsh(root @ other_cov @ root)
    cross = np.sqrt(np.maximum(shared, 0)).sum()
    traces = np.trace(cov) + np.trace(other_cov)
    return float(((mean - other_mean) ** 2).sum() + traces - 2 * cross)


def moments(images):
    """Mean and covariance of the pixels of images pooled to 8 x 8."""
    side = SIZE // 8
    x = images.astype("float64") / 127.5 - 1
    x = x.reshape(-1, 8, side, 8, side, 3).mean((2, 4)).reshape(len(x), -1)
    return x.mean(0), np.cov(x, rowvar=False)


class StopAfter(keras.callbacks.Callback):
    """Ends training after some minutes."""

    def __init__(self, minutes):
        super().__init__()
        self.seconds = 60 * minutes

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self.start > self.seconds:
            self.model.stop_training = True


if __name__ == "__main__":
    main()
