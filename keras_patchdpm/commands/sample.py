"""`python -m keras_patchdpm sample`: generates images with a trained model."""

import math
import pathlib

from keras_patchdpm import _files, presets
from keras_patchdpm.commands import options as types
from keras_patchdpm.datasets import save_images
from keras_patchdpm.datasets._arrays import check_fits
from keras_patchdpm.datasets.picture import check_path
from keras_patchdpm.sampling import image_shape


def add_options(parser):
    """Adds the options of the command to its `argparse.ArgumentParser`."""
    parser.set_defaults(run=run, interrupted=_interrupted)
    add = parser.add_argument
    add(
        "--preset",
        type=types.path,
        help="trained model: the folder of one (`train` writes OUT/preset), or one of "
        f"the package: {', '.join(presets.names())} (default: the package's for --n)",
    )
    add(
        "--n",
        type=types.positive_int,
        help="N: the image is cut into N x N patches (default: the preset's own, or 2)",
    )
    add(
        "--out",
        type=types.path,
        default="samples.png",
        help="file to write: a picture (.png, .jpg, ...) or an array (.npy)",
    )
    add("--num-images", type=types.positive_int, default=16, help="images to generate")
    add(
        "--solver",
        help="solver: ddim, dpmpp_2m, heun, ddpm, ... (default: the preset's, or ddim)",
    )
    add(
        "--steps",
        type=types.positive_int,
        help="steps from noise to image: more are better and slower (default: the "
        "preset's, or 50)",
    )
    add(
        "--seed",
        type=types.non_negative_int,
        default=0,
        help="seed of the noise: the same seed gives the same images",
    )
    add(
        "--patches-per-call",
        type=types.positive_int,
        default=1,
        help="patches of an image that the network computes together: more are "
        "faster and need more memory",
    )
    add(
        "--batch-size",
        type=types.positive_int,
        help="images that are computed together (default: 16, or as many as "
        "--memory-budget allows)",
    )
    add(
        "--memory-budget",
        help="such as 300MB, 2GiB or 3e8: chooses the patches per call; see "
        "`python -m keras_patchdpm.memory --help`",
    )
    add(
        "--checkpoint",
        type=types.path,
        help="file in which the state is saved every half minute: after a stop the "
        "same command resumes from it",
    )
    add(
        "--precision",
        help="Keras dtype policy, such as mixed_float16 (default: the model's)",
    )


def run(options):
    """Checks that the file can be written, then generates and writes the images."""
    import keras_patchdpm

    shape = (options.num_images, *image_shape(options.n, options.preset))
    check_fits(math.prod(shape), f"--num-images {options.num_images}")
    check_path(options.out, shape)
    given = {
        name: value
        for name in ("n", "batch_size", "checkpoint")
        if (value := vars(options)[name]) is not None
    }
    if "checkpoint" in given:
        _files.check_writable(pathlib.Path(options.checkpoint))
    images = keras_patchdpm.sample(
        num_images=options.num_images,
        solver=options.solver,
        steps=options.steps,
        seed=options.seed,
        patches_per_call=options.patches_per_call,
        memory_budget=options.memory_budget,
        precision=options.precision,
        preset=options.preset,
        verbose=1,
        **given,
    )
    save_images(images, options.out)
    word = "1 image is" if len(images) == 1 else f"{len(images)} images are"
    print(f"{word} in {options.out}")
    if options.checkpoint is not None:
        print(f"{options.checkpoint} is no longer needed")


def _interrupted(options):
    if options.checkpoint is None:
        return "Nothing was saved. With --checkpoint FILE, the same command can resume."
    return f"The same command resumes from {options.checkpoint}, if that file exists."
