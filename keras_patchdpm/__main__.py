"""The command line: `python -m keras_patchdpm sample`, `... train`."""

import argparse
import sys


def main(arguments=None):
    """Runs a command.

    Args:
        arguments: List of strings, or `None` for those of the process.

    Returns:
        Int, the exit status.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (TypeError, ValueError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_patchdpm", description="Patch-based diffusion models."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_sample(commands.add_parser("sample", help="make images from trained weights"))
    _add_train(commands.add_parser("train", help="train a model on images"))
    return parser


def _add_sample(parser):
    parser.set_defaults(run=_sample)
    parser.add_argument(
        "--n", type=int, help="patches per side (default: the preset's own, or 2)"
    )
    parser.add_argument(
        "--out", default="samples.png", help="picture, or .npy array, to write"
    )
    parser.add_argument("--num-images", type=int, default=16)
    parser.add_argument("--rule", default="ddim", help="ddim, dpmpp_2m, ddpm, ...")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patches-per-call", type=int, default=1)
    parser.add_argument(
        "--memory-budget", help="such as 300MB: chooses the patches of a call"
    )
    parser.add_argument("--precision", help="dtype policy, such as mixed_float16")
    parser.add_argument("--preset", help="name of a trained model, or its folder")


def _sample(options):
    import keras_patchdpm
    from keras_patchdpm.datasets.picture import check_path, save_images

    check_path(options.out)
    images = keras_patchdpm.sample(
        n=options.n,
        num_images=options.num_images,
        rule=options.rule,
        steps=options.steps,
        seed=options.seed,
        patches_per_call=options.patches_per_call,
        memory_budget=options.memory_budget,
        precision=options.precision,
        preset=options.preset,
        verbose=1,
    )
    save_images(images, options.out)
    print(f"{len(images)} images are in {options.out}")


def _add_train(parser):
    parser.set_defaults(run=_train)
    parser.add_argument(
        "--data", required=True, help="folder of images, .npy array, or tfds:NAME"
    )
    parser.add_argument("--out", required=True, help="folder of checkpoints and result")
    parser.add_argument("--minutes", type=float, help="when to stop, by the clock")
    parser.add_argument("--epochs", type=int, help="when to stop, by the work done")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--n", type=int, default=2, help="the paper's N (default: 2)")
    parser.add_argument(
        "--patching",
        choices=("cascade", "grid", "crops"),
        default="cascade",
        help="cascade: a thumbnail first, no borders (default); grid: the method of "
        "Arakawa et al.; crops: Patch Diffusion, one model for any N",
    )
    grid = parser.add_argument_group("of --patching grid alone")
    grid.add_argument("--position", help="one_hot (the paper) or coordinates")
    grid.add_argument("--halo", type=int, help="pixels seen around a patch")
    grid.add_argument(
        "--moving", action="store_true", help="shift the grid at every step"
    )
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--stem", type=int, default=2)
    parser.add_argument("--prediction", default="velocity")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=4e-4)
    parser.add_argument(
        "--warmup-steps", type=int, default=0, help="in which the learning rate rises"
    )
    parser.add_argument(
        "--decay-steps", type=int, help="in which it falls to 0 after that"
    )
    parser.add_argument("--ema-momentum", type=float, default=0.999)
    parser.add_argument("--steps-per-epoch", type=int, default=250)
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--start-from", help="preset whose weights to start from")
    parser.add_argument("--no-flip", action="store_true", help="never mirror images")


def _train(options):
    from keras_patchdpm.datasets import load_images
    from keras_patchdpm.training import TrainingSettings, train

    config = {
        "network": {
            "name": "unet",
            "image_size": options.image_size,
            "width": options.width,
            "stem": options.stem,
        },
        "schedule": {"name": "EDMSchedule"}
        if options.patching == "crops"
        else {
            "name": "DDPMSchedule",
            "beta_schedule": "cosine",
            "prediction": options.prediction,
        },
        "patching": _patching(options),
    }
    settings = TrainingSettings(
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        decay_steps=options.decay_steps,
        ema_momentum=options.ema_momentum,
        steps_per_epoch=options.steps_per_epoch,
        precision=options.precision,
        flip=not options.no_flip,
        start_from=options.start_from,
    )
    images = load_images(options.data, options.image_size)
    train(config, images, options.out, options.minutes, options.epochs, settings)
    print(f"The trained model is in {options.out}/preset")


def _patching(options):
    """The configuration of what the network sees."""
    given = {
        name: value
        for name in ("position", "halo", "moving")
        if (value := getattr(options, name))
    }
    if options.patching == "grid":
        return {"name": "GridPatching", "divisions": options.n, **given}
    if given:
        raise ValueError(
            f"--patching {options.patching} says by itself what the network is told of "
            "a place, and has no halo: leave those options out, or choose --patching "
            f"grid. Received: {given}."
        )
    if options.patching == "crops":
        size = options.image_size
        return {"name": "RandomPatching", "image_size": size, "content": True}
    return {"name": "CascadePatching", "divisions": options.n}


if __name__ == "__main__":
    sys.exit(main())
