"""Checks that a network, a schedule and a patching fit together in a model."""

import warnings

from keras_patchdpm import _checks
from keras_patchdpm.layers.label_embedding import classes_of
from keras_patchdpm.patching import InputSpec, Patching
from keras_patchdpm.schedules import Schedule
from keras_patchdpm.schedules.predictions import error_gain

_MOST_GAIN = 1000  # 157 with "linear" noise, which samples latents well.


def check_seed(name, seed):
    """Refuses seeds that a backend cannot hold."""
    return _checks.integer(name, seed, minimum=0, maximum=2**31 - 1)


def check_choices(schedule, patching):
    """Checks the classes of the schedule and the patching.

    Raises:
        ValueError: If `schedule` is no `Schedule`, or `patching` no `Patching`.
    """
    for name, value, kind, example in (
        ("schedule", schedule, Schedule, "DDPMSchedule()"),
        ("patching", patching, Patching, "GridPatching(2)"),
    ):
        if not isinstance(value, kind):
            raise ValueError(
                f"`{name}` must be a `{kind.__name__}` such as `{example}`. "
                f"Received: {name}={value!r}."
            )


def patch_shape(network, patching):
    """`(h, w, C)` of the network's input `noisy`; `h` and `w` are `None` for crops."""
    try:
        inputs = network.input
    except (AttributeError, ValueError):  # No model, or not a functional one.
        inputs = None
    if not isinstance(inputs, dict) or not {"noisy", "timestep"} <= set(inputs):
        found = sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__
        raise ValueError(
            "`network` must be a functional model over a dict of inputs with at least "
            "'noisy' and 'timestep', such as `networks.unet(64, patching)`. "
            f"Received: network={network!r} with the inputs {found}."
        )
    shape = tuple(inputs["noisy"].shape[1:])
    open_sizes = patching.cuts_batches and shape[-1] is not None
    if len(shape) != 3 or (None in shape and not open_sizes):
        raise ValueError(
            "The network's input 'noisy' must have a fixed shape (height, width, "
            f"channels), without the batch axis. Received: {shape}."
        )
    return shape


def check_network(network, specs):
    """Refuses a network whose inputs differ from those of the patching.

    Returns:
        The number of classes of the network, or `None` if it has no input for labels.
    """
    num_classes = classes_of(network)
    given = {**specs, "timestep": InputSpec((), None)}
    if num_classes is not None:
        given["label"] = InputSpec((), None)
    asked = {name: tuple(tensor.shape[1:]) for name, tensor in network.input.items()}
    wanted = {name: tuple(spec.shape) for name, spec in given.items()}
    if asked != wanted:
        raise ValueError(
            "The network's inputs differ from those of the patching. Build the network "
            f"with the same `patching`. Received: a network with the inputs {asked}, "
            f"a patching with the inputs {wanted}."
        )
    output = getattr(network.output, "shape", None)
    if output is None or tuple(output[1:]) != wanted["noisy"]:
        raise ValueError(
            "The network's output must have the shape of its input 'noisy'. Received: "
            f"a network with an input of {wanted['noisy']} and an output of "
            f"{network.output_shape}."
        )
    return num_classes


def check_timestep(network, schedule):
    """Refuses a network that would round the float timesteps of `schedule`."""
    dtype = network.input["timestep"].dtype
    if "float" in schedule.timestep_dtype and "float" not in dtype:
        raise ValueError(
            f"The timesteps of {type(schedule).__name__} are floats. Build the network "
            "with the same `schedule`, such as `networks.unet(64, patching, "
            "schedule=schedule)`. Received: a network whose input 'timestep' is "
            f"{dtype}."
        )


def warn_of_growing_errors(schedule):
    """Warns of a schedule whose clean estimates must be clipped: latents are not."""
    gain = error_gain(schedule)
    if gain > _MOST_GAIN:
        warnings.warn(
            f"`schedule` multiplies errors of the network by {gain:,.0f} where "
            "sampling starts, and the clean estimates of latents are not clipped: "
            "latents come out far too large. Choose "
            '`DDPMSchedule(prediction="velocity")` or `EDMSchedule()`. '
            f"Received: latents=True, schedule={schedule!r}.",
            stacklevel=3,
        )


def some_shape(shape):
    """`shape`, with 8 in place of `None`."""
    return tuple(8 if side is None else side for side in shape)
