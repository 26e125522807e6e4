"""How well patches fit together: one method, one grid, one training.

    KERAS_BACKEND=torch python -m benchmarks.quality.coherence --method shifted --n 2 \
        --data train.npy --real validation.npy --out runs/shifted-2

Trains `networks.unet` on as many pixels as every other method (`--megapixels`), in
steps of as many pixels, and resumes after a stop. Then it samples and writes the line:
the seam ratio of the samples and of real images, the activations of a call of four
patches, the seconds of an image; with `--scores` the measures of `metrics`, against all
images of `--real`, and the Frechet distance of as many images of `--data` as reference
value. The samples are in `samples_N.npy` beside the weights, and in `samples_N.png`, as
a picture. Training and sampling may run on different backends: `--samples 0` ends after
training, and a finished training is not repeated. `any_n` is one training for every N.
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
    "whole": {"name": "WholeImage"},
    "original": GRID,
    "no_position": {**GRID, "position": False},
    "no_content": {**GRID, "content": False},
    "neither": {**GRID, "position": False, "content": False},
    "halo": {**GRID, "halo": 4},
    "coordinates": {**GRID, "position": "coordinates"},
    "shifted": {**GRID, "position": "coordinates", "shift": True},
    "cascade": {**CASCADE, "shift": False},
    "cascade_shifted": CASCADE,
    "any_n": {"name": "RandomPatching", "content": True},
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
    tiled = model.tiled()
    if options.method == "any_n":
        tiled = model.tiled(options.n, shift=options.n > 1)
    sampler = measuring.build_sampler(
        tiled,
        options.solver,
        options.steps,
        patches_per_call=min(options.patches_per_call, tiled.num_patches),
        spacing=options.spacing,
    )
    samples, seconds = measuring.timed(
        lambda: sampler(options.samples, batch_size=options.images_at_once)
    )
    for name, part in (("npy", samples), ("png", samples[:64])):
        save_images(part, options.out / f"samples_{options.n}.{name}")
    report = kp.memory.profile(tiled, batch_size=4)
    figures = {
        "megapixels": round(
            seen / multiplier(config) * pixels_per_example(config) / 1e6
        ),
        "images": seen,
        "seam": seam(samples, options.n),
        "seam_real": seam(real, options.n),
        "activations_mib": round(report.activations / 2**20, 2),
        "seconds_per_image": round(seconds / options.samples, 3),
    }
    if options.scores:
        figures |= scores(samples, real, images[: options.samples])
    command_line.write(options, figures)


def described(options, size):
    """The configuration of the model, a dict."""
    network = {"name": "unet", "image_size": size, "width": options.width, "stem": 2}
    patching = dict(METHODS[options.method])
    if patching["name"] in ("GridPatching", "CascadePatching"):
        patching["divisions"] = options.n
    if patching["name"] == "RandomPatching":
        patching["image_size"] = size
    return {
        "network": network,
        "schedule": {"name": "DDPMSchedule", "prediction": "velocity"},
        "patching": patching,
    }


def pixels_per_example(config):
    """Pixels that the network sees of an image in one step of training, on average."""
    size, patching = config["network"]["image_size"], kp.presets.parts(config)
    patching = patching["patching"]
    if config["patching"]["name"] == "RandomPatching":
        return size**2 * sum(
            probability * times * fraction**2
            for probability, times, fraction in zip(
                patching.probabilities,
                patching.batch_multipliers,
                patching.fractions,
                strict=True,
            )
        )
    height, width, _ = patching.input_specs((size, size, 3))["noisy"][0]
    return height * width * config["patching"].get("patches_per_image", 1)


def multiplier(config):
    """Patches that count as seen, over the images of a training, on average."""
    return kp.presets.parts(config)["patching"].mean_batch_multiplier


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
        seed=options.seed,
    )
    patches = round(epochs * STEPS_PER_EPOCH * batch_size * multiplier(config))
    if patches_seen(options.out / "preset") < patches:
        train(config, images, options.out, epochs=epochs, settings=settings)


def patches_seen(preset):
    """What a finished training has seen, 0 before its end."""
    if not preset.exists():
        return 0
    return kp.presets.read_config(preset)["training"]["patches_seen"]


def scores(samples, real, train):
    """The measures of `metrics` of samples, and the distance of real images: a dict."""
    extractor = kp.metrics.load_extractor("mobilenet_v2")
    compared, *others = (
        kp.metrics.statistics(images, extractor, source=source)
        for images, source in (
            (np.asarray(real), "validation"),
            (samples, "samples"),
            (np.asarray(train), "training"),
        )
    )
    generated, trained = others
    precision, recall = kp.metrics.precision_recall(generated, compared)
    figures = {
        "frechet": kp.metrics.frechet_distance(generated, compared),
        "frechet_real": kp.metrics.frechet_distance(trained, compared),
        "kernel": kp.metrics.kernel_distance(generated, compared),
        "precision": precision,
        "recall": recall,
    }
    return {name: round(score.value, 3) for name, score in figures.items()}


def seam(images, divisions):
    """The seam ratio, rounded; on a grid of 2 x 2 for whole images."""
    return round(kp.metrics.seam_ratio(images, max(divisions, 2)), 4)


def parse():
    """The arguments of the command line."""
    parser = command_line.parser(
        __doc__, width=32, steps=50, patches_per_call=4, seed=0
    )
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
    add("--scores", action="store_true", help="measure distances to real images")
    add("--solver", default="ddim", help="of the sampling")
    add("--spacing", default="uniform", help="of its steps")
    add("--images-at-once", type=int, default=50, help="of the samples")
    return parser.parse_args()


if __name__ == "__main__":
    main()
