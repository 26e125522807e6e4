"""`python -m keras_patchdpm train`: trains a model on images."""

from keras_patchdpm import _files, presets
from keras_patchdpm.commands import options as types
from keras_patchdpm.datasets._fit import CROPS
from keras_patchdpm.training._arguments import folder as check_folder

PATCHINGS = ("cascade", "grid", "crops")


def add_options(parser):
    """Adds the options of the command to its `argparse.ArgumentParser`."""
    parser.set_defaults(run=run, interrupted=_interrupted)
    _add_data(parser.add_argument_group("images and result"))
    _add_model(parser.add_argument_group("model"))
    _add_grid(parser.add_argument_group("only with --patching grid"))
    _add_training(parser.add_argument_group("training"))


def run(options):
    """Reads the images and trains until the time limit or the last epoch."""
    from keras_patchdpm.patching import detail_scales
    from keras_patchdpm.training import TrainingSettings, train

    if options.minutes is None and options.epochs is None:
        raise ValueError(
            "The training has no time limit and no last epoch. Give --minutes, "
            "--epochs or both."
        )
    config = {
        "network": _network(options),
        "schedule": {"name": "EDMSchedule"}
        if options.patching == "crops"
        else {
            "name": "DDPMSchedule",
            "beta_schedule": "cosine",
            "prediction": options.prediction,
            "logit_normal_share": 0.5,
        },
        "patching": _patching(options),
    }
    if options.augment:
        name = "GeometricAugmentation"
        config["augmentation"] = {"name": name, "probability": options.augment}
    settings = TrainingSettings(
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        cooldown=options.cooldown,
        ema_share=options.ema_share,
        steps_per_epoch=options.steps_per_epoch,
        precision=options.precision,
        flip=not options.no_flip,
        seed=options.seed,
        start_from=options.start_from,
    )
    check_folder(_files.folder_of("--out", options.out))
    images = _images(options)
    if options.patching == "cascade":
        scales = detail_scales(images, options.n)
        config["patching"]["detail_scale"] = [round(scale, 3) for scale in scales]
    train(
        config,
        images,
        options.out,
        minutes=options.minutes,
        epochs=options.epochs,
        settings=settings,
    )
    print(f"The trained model is in {options.out}/preset")


def _add_data(group):
    group.add_argument(
        "--data",
        type=types.path,
        required=True,
        help="folder of images, .npy or .npz array of uint8 (count, H, W, 3), or "
        "tfds:NAME",
    )
    group.add_argument(
        "--out",
        type=types.path,
        required=True,
        help="folder to write: decoded images, backup, curve of the loss, preset (the "
        "trained model), early (its early state, a guide); the same command resumes "
        "from the backup",
    )
    group.add_argument(
        "--image-size",
        type=types.size,
        default=64,
        help="pixels, or HxW: the middle of each image is cropped and resized",
    )
    group.add_argument(
        "--crop",
        choices=CROPS,
        default="center",
        help="part of each image that is used: the middle, the top, or all of it, "
        "stretched",
    )
    group.add_argument(
        "--smallest",
        type=types.size,
        help="pixels, or HxW: smaller images are skipped (default: --image-size)",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="stop at the first file that cannot be read, instead of skipping it",
    )
    group.add_argument("--no-flip", action="store_true", help="never mirror images")


def _add_model(group):
    add = group.add_argument
    add(
        "--n",
        type=types.positive_int,
        default=2,
        help="N: the image is cut into N x N patches",
    )
    add(
        "--patching",
        choices=PATCHINGS,
        default="cascade",
        help="cascade: a thumbnail first, no borders; grid: the method of Arakawa et "
        "al.; crops: Patch Diffusion, one model for any N",
    )
    add("--width", type=types.positive_int, default=64, help="channels of the network")
    add(
        "--multipliers",
        type=types.positive_int,
        nargs="+",
        metavar="M",
        help="channels of each resolution, in multiples of --width: fewer suit small "
        "images (default: the network's, see `keras_patchdpm.networks.unet`)",
    )
    add(
        "--stem",
        type=types.positive_int,
        default=2,
        help="side of the blocks of pixels that the network moves into channels first",
    )
    add(
        "--prediction",
        choices=("noise", "clean", "velocity"),
        default="velocity",
        help="what the network predicts (not used with --patching crops)",
    )
    add(
        "--start-from",
        type=types.preset,
        help="preset of the same network whose weights to start from: "
        f"{', '.join(presets.names())}, a folder, or an address such as hf://user/name "
        "(default: random weights)",
    )


def _add_grid(group):
    add = group.add_argument
    add(
        "--position",
        choices=("one_hot", "coordinates"),
        help="how the network receives the position (default: one_hot)",
    )
    add(
        "--halo",
        type=types.non_negative_int,
        help="pixels around its patch that the network sees (default: 0)",
    )
    add("--shift", action="store_true", help="shift the grid at every step")


def _add_training(group):
    add = group.add_argument
    add("--minutes", type=types.positive_number, help="minutes after which it stops")
    add("--epochs", type=types.positive_int, help="epochs after which it stops")
    add("--batch-size", type=types.positive_int, default=64, help="images in a step")
    add(
        "--steps-per-epoch",
        type=types.positive_int,
        default=100,
        help="steps between two backups",
    )
    add(
        "--learning-rate",
        type=types.positive_number,
        default=1e-3,
        help="highest learning rate of Adam",
    )
    add(
        "--warmup-steps",
        type=types.non_negative_int,
        default=100,
        help="first steps, in which the learning rate rises from 0",
    )
    add(
        "--cooldown",
        type=types.share,
        default=0.3,
        help="share of the training, at its end, in which the learning rate falls to 0",
    )
    add(
        "--ema-share",
        type=types.share,
        default=0.05,
        help="width of the average of the weights, as a share of the training",
    )
    add(
        "--seed",
        type=types.non_negative_int,
        default=0,
        help="seed of the weights, the order of the images and the noise",
    )
    add(
        "--augment",
        type=types.share,
        default=0.0,
        metavar="P",
        help="probability of each transformation of an image; samples have none",
    )
    add("--precision", default="mixed_bfloat16", help="Keras dtype policy")


def _images(options):
    """Reads the images of --data; prints how many, and which files were not read.

    They are decoded once, into a folder of --out: the memory does not grow with their
    number, and a resumed training starts at once.
    """
    from keras_patchdpm.datasets import load_images

    with types.warnings_as_lines():
        images = load_images(
            options.data,
            options.image_size,
            strict=options.strict,
            smallest=options.smallest,
            crop=options.crop,
            cache=_files.path_of("out", options.out) / "images",
        )
    print(f"{len(images)} images of {options.data} are used", flush=True)
    if len(images) < options.batch_size:
        raise ValueError(
            f"There are {len(images)} images, fewer than one batch needs. Pass "
            f"--batch-size {len(images)} or less. "
            f"Received: --batch-size {options.batch_size}."
        )
    return images


def _network(options):
    """The configuration of the network."""
    network = {
        "name": "unet",
        "image_size": options.image_size,
        "width": options.width,
        "stem": options.stem,
    }
    if options.multipliers is not None:
        network["multipliers"] = options.multipliers
    return network


def _patching(options):
    """The configuration of the patching."""
    given = {
        name: value
        for name in ("position", "halo", "shift")
        if (value := vars(options)[name])
    }
    if options.patching == "grid":
        return {"name": "GridPatching", "divisions": options.n, **given}
    if given:
        raise ValueError(
            "--position, --halo and --shift need --patching grid. Leave them out, or "
            f"pass --patching grid. Received: --patching {options.patching}, {given}."
        )
    if options.patching == "crops":
        size = options.image_size
        return {"name": "RandomPatching", "image_size": size, "content": True}
    return {"name": "CascadePatching", "divisions": options.n}


def _interrupted(options):
    return (
        f"The backups are in {options.out}: the same command resumes from the last "
        "one, or starts again if there is none yet."
    )
