"""The settings with which a model is sampled by default; a preset stores them."""

import dataclasses
import math

import numpy as np

from keras_patchdpm import _checks, solvers
from keras_patchdpm.presets import _builders
from keras_patchdpm.samplers import Guidance, PatchSampler
from keras_patchdpm.schedules.spacings import is_sequence

NAMES = ("solver", "steps", "spacing", "guidance")
GUIDANCE = ("by", "scale", "interval", "stages")
LABEL, GUIDE = "label", "guide"  # Values of `by`; "guide" is the folder of the guide.


@dataclasses.dataclass(frozen=True)
class Settings:
    """Arguments of `PatchSampler`, by name.

    Not a dict, in which Keras would search for layers to save with the model.
    """

    arguments: dict = dataclasses.field(default_factory=dict)

    def sampler(self, model, options):
        """A `PatchSampler` with these settings; `options` override them."""
        arguments = {**self.arguments, **options}
        if "spacing" not in options and is_sequence(arguments.get("steps")):
            arguments.pop("spacing", None)  # A spacing needs a number of steps.
        return PatchSampler(model, **arguments)


def to_plain(settings):
    """`(plain, guide)`: plain data for a preset, and the guide's model or `None`."""
    plain = {name: _plain(value) for name, value in settings.arguments.items()}
    if "solver" in plain:
        solver = solvers.as_solver(plain["solver"])
        plain["solver"] = _builders.named("solver", solvers.NAMES, solver)
    guidance = plain.get("guidance")
    if guidance is None:
        return plain, None
    if guidance.by is guidance.guide:
        raise ValueError(
            "A preset stores its guide as a preset too, so the guide must be a "
            "`PatchDPM`. Pass the `PatchDPM`, not the result of its `tiled`. "
            f"Received: guidance={guidance!r:.200}."
        )
    plain["guidance"] = {
        "by": LABEL if guidance.by_label else GUIDE,
        "scale": guidance.scale,
        "interval": [None if end == math.inf else end for end in guidance.interval],
        "stages": None if guidance.stages is None else list(guidance.stages),
    }
    return plain, None if guidance.by_label else guidance.by


def from_plain(plain, guide):
    """The `Settings` of a preset.

    Args:
        plain: Dict, as `to_plain` returned it.
        guide: `PatchDPM`, or `None` if `guided` is `False`.
    """
    arguments = dict(plain)
    if "solver" in arguments:
        solver = arguments["solver"]
        arguments["solver"] = _builders.build("solver", solvers.NAMES, solver)
    if arguments.get("guidance") is not None:
        guidance = dict(arguments["guidance"])
        low, high = guidance.pop("interval", (0.0, None))
        guidance["interval"] = (low, math.inf if high is None else high)
        guidance["by"] = LABEL if guide is None else guide
        arguments["guidance"] = Guidance(**guidance)
    return Settings(arguments)


def guided(plain):
    """Whether the settings need a guide, the model in the folder `GUIDE`."""
    return (plain.get("guidance") or {}).get("by") == GUIDE


def check(plain):
    """Validates settings, which may come from an untrusted preset.

    Raises:
        TypeError: If the settings, or the guidance in them, are no dict, or `interval`
            is no pair.
        ValueError: If a key is unknown, or the guidance lacks `by` or `scale`.
    """
    check_names(plain)
    if "solver" in plain:
        _checks.instance("solver", plain["solver"], dict)
    guidance = plain.get("guidance")
    if guidance is None:
        return
    _check_keys("guidance", guidance, GUIDANCE)
    _checks.one_of("by", guidance.get("by"), (LABEL, GUIDE))
    if "scale" not in guidance:
        raise ValueError(
            f"`guidance` needs the key `scale`. Received: guidance={guidance!r:.200}."
        )
    interval = guidance.get("interval", (0, None))
    _checks.sequence("interval", interval, lambda name, value: value, count=2)


def check_names(settings):
    """Refuses names that are no settings.

    Args:
        settings: Dict.

    Raises:
        TypeError: If it is no dict.
        ValueError: If a name is unknown.
    """
    _check_keys("sampling", settings, NAMES)


def _check_keys(name, value, known):
    _checks.instance(name, value, dict)
    unknown = [key for key in value if key not in known]
    if unknown:
        raise ValueError(
            f"`{name}` accepts the keys {', '.join(known)}. "
            f"Received: the unknown keys {unknown[:20]}."
        )


def _plain(value):
    """Converts NumPy values and sequences to the types of JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, range | tuple) else value
