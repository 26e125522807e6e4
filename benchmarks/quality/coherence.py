"""How well patches belong together: one method, one grid, one training.

    KERAS_BACKEND=torch python benchmarks/coherence.py --method moving --n 2 \
        --data train.npy --real validation.npy --out runs/moving-2

Trains `networks.unet` on as many pixels as every other method (`--megapixels`), in
steps of as many pixels, and goes on after a stop. Then it samples, and prints one line
of JSON. The samples are in `samples.npy` beside the weights, for a Frechet distance,
and in `samples.png`, to be looked at. Training and sampling may run on different
backends: `--samples 0` ends after training, and what is trained is not trained again.
"""

import argparse
import json
import math
import pathlib
import time

import keras
import numpy as np

import keras_patchdpm as kp
from keras_patchdpm.datasets.picture import save_images
from keras_patchdpm.training import TrainingSettings, train

GRID, CASCADE = {"name": "GridPatching"}, {"name": "CascadePatching"}
METHODS = {
    "paper": GRID,
    "halo": {**GRID, "halo": 4},
    "coordinates": {**GRID, "position": "coordinates"},
    "moving": {**GRID, "position": "coordinates", "moving": True},
    "cascade": {**CASCADE, "moving": False},
    "cascade_moving": CASCADE,
}
STEPS_PER_EPOCH = 100


def main():
    """Trains, samples, measures, prints."""
    options = _options()
    out = pathlib.Path(options.out)
    images, real = (
        np.load(path, mmap_mode="r") for path in (options.data, options.real)
    )
    size = images.shape[1]
    config = {
        "network": {
            "name": "unet",
            "image_size": size,
            "width": options.width,
            "stem": 2,
        },
        "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
        "patching": {**METHODS[options.method], "divisions": options.n},
    }
    height, width, _ = _window(config, size)
    per_image = config["patching"].get("patches_per_image", 1)
    batch_size = round(options.pixels_per_step / (height * width * per_image))
    epochs = math.ceil(
        options.megapixels * 1e6 / (options.pixels_per_step * STEPS_PER_EPOCH)
    )
    decay_steps = epochs * STEPS_PER_EPOCH - options.warmup_steps
    settings = TrainingSettings(
        batch_size=batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        decay_steps=decay_steps if options.decay else None,
        ema_momentum=0.997,
        steps_per_epoch=STEPS_PER_EPOCH,
        precision="float32",
    )
    if _patches_seen(out / "preset") < epochs * STEPS_PER_EPOCH * batch_size:
        train(config, images, out, epochs=epochs, settings=settings)
    if not options.samples:
        return
    model = kp.PatchDPM.from_preset(out / "preset")
    images_seen = _patches_seen(out / "preset")
    at_once = min(options.patches_per_call, model.patching.num_patches)
    # Evenly, as the figures in docs/seams.md were made.
    sampler = kp.PatchSampler(model, "ddim", options.steps, at_once, spacing="uniform")
    start = time.perf_counter()
    samples = sampler(options.samples, batch_size=options.images_at_once)
    seconds = time.perf_counter() - start
    save_images(samples, out / "samples.npy")
    save_images(samples[:64], out / "samples.png")
    report = kp.memory.profile(model, batch_size=4)
    print(
        json.dumps(
            {
                "method": options.method,
                "n": options.n,
                "backend": keras.backend.backend(),
                "megapixels": round(
                    images_seen / batch_size * options.pixels_per_step / 1e6
                ),
                "images": images_seen,
                "steps": options.steps,
                "samples": options.samples,
                "seam": _seam(samples, options.n),
                "seam_real": _seam(real, options.n),
                "activations_mib": round(report.activations / 2**20, 2),
                "seconds_per_image": round(seconds / options.samples, 3),
            }
        )
    )


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--n", type=int, required=True, help="patches per side")
    parser.add_argument("--data", required=True, help=".npy of images to train on")
    parser.add_argument("--real", required=True, help=".npy of images to compare with")
    parser.add_argument("--out", required=True)
    parser.add_argument("--megapixels", type=float, default=50)
    parser.add_argument("--width", type=int, default=32, help="of the network")
    parser.add_argument("--pixels-per-step", type=int, default=8 * 32**2)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--warmup-steps", type=int, default=200)
    parser.add_argument("--decay", action="store_true", help="to 0, along a cosine")
    parser.add_argument("--samples", type=int, default=64, help="0: train alone")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--patches-per-call", type=int, default=4)
    parser.add_argument("--images-at-once", type=int, default=50)
    return parser.parse_args()


def _patches_seen(preset):
    """What a finished training has seen, 0 before its end."""
    if not preset.exists():
        return 0
    return kp.models.presets.read_config(preset)["training"]["patches_seen"]


def _window(config, size):
    """`(h, w, C)` of what the network sees in a call."""
    patching = kp.models.presets.parts(config)["patching"]
    return patching.input_specs((size, size, 3))["noisy"][0]


def _seam(images, divisions):
    return round(kp.metrics.seam_ratio(images, max(divisions, 2)), 4)


if __name__ == "__main__":
    main()
