"""A model as it is sampled: one of random crops in a grid of patches."""

import dataclasses
import math
import os
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
        TypeError: If `model` is no model of a sampler.
        ValueError: If the grid is known, and another is asked for.
    """
    check_model("model", model)
    if not hasattr(model.patching, "at"):
        given = {
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
        return model if divisions is None else _first_stages(model, divisions)
    divisions = 1 if divisions is None else divisions
    moving = False if moving is None else _checks.boolean("moving", moving)
    size = _image_size(model, image_size)
    gridded = _gridded(model, model.patching.at(divisions, moving, overlap, size), size)
    if whole_above is None:
        return gridded
    whole_above = _checks.real("whole_above", whole_above, 0)
    whole = _gridded(model, model.patching.at(1, image_size=size), size)
    return dataclasses.replace(gridded, whole=whole, whole_above=whole_above)


def as_sampled(model):
    """What a sampler asks of a model, which `in_grid` returned, and no more."""
    if isinstance(model, GriddedModel):
        return model
    return GriddedModel(
        model.network,
        model.schedule,
        model.patching,
        model.image_shape,
        getattr(model, "latents", False),
        getattr(model, "num_classes", None),
        attach_state=_attach_state(model),
    )


def _nothing():
    """Of models that hold no state anywhere but in their variables."""


@dataclasses.dataclass(frozen=True)
class GriddedModel:
    """What a sampler asks of a model, for one grid.

    A checkpoint knows the model by these fields, see `identity.describe`.

    Attributes:
        network: Functional model over inputs of fixed size, with the model's weights.
        schedule: Of the model.
        patching: `GridPatching`.
        image_shape: `(height, width, channels)`.
        latents: Bool. Whether the images are latents.
        num_classes: Int or `None`, of the labels.
        whole: The same for the whole image, or `None` if it is never seen as one.
        whole_above: Float. Strength of the noise, `sigma / alpha`, above which it is.
        attach_state: Function without arguments, called before the network: on JAX
            `fit` holds the weights, and this gives them back.
    """

    network: typing.Any
    schedule: typing.Any
    patching: typing.Any
    image_shape: tuple
    latents: bool
    num_classes: int | None
    whole: typing.Any = None
    whole_above: float = math.inf
    attach_state: typing.Callable = dataclasses.field(
        default=_nothing, metadata={"identity": False}
    )


def check_model(name, model):
    """Refuses what has not the parts of a model, with what was probably meant."""
    if isinstance(model, str | os.PathLike):
        raise TypeError(
            f"`{name}` must be a `PatchDPM`. Load a preset with "
            f"`PatchDPM.from_preset({str(model)!r})`, a saved model with "
            f"`keras.models.load_model`. Received: {name}={model!r}."
        )
    parts = ("network", "schedule", "patching", "image_shape")
    missing = [part for part in parts if not hasattr(model, part)]
    if missing or isinstance(model, type):
        raise TypeError(
            f"`{name}` must be a `PatchDPM`: a sampler needs its schedule and patching "
            "beside the network. Wrap a network: `PatchDPM(network, schedule, "
            f"patching)`. It has no {', '.join(missing) or 'instance'}. Received: "
            f"{name}={model!r} (of type {type(model).__name__})."
        )


def _attach_state(model):
    """How a model gives its variables their values."""
    return getattr(model, "attach_state", _nothing)


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


def _first_stages(model, divisions):
    """A cascade that ends at a grid of `divisions` x `divisions` patches."""
    patching = model.patching.first_stages(divisions)
    patch = model.patching.input_specs(model.image_shape)["noisy"][0]
    return dataclasses.replace(
        as_sampled(model), patching=patching, image_shape=patching.image_shape(patch)
    )


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
        attach_state=_attach_state(model),
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
