"""`check_patching`: what every patching must do."""

import keras
import numpy as np
from keras import ops

from keras_patchdpm.models import PatchDPM
from keras_patchdpm.networks import unet
from keras_patchdpm.patching.base import KINDS, Patching
from keras_patchdpm.patching.stage import Stage
from keras_patchdpm.samplers import PatchSampler
from keras_patchdpm.samplers.inputs import HostInputs
from keras_patchdpm.schedules import DDPMSchedule
from keras_patchdpm.testing._layers import randomise
from keras_patchdpm.testing._require import (
    require,
    require_close,
    require_configuration,
)

BATCH = 4


def check_patching(patching, image_shape=(16, 16, 3), **options):
    """Checks a patching: its inputs, its training half and its sampling half.

    Checked are: the configuration; that the training's example has the inputs that
    `input_specs` lists, and a target at the same pixels; that the tiles of each stage
    lie inside the image, and their blend weights sum to 1 at every pixel; that the
    stages give the same inputs; and that a small model trains, and generates the same
    images with any number of patches in a call.

    Args:
        patching: `Patching`.
        image_shape: `(height, width, channels)` that it can divide.
        **options: Of `model.tiled`, if the patching has any: the tiles that they give
            are checked too.

    Raises:
        AssertionError: If the patching breaks the contract; the message says how.

    Example:

    >>> testing.check_patching(GridPatching(2, halo=2), image_shape=(16, 16, 3))
    """
    require_configuration(patching, Patching)
    rng = np.random.default_rng(0)
    _check_specs(patching, image_shape)
    _check_example(patching, image_shape, rng)
    stages = patching.stages(image_shape)
    require(
        stages[-1].image_shape == tuple(image_shape),
        f"the last stage has images of {stages[-1].image_shape}, not {image_shape}",
    )
    names = set(patching.input_specs(image_shape))
    _check_stages(stages, names, rng)
    if options:
        _check_stages(patching.tiled(image_shape, **options), names, rng)
    _check_model(patching, image_shape, rng)


def _check_stages(stages, names, rng):
    """Tiles and inputs of all stages."""
    previous = []
    for stage in stages:
        require(
            isinstance(stage, Stage), f"`stages` must return `Stage`s, not {stage!r}"
        )
        _check_tiles(stage)
        _check_inputs(stage, previous, names=names, rng=rng)
        previous.append(_images(stage.image_shape, rng))


def _images(image_shape, rng, count=BATCH):
    return rng.uniform(-1, 1, (count, *image_shape)).astype("float32")


def _check_specs(patching, image_shape):
    specs = patching.input_specs(image_shape)
    require("noisy" in specs, "`input_specs` has no `noisy`")
    for name, spec in specs.items():
        require(
            spec.kind in KINDS, f"the kind of `{name}` must be one of {KINDS}: {spec}"
        )
        needs_size = spec.kind in ("position", "index")
        require(
            not needs_size or spec.size,
            f"`{name}` needs `size`, the number of its values: {spec}",
        )
    found = tuple(patching.image_shape(specs["noisy"].shape))
    require(
        found == tuple(image_shape),
        f"`image_shape` of {specs['noisy'].shape} is {found}, not {image_shape}",
    )


def _check_example(patching, image_shape, rng):
    """The example of training: names, shapes, types, and the target's pixels."""
    images, where = _images(image_shape, rng), {}
    if patching.cuts_batches:
        where = dict(patching.batches(images, BATCH, 0)[0][0])
        images = where.pop("images")
        where = {name: ops.convert_to_tensor(x) for name, x in where.items()}
    calls = []

    def add_noise(clean):
        calls.append(clean)
        return clean, clean  # So that noisy image and target can be compared.

    inputs, target = patching.example(
        ops.convert_to_tensor(images), add_noise, keras.random.SeedGenerator(0), **where
    )
    require(
        len(calls) == 1, f"`example` calls `add_noise` {len(calls)} times, not once"
    )
    specs = patching.input_specs(image_shape)
    require(
        set(inputs) == set(specs),
        f"`example` returns {sorted(inputs)}, `input_specs` lists {sorted(specs)}",
    )
    rows = len(images) * patching.patches_per_image
    for name, spec in specs.items():
        found = tuple(inputs[name].shape)
        fits = len(found) == len(spec.shape) + 1 and all(
            one in (None, other)
            for one, other in zip(spec.shape, found[1:], strict=True)
        )
        require(
            fits and found[0] == rows,
            f"`example` returns `{name}` of the shape {found}, expected "
            f"{(rows, *spec.shape)}",
        )
        dtype = keras.backend.standardize_dtype(inputs[name].dtype)
        require(dtype == spec.dtype, f"`{name}` is {dtype}, expected {spec.dtype}")
    require_close(
        ops.convert_to_numpy(inputs["noisy"]),
        ops.convert_to_numpy(target),
        "the target is cut at other pixels than the noisy patch",
        tolerance=0,
    )


def _check_tiles(stage):
    """Tiles inside the image, whose weights sum to 1, at every offset."""
    rng = np.random.default_rng(1)
    most = stage.num_patches
    for shifted in (*[True] * 5, False):
        tiles = stage.tiling.tiles(rng, shifted=shifted)
        require(
            len(tiles) == most or not shifted and len(tiles) < most,
            f"`num_patches` is {most}, but there are {len(tiles)} tiles",
        )
        total = np.zeros((*stage.image_size, 1))
        for index in range(len(tiles)):
            rows, cols = tiles.window(index)
            part = total[rows, cols]
            require(
                part.shape[:2] == stage.tiling.window_size,
                f"tile {index} is not inside the image: {rows}, {cols}",
            )
            part += tiles.blend(index)
        require_close(
            total, np.ones_like(total), "the sum of the blend weights", tolerance=1e-5
        )


def _check_inputs(stage, previous, *, names, rng):
    """The inputs of sampling are those of training."""
    noisy = _images(stage.image_shape, rng)
    tiles = stage.tiling.tiles(rng)
    given = stage.previous(previous, lambda source: [rng] * BATCH)
    inputs = HostInputs(stage, noisy, previous=given, tiles=tiles)([0])
    require(
        set(inputs) == names,
        f"a stage has the inputs {sorted(inputs)}, training has {sorted(names)}",
    )
    short = [name for name, value in inputs.items() if len(value) != BATCH]
    require(not short, f"a stage has a wrong number of rows in the inputs {short}")


def _check_model(patching, image_shape, rng):
    """A model trains, and its images do not depend on the patches of a call."""
    network = unet(
        image_shape[:2],
        patching,
        channels=image_shape[2],
        width=8,
        multipliers=(1,),
        blocks_per_depth=1,
        attention_depths=(),
    )
    randomise(network, rng, scale=0.1)
    schedule = DDPMSchedule("cosine", prediction="velocity")
    model = PatchDPM(network, schedule, patching)
    model.compile("sgd")
    images = _images(image_shape, rng, count=2)
    history = model.fit(images, batch_size=2, epochs=1, verbose=0)
    loss = history.history["loss"][0]
    require(np.isfinite(loss), f"the loss of a training step is {loss}")
    most = model.tiled().num_patches
    one, all_at_once = (
        PatchSampler(model, "ddim", 2, patches_per_call=count)(1, dtype="float32")
        for count in (1, most)
    )
    require_close(
        one, all_at_once, "images with 1 and with all patches in a call", tolerance=2e-4
    )
