"""A model of random crops, as it is sampled in a grid of patches."""

import dataclasses
import typing
import warnings

import keras


def in_grid(model, divisions=None, moving=None):
    """The model as it is sampled: in a grid, if that is not known from training.

    Raises:
        ValueError: If the grid is known, and another is asked for.
    """
    if hasattr(model.patching, "at"):
        divisions = 1 if divisions is None else divisions
        return GriddedModel.of(model, divisions, bool(moving))
    for name, value in (("divisions", divisions), ("moving", moving)):
        if value is not None:
            raise ValueError(
                f"`{name}` is chosen here for a model of `RandomPatching`; a model of "
                f"{type(model.patching).__name__} has it from training. Leave it out. "
                f"Received: {name}={value}."
            )
    return model


@dataclasses.dataclass(frozen=True)
class GriddedModel:
    """What a sampler asks of a model, for one grid.

    Attributes:
        network: Functional model over inputs of fixed size, with the model's weights.
        schedule: Of the model.
        patching: `GridPatching`.
        image_shape: `(height, width, channels)`.
    """

    network: typing.Any
    schedule: typing.Any
    patching: typing.Any
    image_shape: tuple

    @classmethod
    def of(cls, model, divisions, moving):
        """A model of `RandomPatching` in a grid.

        Raises:
            ValueError: If the image does not divide into the grid.
        """
        patching = model.patching.at(divisions, moving)
        specs = patching.input_specs(model.image_shape)
        size = specs["noisy"][0][:2]
        if size not in model.patching.sizes:
            trained = ", ".join(f"{h}x{w}" for h, w in model.patching.sizes)
            warnings.warn(
                f"The model was trained on crops of {trained} pixels, and is sampled "
                f"in patches of {size[0]}x{size[1]}, which it has not seen. Add their "
                "fraction to the `fractions` of its `RandomPatching`, and train it "
                f"again. Received: divisions={divisions}.",
                stacklevel=4,
            )
        network = _of_fixed_size(model.network, specs)
        return cls(network, model.schedule, patching, model.image_shape)


def _of_fixed_size(network, specs):
    """The network for one size of patch, so that it is compiled, and measured, for it.

    Raises:
        ValueError: If the network asks for what the patching does not give.
    """
    level = network.input["level"]
    specs = {**specs, "level": ((), level.dtype)}
    inputs = {
        name: keras.Input(shape, dtype=dtype, name=name)
        for name, (shape, dtype) in specs.items()
    }
    return keras.Model(inputs, network(inputs), name=f"{network.name}_in_grid")
