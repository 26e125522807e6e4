"""Samples images from an exported folder."""

import functools
import numbers

import numpy as np

from keras_patchdpm_edge import folder as folders
from keras_patchdpm_edge.runtimes import network_call
from keras_patchdpm_edge.stages import Stage


def sample(
    folder,
    n=None,
    num_images=1,
    seed=0,
    steps=None,
    *,
    labels=None,
    threads=None,
    dtype="uint8",
):
    """Generates images with an exported model, patch by patch.

    The images are those of `keras_patchdpm` with the same settings and the same seed.

    Args:
        folder: Path of a folder that `keras_patchdpm.export` wrote.
        n: Positive int: images are generated in `n` x `n` patches. Default `None`: the
            largest `n` of the model.
        num_images: Positive int. They are generated one after the other. Default 1.
        seed: Non-negative int. Image k of one seed is always the same. Default 0.
        steps: Int, one of the numbers of steps of the export. Default `None`: the first
            of them.
        labels: Int for all images, or a sequence of one for each, for a model that was
            trained on labels. Default `None`: images of any label.
        threads: Positive int. Default `None`: 1.
        dtype: `"uint8"` for [0, 255] or `"float32"` for [-1, 1].

    Returns:
        Array of shape `(num_images, H, W, C)`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range, or the folder is damaged or of
            another version.
        ImportError: If ONNX Runtime or LiteRT is not installed.

    Example:

    >>> images = keras_patchdpm_edge.sample("faces128_onnx", n=2, seed=7)
    """
    folder, description = folders.read(folder)
    threads = None if threads is None else _integer("threads", threads, 1)
    if dtype not in _CONVERTERS:
        raise ValueError(
            f"`dtype` must be one of {list(_CONVERTERS)}. Received: dtype={dtype!r}."
        )
    calls = _Calls(folder, description, threads)
    images = generate(
        description,
        calls,
        n=n,
        num_images=num_images,
        seed=seed,
        steps=steps,
        labels=labels,
    )
    return np.stack([_CONVERTERS[dtype](np.clip(image, -1, 1)) for image in images])


def generate(description, calls, *, n, num_images, seed, steps, labels):
    """An iterator of float32 images `(H, W, C)` in [-1, 1].

    Args:
        description: Dict, the content of `patchdpm.json`.
        calls: Functions that call its networks: see `runtimes.network_call`.
        n, num_images, seed, steps, labels: See `sample`.

    Raises:
        TypeError, ValueError: As `sample`.
    """
    count = _count(description, n)
    program = _program(description, steps)
    num_images = _integer("num_images", num_images, 1)
    seed = _integer("seed", seed, 0)
    labels = _labels(description, labels, num_images)
    return (
        _image(
            description,
            calls,
            program=program,
            count=count,
            seed=seed,
            number=number,
            label=labels[number],
        )
        for number in range(num_images)
    )


_CONVERTERS = {
    "uint8": lambda image: np.rint((image + 1) * 127.5).astype("uint8"),
    "float32": lambda image: image,
}


class _Calls:
    """The networks of a folder, each loaded when it is first called."""

    def __init__(self, folder, description, threads):
        def load(number):
            path = folder / description["networks"][number]["file"]
            return network_call(path, description["runtime"], threads)

        self._load = functools.cache(load)

    def __getitem__(self, number):
        call = self._load(number)
        return lambda inputs: call({name: inputs[name] for name in call.inputs})


def _image(description, calls, *, program, count, seed, number, label):
    """One image, stage by stage."""
    finished = []
    for stage_number in range(count):
        data = description["stages"][stage_number]

        def rng_of(step, *further, stage=stage_number):
            return np.random.default_rng((seed, number, step, stage, *further))

        stage = Stage(
            stage_number,
            description,
            calls=calls,
            seed=seed,
            label=label,
            previous=_previous(finished, data["previous_noise"], rng_of),
        )
        noisy = rng_of(0).standard_normal(data["shape"], "float32")
        finished.append(stage.finish(_walk(stage, noisy, program, rng_of)))
    return finished[-1]


def _previous(finished, scale, rng_of):
    """The images of earlier stages, with the noise that the stage adds to them."""
    if not scale:
        return finished
    return [
        image
        + np.float32(scale) * rng_of(0, k + 1).standard_normal(image.shape, "float32")
        for k, image in enumerate(finished)
    ]


def _walk(stage, noisy, program, rng_of):
    """Takes an image from noise to the clean image; returns it."""
    clean_before = None
    for number, step in enumerate(program, 1):
        rng = rng_of(number)
        if step["add"]:
            noisy = _sum(step["add"], rng, noisy=noisy)
        clean = stage.denoise(noisy, step["at"])
        images = {"noisy": noisy, "clean": clean, "clean_before": clean_before}
        noisy = _sum(step["next"], rng, **images)
        if step["correct"]:
            then = stage.denoise(noisy, step["correct"]["at"])
            noisy = noisy + np.float32(step["correct"]["scale"]) * (clean - then)
        clean_before = clean
    return noisy


def _sum(scales, rng, **images):
    """The images and fresh noise, each times its scale; scales of 0 are left out."""
    total = sum(
        np.float32(scales[name]) * image
        for name, image in images.items()
        if scales[name]
    )
    if scales["noise"]:
        shape = images["noisy"].shape
        total += np.float32(scales["noise"]) * rng.standard_normal(shape, "float32")
    return total


def _count(description, n):
    """The number of stages of a sampling in `n` x `n` patches."""
    known = [stage["n"] for stage in description["stages"]]
    if n is None:
        return len(known)
    if isinstance(n, bool) or n not in known or n is None:
        wanted = [value for value in known if value is not None]
        raise ValueError(
            f"`n` must be one of {wanted}, those of the exported model. Leave `n` out, "
            f"or export the model for this `n`. Received: n={n!r}."
        )
    return known.index(n) + 1


def _program(description, steps):
    """The steps of a sampling, a list of dicts."""
    known = {int(number): program for number, program in description["steps"].items()}
    if steps is None:
        return next(iter(known.values()))
    if isinstance(steps, bool) or steps not in known:
        raise ValueError(
            f"`steps` must be one of {list(known)}, those of the export. Export the "
            f"model with this number of steps. Received: steps={steps!r}."
        )
    return known[steps]


def _labels(description, labels, num_images):
    """One label for each image; all are `None` for a model without labels."""
    classes, guidance = description["num_classes"], description["guidance"]
    if classes is None:
        if labels is not None:
            raise ValueError(
                "The model was trained without labels. Leave `labels` out. "
                f"Received: labels={labels!r}."
            )
        return [None] * num_images
    if labels is None:
        if guidance and guidance["label"] is not None:
            raise ValueError(
                "The model is guided by labels. Pass `labels`. Received: labels=None."
            )
        return [classes] * num_images
    if isinstance(labels, numbers.Integral):
        labels = [labels] * num_images
    labels = [_integer("labels", label, 0) for label in labels]
    if len(labels) != num_images or max(labels) >= classes:
        raise ValueError(
            f"`labels` must be one int from 0 to {classes - 1} for each of the "
            f"{num_images} images. Received: labels={labels}."
        )
    return labels


def _integer(name, value, minimum):
    """Returns `value` as an int of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"`{name}` must be an int. Received: {name}={value!r}.")
    if value < minimum:
        raise ValueError(
            f"`{name}` must be at least {minimum}. Received: {name}={value}."
        )
    return int(value)
