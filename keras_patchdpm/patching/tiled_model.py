"""A model with the tiling in which it is sampled."""

import dataclasses
import math
import os
import typing

import keras
from keras import layers

from keras_patchdpm import _checks, augmentation
from keras_patchdpm.patching.stage import Stage

PARTS = ("network", "schedule", "patching", "image_shape")


def _nothing():
    """The `attach_state` of models whose state is only in their variables."""


@dataclasses.dataclass(frozen=True)
class TiledModel:
    """What sampling, profiles and plans need of a model; `PatchDPM.tiled` returns it.

    A checkpoint knows the model by these fields, see `samplers.identity.describe`.

    Attributes:
        network: Functional `keras.Model` over inputs of fixed size, with the model's
            weights and without the labels of an augmentation.
        schedule: Of the model.
        patching: Of the model.
        stages: List of `Stage`s.
        latents: Bool. Whether the images are latents.
        num_classes: Int, of the labels. `None` if the network accepts none.
        whole: `TiledModel` of the whole image as one patch, or `None`.
        whole_above: Float. Strength of the noise, `sigma / alpha`, above which `whole`
            is used.
        attach_state: Function without arguments, called before the network: on JAX
            `fit` holds the weights, and this gives them back.

    Example:

    >>> tiled = model_of_crops.tiled(4)
    >>> tiled.num_patches
    16
    """

    network: typing.Any
    schedule: typing.Any
    patching: typing.Any
    stages: list[Stage]
    latents: bool = False
    num_classes: int | None = None
    whole: typing.Any = None
    whole_above: float = math.inf
    attach_state: typing.Callable = dataclasses.field(
        default=_nothing, metadata={"identity": False}
    )

    @property
    def image_shape(self):
        """`(height, width, channels)` of the images that are generated."""
        return self.stages[-1].image_shape

    @property
    def num_patches(self):
        """Int. Patches of an image in a step of the last stage."""
        return self.stages[-1].num_patches


def tiled(
    model,
    divisions=None,
    *,
    shift=None,
    overlap=None,
    image_size=None,
    whole_above=None,
    **others,
):
    """The `TiledModel` of a model: see `PatchDPM.tiled` for the arguments.

    Args:
        model: `PatchDPM`, or any object with `network`, `schedule`, `patching` and
            `image_shape`.
        divisions, shift, overlap, image_size, whole_above: See `PatchDPM.tiled`.

    Raises:
        TypeError: If `model` is no model.
        ValueError: If an option is out of range, or cannot be chosen for the model.
    """
    check_model("model", model)
    options = {
        "divisions": divisions,
        "shift": shift,
        "overlap": overlap,
        "image_size": image_size,
        "whole_above": whole_above,
        **others,
    }
    options = {name: value for name, value in options.items() if value is not None}
    found = _of_stages(model, model.patching.tiled(model.image_shape, **options))
    if whole_above is None:
        return found
    whole_above = _checks.real("whole_above", whole_above, minimum=0)
    size = {} if image_size is None else {"image_size": image_size}
    whole = _of_stages(model, model.patching.tiled(model.image_shape, **size))
    if whole.num_patches != 1:
        raise ValueError(
            "`whole_above` needs a patching that can use the whole image as one patch. "
            f"Leave it out. Received: whole_above={whole_above} with a "
            f"{type(model.patching).__name__} of {whole.num_patches} patches."
        )
    return dataclasses.replace(found, whole=whole, whole_above=whole_above)


def as_tiled(model):
    """A `TiledModel` as it is; of another model that of its training."""
    return model if isinstance(model, TiledModel) else tiled(model)


def check_model(name, model):
    """Raises an error for what is not a model; the message says how to get a model.

    Raises:
        TypeError: If it is no model.
    """
    if isinstance(model, str | os.PathLike):
        raise TypeError(
            f"`{name}` must be a `PatchDPM`. Load a preset with "
            f"`PatchDPM.from_preset({str(model)!r})`, or a saved model with "
            f"`keras.models.load_model`. Received: {name}={model!r}."
        )
    missing = [part for part in PARTS if not hasattr(model, part)]
    if missing or isinstance(model, type):
        raise TypeError(
            f"`{name}` must be a `PatchDPM`: a sampler needs the schedule and the "
            "patching as well as the network. Wrap a network: `PatchDPM(network, "
            f"schedule, patching)`. Missing: {', '.join(missing) or 'an instance'}. "
            f"Received: {name}={model!r} (of type {type(model).__name__})."
        )


def _check_positions(model, stages):
    """Refuses more patches than the network has positions."""
    specs = model.patching.input_specs(model.image_shape)
    for name, spec in specs.items():
        most = max(stage.num_patches for stage in stages)
        if spec.kind == "position" and most > spec.size:
            raise ValueError(
                f"The network was trained with {spec.size} positions (`{name}`), and "
                f"there are {most} tiles, since they overlap or are shifted. Use the "
                "tiles of the training, or train with coordinates. Received: "
                f"{stages[-1].tiling!r}."
            )


def _of_stages(model, stages):
    """The `TiledModel` of a model with those stages."""
    _check_positions(model, stages)
    return TiledModel(
        network=_for_sampling(model.network, stages[-1].window_shape),
        schedule=model.schedule,
        patching=model.patching,
        stages=stages,
        latents=getattr(model, "latents", False),
        num_classes=getattr(model, "num_classes", None),
        attach_state=getattr(model, "attach_state", _nothing),
    )


def _for_sampling(network, window_shape):
    """The network for one size of patch, so that it is compiled, and measured, for it.

    The labels of an augmentation are 0: the images are not transformed.
    """
    if not isinstance(network, keras.Model):  # Its inputs are fixed.
        return network
    shapes = {name: tuple(x.shape[1:]) for name, x in network.input.items()}
    augmented = shapes.pop(augmentation.LABELS, None) is not None
    if not augmented and not any(None in shape for shape in shapes.values()):
        return network
    inputs = {
        name: keras.Input(
            (*window_shape[:2], *shape[2:]) if None in shape else shape,
            dtype=network.input[name].dtype,
            name=name,
        )
        for name, shape in shapes.items()
    }
    fixed = {augmentation.LABELS: _zeros(inputs["timestep"])} if augmented else {}
    prediction = network({**inputs, **fixed})
    return keras.Model(inputs, prediction, name=f"{network.name}_for_sampling")


def _zeros(timestep):
    """Zeros in place of the labels of an augmentation, one row for each patch."""
    x = layers.Reshape((1,), name="column")(timestep)
    x = layers.Rescaling(0.0, dtype="float32", name="zero")(x)
    x = layers.RepeatVector(augmentation.NUM_LABELS, dtype="float32", name="zeros")(x)
    return layers.Flatten(dtype="float32", name="no_augmentation")(x)
