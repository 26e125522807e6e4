"""How well patches fit together: one method, one grid, one training.

    KERAS_BACKEND=torch python -m benchmarks.quality.coherence --method shifted --n 2 \
        --data train.npy --real validation.npy --out runs/shifted-2

Trains `networks.unet` on as many pixels as every other method (`--megapixels`), in
steps of as many pixels, and resumes after a stop. Then it samples and writes the line:
the seam ratio of the samples and of real images, the activations of a call of four
patches, the seconds of an image. The samples are in `samples.npy` beside the weights,
for a Frechet distance, and in `samples.png`, as a picture. Training and sampling may
run on different backends: `--samples 0` ends after training, and a finished training is
not repeated.
"""

import math
import pathlib

import numpy as np

import keras_patchdpm as kp
from benchmarks import command_line, measuring
from keras_patchdpm.datasets.picture import save_images
from keras_patchdpm.training import TrainingSettings, train

GRID, CASCADE = {"name": "GridPatching"}, {"name": "CascadePatching"}
METHODS = {
    "original": GRID,
    "halo": {**GRID, "halo": 4},
    "coordinates": {**GRID, "position": "coordinates"},
    "shifted": {**GRID, "position": "coordinates", "shift": True},
    "cascade": {**CASCADE, "shift": False},
    "cascade_shifted": CASCADE,
}
STEPS_PER_EPOCH = 100


def main():
    """Trains, samples, measures, writes the line."""
    options = parse()
    images, real = (
        np.load(path, mmap_mode="r") for path in (options.data, options.real)
    )
    config = described(options, images.shape[1])
    batch_size = round(options.pixels_per_step / pixels_per_example(config))
    train_once(config, images, batch_size=batch_size, options=options)
    if not options.samples:
        return
    preset = options.out / "preset"
    model, seen = kp.PatchDPM.from_preset(preset), patches_seen(preset)
    sampler = measuring.build_sampler(
        model,
        "ddim",
        options.steps,
        patches_per_call=min(options.patches_per_call, model.tiled().num_patches),
        spacing="uniform",  # As for the figures in docs/seams.md.
    )
    samples, seconds = measuring.timed(
        lambda: sampler(options.samples, batch_size=options.images_at_once)
    )
    save_images(samples, options.out / "samples.npy")
    save_images(samples[:64], options.out / "samples.png")
    report = kp.memory.profile(model, batch_size=4)
    figures = {
        "megapixels": round(seen / batch_size * options.pixels_per_step / 1e6),
        "images": seen,
        "seam": seam(samples, options.n),
        "seam_real": seam(real, options.n),
        "activations_mib": round(report.activations / 2**20, 2),
        "seconds_per_image": round(seconds / options.samples, 3),
    }
    command_line.write(options, figures)


def described(options, size):
    """The configuration of the model, a dict."""
    network = {"name": "unet", "image_size": size, "width": options.width, "stem": 2}
    return {
        "network": network,
        "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
        "patching": {**METHODS[options.method], "divisions": options.n},
    }


def pixels_per_example(config):
    """Pixels that the network sees of an image in one step of training."""
    size, patching = config["network"]["image_size"], config["patching"]
    parts = kp.presets.parts(config)
    height, width, _ = parts["patching"].input_specs((size, size, 3))["noisy"][0]
    return height * width * patching.get("patches_per_image", 1)


def train_once(config, images, *, batch_size, options):
    """Trains, or finishes a training, unless that is done."""
    pixels_per_epoch = options.pixels_per_step * STEPS_PER_EPOCH
    epochs = math.ceil(options.megapixels * 1e6 / pixels_per_epoch)
    settings = TrainingSettings(
        batch_size=batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        cooldown=0.5 if options.decay else 0.0,
        steps_per_epoch=STEPS_PER_EPOCH,
        precision="float32",
    )
    if patches_seen(options.out / "preset") < epochs * STEPS_PER_EPOCH * batch_size:
        train(config, images, options.out, epochs=epochs, settings=settings)


def patches_seen(preset):
    """What a finished training has seen, 0 before its end."""
    if not preset.exists():
        return 0
    return kp.presets.read_config(preset)["training"]["patches_seen"]


def seam(images, divisions):
    """The seam ratio, rounded; on a grid of 2 x 2 for whole images."""
    return round(kp.metrics.seam_ratio(images, max(divisions, 2)), 4)


def parse():
    """The arguments of the command line."""
    parser = command_line.parser(__doc__, width=32, steps=50, patches_per_call=4)
    add = parser.add_argument
    add("--method", choices=METHODS, required=True, help="of cutting patches")
    add("--n", type=int, required=True, help="patches per side")
    add("--data", required=True, help=".npy of images to train on")
    add("--real", required=True, help=".npy of images to compare with")
    add("--out", type=pathlib.Path, required=True, help="folder of the training")
    add("--megapixels", type=float, default=50, help="to train on")
    add("--pixels-per-step", type=int, default=8 * 32**2, help="of training")
    add("--learning-rate", type=float, default=1e-3, help="after the warm-up")
    add("--warmup-steps", type=int, default=200, help="of a rising learning rate")
    add("--decay", action="store_true", help="to 0, in the second half")
    add("--samples", type=int, default=64, help="0: train alone")
    add("--images-at-once", type=int, default=50, help="of the samples")
    return parser.parse_args()


if __name__ == "__main__":
    main()
