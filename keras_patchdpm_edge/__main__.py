"""The command line: `python -m keras_patchdpm_edge FOLDER --n 2 --out faces.png`."""

import argparse
import sys

from keras_patchdpm_edge.pictures import check_path, save
from keras_patchdpm_edge.sampling import sample


def main(arguments=None):
    """Generates images and writes them to a file.

    Args:
        arguments: List of strings. Default `None`: those of the command line.

    Returns:
        Int, the exit status: 0, or 2 after an error.
    """
    options = _parser().parse_args(arguments)
    try:
        check_path(options.out)
        images = sample(
            options.folder,
            options.n,
            options.num_images,
            options.seed,
            options.steps,
            labels=options.label,
            threads=options.threads,
        )
        save(images, options.out)
    except (TypeError, ValueError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    word = "1 image is" if len(images) == 1 else f"{len(images)} images are"
    print(f"{word} in {options.out}")
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_patchdpm_edge",
        description="Generates images with an exported model, without Keras.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("folder", help="folder that `python -m keras_patchdpm export` wrote")
    add("--n", type=int, help="the image is cut into N x N patches")
    add("--num-images", type=int, default=1, help="images to generate")
    add("--seed", type=int, default=0, help="the same seed gives the same images")
    add("--steps", type=int, help="one of the numbers of steps of the export")
    add("--label", type=int, help="class of the images, of a model with classes")
    add("--threads", type=int, default=1, help="threads of the runtime")
    add("--out", default="samples.png", help="file to write: .png or .npy")
    return parser


if __name__ == "__main__":
    sys.exit(main())
