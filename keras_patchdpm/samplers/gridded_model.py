"""A model of random crops, as it is sampled in a grid of patches."""

import dataclasses
import math
import typing
import warnings

import keras

from keras_patchdpm import _checks


def in_grid(
    model,
    divisions=None,
    moving=None,
    overlap=None,
    whole_above=None,
    image_size=None,
):
    """The model as it is sampled: in a grid, if that is not known from training.

    Args:
        model: Of a sampler.
        divisions, moving, overlap, whole_above, image_size: Of a `PatchSampler`.

    Raises:
        ValueError: If the grid is known, and another is asked for.
    """
    if not hasattr(model.patching, "at"):
        given = {
            "divisions": divisions,
            "moving": moving,
            "overlap": overlap,
            "whole_above": whole_above,
            "image_size": image_size,
        }
        for name, value in given.items():
            if value is not None:
                kind = type(model.patching).__name__
                raise ValueError(
                    f"`{name}` is chosen here for a model of `RandomPatching`; a model "
                    f"of {kind} has it from training. Leave it out. "
                    f"Received: {name}={value}."
                )
        return model
    divisions = 1 if divisions is None else divisions
    size = _image_size(model, image_size)
    gridded = _gridded(model, model.patching.at(divisions, moving, overlap, size), size)
    if whole_above is None:
        return gridded
    whole_above = _checks.real("whole_above", whole_above, 0)
    whole = _gridded(model, model.patching.at(1, image_size=size), size)
    return dataclasses.replace(gridded, whole=whole, whole_above=whole_above)


@dataclasses.dataclass(frozen=True)
class GriddedModel:
    """What a sampler asks of a model, for one grid.

    Attributes:
        network: Functional model over inputs of fixed size, with the model's weights.
        schedule: Of the model.
        patching: `GridPatching`.
        image_shape: `(height, width, channels)`.
        latents: Bool. Whether the images are latents.
        num_classes: Int or `None`, of the labels.
        whole: The same for the whole image, or `None` if it is never seen as one.
        whole_above: Float. Strength of the noise, `sigma / alpha`, above which it is.
    """

    network: typing.Any
    schedule: typing.Any
    patching: typing.Any
    image_shape: tuple
    latents: bool
    num_classes: int | None
    whole: typing.Any = None
    whole_above: float = math.inf


def _image_size(model, image_size):
    """The size of the images that are made, `(height, width)`."""
    trained = model.image_shape[:2]
    if image_size is None:
        return trained
    size = _checks.pair("image_size", image_size)
    if model.patching.coordinates and size != trained:
        warnings.warn(
            "The network is told where a pixel lies in the image, and has learned "
            f"that for images of {trained[0]}x{trained[1]} pixels. In another, pixels "
            "lie closer or further apart. Train it on images of that size, or without "
            f"`coordinates`. Received: image_size={image_size}.",
            stacklevel=4,
        )
    return size


def _gridded(model, patching, image_size):
    """A model of `RandomPatching` in a grid.

    Raises:
        ValueError: If the image does not divide into the grid.
    """
    image_shape = (*image_size, model.image_shape[-1])
    specs = patching.input_specs(image_shape)
    size = specs["noisy"][0][:2]
    if size not in model.patching.sizes:
        trained = ", ".join(f"{h}x{w}" for h, w in model.patching.sizes)
        warnings.warn(
            f"The model was trained on crops of {trained} pixels, and is sampled in "
            f"patches of {size[0]}x{size[1]}, which it has not seen. Choose other "
            "`divisions`, or add their fraction to the `fractions` of its "
            "`RandomPatching`, and train it again. "
            f"Received: divisions={patching.grid.divisions}.",
            stacklevel=4,
        )
    network = _of_fixed_size(model.network, specs)
    return GriddedModel(
        network,
        model.schedule,
        patching,
        image_shape,
        model.latents,
        model.num_classes,
    )


def _of_fixed_size(network, specs):
    """The network for one size of patch, so that it is compiled, and measured, for it.

    Raises:
        ValueError: If the network asks for what the patching does not give.
    """
    level = network.input["level"]
    specs = {**specs, "level": ((), level.dtype)}
    if "label" in network.input:
        specs["label"] = ((), network.input["label"].dtype)
    inputs = {
        name: keras.Input(shape, dtype=dtype, name=name)
        for name, (shape, dtype) in specs.items()
    }
    return keras.Model(inputs, network(inputs), name=f"{network.name}_in_grid")
