"""Guidance: each prediction is moved away from a worse one."""

import dataclasses
import functools
import math
import typing

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.patching.tiled_model import as_tiled, check_model


@dataclasses.dataclass(frozen=True)
class Guidance:
    """Moves each prediction away from a worse one: clearer images, less varied ones.

    The network's prediction `good` becomes `worse + scale * (good - worse)`. The worse
    prediction comes from the same network without the label (classifier-free guidance),
    or from a smaller or less trained network (autoguidance). The two networks are
    called one after the other: a guide adds the memory of its weights alone.

    Args:
        by: `"label"`, for a model that was trained on labels: the worse prediction is
            that of the same network without the label. Or a `PatchDPM` with the same
            schedule and the same size of patch, smaller or less trained than the model;
            or what its `tiled` returns.
        scale: Float of at least 0. 1: no guidance; above 1: stronger; 0: the worse
            prediction alone. Values of 1 to 3 are usual for labels, 1.2 to 2 for a
            model.
        interval: Pair of floats: the least and the largest strength of the noise,
            `sigma / alpha`, at which guidance is used. Outside, only the network itself
            is called. Default: at all levels.
        stages: Ints, the stages of a cascade (0 is the thumbnail's) in which guidance
            is used. Default `None`: in all stages.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a number is out of range.

    Example:

    >>> PatchSampler(model, "heun", 18, guidance=Guidance("label", 1.5))
    >>> PatchSampler(model, "dpmpp_2m", 20, guidance=Guidance(early, 1.5, stages=[0]))

    Source: labels: Ho & Salimans 2022 (arXiv:2207.12598), equation 6, in the notation
    of Wang et al. 2023 (arXiv:2304.12526); another network: Karras et al. 2024
    (arXiv:2406.02507), equation 3; interval: Kynkaanniemi et al. 2024
    (arXiv:2404.07724).
    """

    by: typing.Any = dataclasses.field(metadata={"identity": False})
    scale: float
    interval: tuple = (0.0, math.inf)
    stages: tuple | None = None
    # The other model, a `TiledModel`; `None` for labels. A checkpoint compares it.
    guide: typing.Any = dataclasses.field(init=False, repr=False, default=None)

    def __post_init__(self):
        set_ = functools.partial(object.__setattr__, self)  # The class is frozen.
        if not (isinstance(self.by, str) and self.by == "label"):
            check_model("by", self.by)
            set_("guide", as_tiled(self.by))
        set_("scale", _checks.real("scale", self.scale, minimum=0))
        set_("interval", _interval(self.interval))
        if self.stages is not None:
            stage = functools.partial(_checks.integer, minimum=0)
            set_("stages", _checks.sequence("stages", self.stages, stage))

    @property
    def networks(self):
        """The networks that guidance needs in addition to the model's, a tuple."""
        return () if self.by_label else (self.guide.network,)

    @property
    def by_label(self):
        """Bool. Whether the worse prediction is the same network's, without a label."""
        return self.guide is None

    def used(self, stage, level):
        """Whether guidance is used in a stage, an int, at a `NoiseLevel`."""
        low, high = self.interval
        return (
            (self.stages is None or stage in self.stages)
            and low * level.alpha <= level.sigma
            and (high == math.inf or level.sigma <= high * level.alpha)
        )

    @property
    def guide_inputs(self):
        """Names of the inputs of the guide's network, a tuple; `None` for labels."""
        return None if self.by_label else tuple(_inputs(self.guide.network))

    def check_fits(self, model):
        """Checks that this guidance fits a model; called by `PatchSampler`.

        Args:
            model: `TiledModel` to be guided.

        Raises:
            ValueError: If the model has no labels, or the guide has another schedule,
                other inputs than the model, or fewer stages.
        """
        if self.by_label:
            if model.num_classes is None:
                raise ValueError(
                    "Guidance by labels needs a model that was trained on labels: "
                    "build its network with `num_classes`. Received: "
                    f"guidance={self!r} with a network that accepts no labels."
                )
            return
        wanted, given = self.guide.schedule.get_config(), model.schedule.get_config()
        if type(self.guide.schedule) is not type(model.schedule) or wanted != given:
            raise ValueError(
                "The guide must have the same schedule as the model, so that both "
                "networks predict the same quantity. Received: a guide with "
                f"{self.guide.schedule!r} for a model with {model.schedule!r}."
            )
        wanted, given = _inputs(self.guide.network), _inputs(model.network)
        missing = {
            name: shape for name, shape in wanted.items() if given.get(name) != shape
        }
        if missing:
            raise ValueError(
                "The guide's network needs inputs that the model's network does not "
                "have in that shape. Use a guide with the same patching and the same "
                f"size of patch. Received: a guide with the inputs {missing}, for a "
                f"network with {given}."
            )
        if model.whole is not None:
            raise ValueError(
                "A guide accepts patches of one size only, and with `whole_above` the "
                "network also denoises whole images. Leave one of the two out, or use "
                "guidance by labels. "
                f"Received: whole_above={model.whole_above} with {self!r}."
            )
        self._check_stages(model)

    def _check_stages(self, model):
        """Refuses stages that the guide was not trained for."""
        known, count = (len(one.stages) for one in (self.guide, model))
        asked = range(count) if self.stages is None else self.stages
        unknown = [stage for stage in asked if known <= stage < count]
        if unknown:
            raise ValueError(
                f"The guide was trained for {known} stages of a cascade, and the model "
                f"has {count}. Use the guide only in its own stages: "
                f"`stages={list(range(known))}`. Received: stages={self.stages}."
            )


def worse_inputs(inputs, guide_inputs, num_classes):
    """The network inputs for the worse prediction, a dict.

    Args:
        inputs: Dict of arrays or tensors, the inputs for the good prediction; of
            `runtime.gradient_call`, also `gradient`.
        guide_inputs: Names of the inputs that the guide needs, or `None` for labels.
        num_classes: Int, the model's number of classes, which as a label means "no
            label".
    """
    if guide_inputs is None:
        return {**inputs, "label": 0 * inputs["label"] + num_classes}
    names = (*guide_inputs, "gradient") if "gradient" in inputs else guide_inputs
    return {name: inputs[name] for name in names}


def guided(good, worse, scale):
    """The prediction `good`, moved away from `worse`: see `Guidance`."""
    return worse + scale * (good - worse)


def _inputs(network):
    """Dict of a network's inputs: names to shapes without the batch axis."""
    return {name: tuple(value.shape[1:]) for name, value in network.input.items()}


def _interval(interval):
    """Validates `interval`."""
    low, high = _checks.sequence("interval", interval, _bound, count=2)
    if high < low:
        raise ValueError(
            "`interval` must be the least and the largest strength of the noise, in "
            f"this order. Received: interval={interval}."
        )
    return low, high


def _bound(name, value):
    return math.inf if value == math.inf else _checks.real(name, value, minimum=0)


def check_labels(labels, num_images, *, guidance, num_classes):
    """Validates the argument `labels` of the sampler; one label for each image.

    Args:
        labels: Int for all images, sequence of one for each, or `None`.
        num_images: Positive int.
        guidance: `Guidance`, or `None`.
        num_classes: Int, or `None` for a model without labels.

    Returns:
        Int32 array `(num_images,)`, or `None` for a model without labels.

    Raises:
        TypeError: If a label is no int.
        ValueError: If a label is out of range, there is not exactly one per image, the
            model has no labels, or guidance by labels has no labels.
    """
    if labels is None:
        if guidance is not None and guidance.by_label:
            raise ValueError(
                "Guidance by labels needs labels. Pass `labels`, or leave `guidance` "
                f"out. Received: labels=None, guidance={guidance!r}."
            )
        if num_classes is None:
            return None
        return np.broadcast_to(np.int32(num_classes), (num_images,))
    if num_classes is None:
        raise ValueError(
            "The model accepts no labels: its network was built without `num_classes`. "
            f"Leave `labels` out. Received: labels={labels!r}."
        )
    if np.ndim(labels) == 0:
        label = _checks.integer("labels", labels, minimum=0, maximum=num_classes - 1)
        return np.broadcast_to(np.int32(label), (num_images,))
    each = list(labels)
    if len(each) != num_images:
        raise ValueError(
            f"`labels` must contain one int for each of the {num_images} images, or be "
            f"one int for all images. Received: {len(each)} labels."
        )
    found = [
        _checks.integer("labels", label, minimum=0, maximum=num_classes - 1)
        for label in each
    ]
    return np.array(found, "int32")
