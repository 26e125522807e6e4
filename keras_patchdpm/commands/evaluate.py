"""`python -m keras_patchdpm evaluate`: compares generated images with real ones."""

import json
import pathlib

import keras

from keras_patchdpm import _checks, _files
from keras_patchdpm.commands import options as types
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.metrics._extractor import check_descriptions
from keras_patchdpm.metrics._load_extractor import EXTRACTORS

_LEAST = 4  # Images: precision and recall need three neighbours of each.


def add_options(parser):
    """Adds the options of the command to its `argparse.ArgumentParser`."""
    parser.set_defaults(run=run, interrupted=_interrupted)
    add = parser.add_argument
    add(
        "samples",
        type=types.path,
        metavar="SAMPLES",
        help="generated images: a folder, or a .npy array of uint8 (count, H, W, 3)",
    )
    add(
        "--reference",
        type=types.path,
        required=True,
        help="real images: a folder, .npy array or tfds:NAME; or the .npz file of "
        "statistics that --statistics wrote",
    )
    add(
        "--extractor",
        choices=tuple(EXTRACTORS),
        default="mobilenet_v2",
        help="network whose features are compared; see "
        "`keras_patchdpm.metrics.load_extractor`",
    )
    add(
        "--weights",
        type=types.path,
        help="file of the extractor's weights: needed by inception_v3",
    )
    add(
        "--image-size",
        type=types.size,
        help="pixels, or HxW: the middle of each image is cropped and resized, as in "
        "training (default: the size of the first image of SAMPLES)",
    )
    add(
        "--count",
        type=types.positive_int,
        help="the first images of each set that are compared (default: all)",
    )
    add(
        "--batch-size",
        type=types.positive_int,
        default=32,
        help="images that the extractor computes together",
    )
    add(
        "--statistics",
        type=types.path,
        help=".npz file for the statistics of the reference: written, or read if it "
        "exists and is of the same images and extractor",
    )
    add(
        "--n",
        type=types.positive_int,
        nargs="+",
        default=[],
        metavar="N",
        help="measures the seams of grids of N x N patches too",
    )
    add(
        "--training",
        type=types.path,
        help="training images, as --reference: measures the share of copies too",
    )
    add("--out", type=types.path, help="JSON file to write, with all that is printed")


def run(options):
    """Checks everything that can be wrong, then measures and prints."""
    import keras_patchdpm
    from keras_patchdpm import metrics
    from keras_patchdpm.commands.evaluation_results import seams, small, table

    if options.out is not None:
        _files.check_writable(pathlib.Path(options.out))
    stored = _stored(options)
    with types.warnings_as_lines():
        extractor = metrics.load_extractor(options.extractor, options.weights)
        if stored is not None:
            check_descriptions(extractor.description, stored.description)
        images = _all_images(options)
        reference = _reference(
            options, images.get("reference"), stored=stored, extractor=extractor
        )
        generated = metrics.statistics(
            images["samples"],
            extractor,
            source=_named(options.samples, images["samples"]),
            batch_size=options.batch_size,
            verbose=1,
        )
        measured = [
            metrics.frechet_distance(generated, reference),
            metrics.kernel_distance(generated, reference),
            *metrics.precision_recall(generated, reference),
        ]
    results = {
        "keras_patchdpm": keras_patchdpm.__version__,
        "backend": keras.backend.backend(),
        "image_size": list(images["samples"].shape[1:3]),
        "measures": [each.as_dict() for each in measured],
        "seam_ratio": seams(options.n, images),
    }
    if "training" in images:
        results["copies"] = metrics.copies(
            small(images["samples"]), small(images["training"])
        )
    print(table(measured, results))
    text = json.dumps(results)
    print(text, flush=True)
    if options.out is not None:
        _files.write(pathlib.Path(options.out), text + "\n")


def _stored(options):
    """The statistics in a file of the options, or `None`; checks the file."""
    from keras_patchdpm.metrics import load_statistics
    from keras_patchdpm.metrics._statistics_file import check_path

    is_file = options.reference.endswith(".npz")
    if is_file and options.statistics is not None:
        raise ValueError(
            "--reference is already a file of statistics. Leave --statistics out. "
            f"Received: --reference {options.reference} --statistics "
            f"{options.statistics}."
        )
    if is_file:
        return _with_features(load_statistics(options.reference), options.reference)
    if options.statistics is None:
        return None
    path = check_path("--statistics", options.statistics)
    return _with_features(load_statistics(path), path) if path.exists() else None


def _with_features(stored, path):
    """Refuses statistics that not all measures can be computed from."""
    if len(stored.features) < _LEAST:
        raise ValueError(
            f"{path} has {len(stored.features)} features, and the measures need at "
            f"least {_LEAST}. Compute the statistics again, with more `most_features`. "
            f"Received: {stored}."
        )
    return stored


def _all_images(options):
    """Dict of the images of `samples`, and `reference` and `training` if needed."""
    sources = {"samples": options.samples}
    if not options.reference.endswith(".npz"):
        sources["reference"] = options.reference
    if options.training is not None:
        sources["training"] = options.training
    size = _size(options)
    for divisions in options.n:
        PatchGrid(divisions).patch_size(size)
        if divisions == 1:
            raise ValueError(
                "A grid of one patch has no seams. Choose --n above 1. Received: --n 1."
            )
    images = {}
    for name, source in sources.items():
        chosen = _load(source, size)
        if name != "training" and options.count is not None:
            if len(chosen) < options.count:
                raise ValueError(
                    f"{source} has {len(chosen)} images, fewer than --count. Choose a "
                    f"smaller --count. Received: --count {options.count}."
                )
            chosen = chosen[: options.count]
        if len(chosen) < (2 if name == "training" else _LEAST):
            raise ValueError(
                f"The measures need at least {_LEAST} images of each set. Received: "
                f"{len(chosen)} images of {source}."
            )
        images[name] = chosen
    return images


def _size(options):
    """`(height, width)` of the images that are compared."""
    from keras_patchdpm.datasets._array_file import open_array
    from keras_patchdpm.datasets._listing import folder_images, list_files
    from keras_patchdpm.datasets._skipped import Unreadable

    if options.image_size is not None:
        return _checks.pair("--image-size", options.image_size)
    path = pathlib.Path(options.samples)
    if path.suffix.lower() == ".npy":
        return open_array(path).shape[1:3]
    if path.is_dir():
        for _, read in folder_images(path, list_files(path))[1]:
            try:
                image = read()
            except Unreadable:
                continue
            return image.height, image.width
        raise ValueError(
            f"There is no image in {path} that can be read. Received: SAMPLES={path}."
        )
    raise ValueError(
        "SAMPLES must be a folder of images or a .npy array, which `sample --out "
        f"samples.npy` writes. Received: SAMPLES={path}."
    )


def _load(source, size):
    from keras_patchdpm.datasets import load_images

    images = load_images(source, size)
    print(f"{len(images)} images of {source} at {size[0]}x{size[1]}", flush=True)
    return images


def _reference(options, images, *, stored, extractor):
    """Statistics of the reference: those in the file, or computed and saved."""
    from keras_patchdpm import metrics
    from keras_patchdpm.metrics._statistics import digest_of

    if images is None:
        return stored
    if stored is not None:
        if stored.digest != digest_of(images):
            raise ValueError(
                f"{options.statistics} has the statistics of other images: "
                f"{stored.count} of {stored.source}. Delete the file, or choose "
                "another --statistics. "
                f"Received: {len(images)} images of {options.reference}."
            )
        print(f"the statistics of {options.reference} are in {options.statistics}")
        return stored
    reference = metrics.statistics(
        images,
        extractor,
        source=_named(options.reference, images),
        batch_size=options.batch_size,
        verbose=1,
    )
    if options.statistics is not None:
        metrics.save_statistics(reference, options.statistics)
    return reference


def _named(source, images):
    """The name of a set of images in the results."""
    height, width = images.shape[1:3]
    return f"{source} at {height}x{width}"


def _interrupted(options):
    if options.statistics is None:
        return "Nothing was saved. --statistics FILE keeps those of the reference."
    return f"{options.statistics} is complete if it exists: the same command uses it."
