"""`python -m keras_patchdpm sample`: generates images with a trained model."""

import math
import os
import pathlib

from keras_patchdpm import _files, presets
from keras_patchdpm.commands import options as types
from keras_patchdpm.commands import ray_tasks
from keras_patchdpm.datasets import load_images, save_images
from keras_patchdpm.datasets._arrays import check_fits
from keras_patchdpm.datasets.picture import check_path
from keras_patchdpm.sampling import image_shapes

NUM_IMAGES = 16  # If neither the option nor several images are given.


def add_options(parser):
    """Adds the options of the command to its `argparse.ArgumentParser`."""
    parser.set_defaults(run=run, interrupted=_interrupted)
    add = parser.add_argument
    add(
        "--preset",
        type=types.preset,
        help="trained model: the folder of one (`train` writes OUT/preset), an address "
        "such as hf://user/name, or one of the package: "
        f"{', '.join(presets.names())} (default: the package's for --n)",
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
    add(
        "--num-images",
        type=types.positive_int,
        help="images to generate (default: 16, or one for each of several that are "
        "given)",
    )
    add(
        "--indices",
        type=types.indices,
        metavar="A:B",
        help="generates images A to B - 1 of the seed alone, so that several machines "
        "share one run (default: the first --num-images)",
    )
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
    add(
        "--ray",
        action="store_true",
        help="shares the images among workers of Ray: of the cluster that this machine "
        "belongs to, or else of this machine",
    )
    add(
        "--workers",
        type=types.positive_int,
        help="with --ray: workers at the same time (default: one for each GPU of the "
        "cluster, or for each CPU if it has none)",
    )
    given = parser.add_argument_group(
        "images to start from", "image files, folders of them, or .npy arrays"
    )
    given.add_argument("--init-images", type=types.path, help="images to change")
    given.add_argument(
        "--strength",
        type=types.share,
        help="how much of --init-images changes, above 0 and up to 1 (default: 0.6, or "
        "1 with --mask)",
    )
    given.add_argument(
        "--mask",
        type=types.path,
        help="image that is white where --init-images are generated anew",
    )
    given.add_argument(
        "--thumbnails",
        type=types.path,
        help="images to enlarge, by a cascade: they are resized to the size of its "
        "stage before the last",
    )


def run(options):
    """Checks that the file can be written, then generates and writes the images."""
    import keras_patchdpm

    _check_ray(options)
    shapes = image_shapes(options.n, options.preset)
    given = _given_images(options, shapes)
    num_images = _num_images(options, given)
    shape = (num_images, *shapes[-1])
    check_fits(math.prod(shape), f"--num-images {num_images}")
    check_path(options.out, shape)
    given |= {
        name: value
        for name in ("n", "batch_size", "checkpoint", "strength", "indices")
        if (value := vars(options)[name]) is not None
    }
    if "checkpoint" in given:
        _files.check_writable(pathlib.Path(options.checkpoint))
    chosen = {
        "solver": options.solver,
        "steps": options.steps,
        "seed": options.seed,
        "patches_per_call": options.patches_per_call,
        "memory_budget": options.memory_budget,
        "precision": options.precision,
        "preset": options.preset,
        **given,
    }
    if options.ray:
        images = _from_ray(chosen, num_images, options.workers)
    else:
        images = keras_patchdpm.sample(num_images=num_images, verbose=1, **chosen)
    save_images(images, options.out)
    word = "1 image is" if len(images) == 1 else f"{len(images)} images are"
    print(f"{word} in {options.out}")
    if options.checkpoint is not None:
        print(f"{options.checkpoint} is no longer needed")


def _check_ray(options):
    """Refuses options that do not fit --ray, or that need it."""
    if options.workers is not None and not options.ray:
        raise ValueError(
            "--workers needs --ray. Add it, or leave --workers out. "
            f"Received: --workers {options.workers}."
        )
    if options.ray and options.checkpoint is not None:
        raise ValueError(
            "--ray writes no checkpoint. Leave --checkpoint out, or share the images "
            "among several commands with --indices. "
            f"Received: --checkpoint {options.checkpoint}."
        )


def _from_ray(chosen, num_images, workers):
    """The images, generated by workers of Ray."""
    indices = chosen.pop("indices", range(num_images))
    preset = chosen["preset"]
    if preset not in (None, *presets.names()) and os.path.isdir(preset):
        chosen["preset"] = os.path.abspath(preset)  # Workers may be in another folder.
    return ray_tasks.sample(chosen, indices=indices, workers=workers)


def _num_images(options, given):
    """The number of images to generate; of `--indices` selects those in `given`."""
    indices = options.indices
    several = max((len(images) for images in given.values()), default=1)
    if indices is None:
        return options.num_images or (several if several > 1 else NUM_IMAGES)
    if options.num_images not in (None, len(indices)):
        raise ValueError(
            f"--indices are those of {len(indices)} images. Leave --num-images out. "
            f"Received: --num-images {options.num_images}."
        )
    for name, images in given.items():
        if len(images) == 1:
            continue
        if len(images) < indices.stop:
            raise ValueError(
                f"--{name.replace('_', '-')} must have the images of the whole run, or "
                f"one for all. Received: {len(images)} images, --indices "
                f"{indices.start}:{indices.stop}."
            )
        given[name] = images[indices.start : indices.stop]
    return len(indices)


def _given_images(options, shapes):
    """The images that the sampling starts from: a dict, without those not given.

    Args:
        options: Of the command line.
        shapes: List of `(height, width, channels)` of the images of each stage.
    """
    given = {}
    if options.init_images is not None:
        given["init_images"] = _read(options.init_images, shapes[-1])
    if options.mask is not None:
        given["mask"] = _read(options.mask, shapes[-1]).mean(axis=-1) > 127
    if options.thumbnails is not None:
        if len(shapes) == 1:
            raise ValueError(
                "--thumbnails needs a cascade of at least two stages. Choose a larger "
                f"--n or another --preset. Received: n={options.n}."
            )
        given["thumbnails"] = _read(options.thumbnails, shapes[-2])
    return given


def _read(path, shape):
    """Uint8 images of a shape, enlarged if they are smaller."""
    return load_images(path, shape[:2], smallest=1)


def _interrupted(options):
    if options.ray:
        return "Nothing was saved."
    if options.checkpoint is None:
        return "Nothing was saved. With --checkpoint FILE, the same command can resume."
    return f"The same command resumes from {options.checkpoint}, if that file exists."
