"""How a model is sampled unless something else is asked for, and in a preset."""

import dataclasses

from keras_patchdpm import _checks
from keras_patchdpm.samplers import Guidance, PatchSampler

NAMES = ("rule", "steps", "spacing", "eta", "variance", "churn", "clip", "guidance")
GUIDANCE = ("scale", "interval", "stages")
GUIDE = "guide"  # Folder of the guide's own preset, in that of the model.


@dataclasses.dataclass(frozen=True)
class Settings:
    """Arguments of `PatchSampler`, by name.

    Not a dict: Keras would look into it for layers to save with the model.
    """

    arguments: dict = dataclasses.field(default_factory=dict)

    def sampler(self, model, options):
        """A `PatchSampler` of these settings, but for `options`."""
        arguments = {**self.arguments, **options}
        if "rule" in options and "rule" in self.arguments:
            # What belongs to one rule is refused by the others.
            for name in {"eta", "variance", "churn"} - set(options):
                arguments.pop(name, None)
        if "spacing" not in options and not isinstance(arguments.get("steps"), int):
            arguments.pop("spacing", None)  # Of a number of steps alone.
        return PatchSampler(model, **arguments)


def to_plain(settings):
    """Plain data for a preset: the settings without the guide, and the guide."""
    plain, guidance = dict(settings.arguments), settings.arguments.get("guidance")
    if guidance is None:
        return plain, None
    plain["guidance"] = {
        "scale": guidance.scale,
        "interval": [None if end == float("inf") else end for end in guidance.interval],
        "stages": None if guidance.stages is None else list(guidance.stages),
    }
    return plain, None if guidance.by_label else guidance.by


def from_plain(plain, guide):
    """The `Settings` of a preset.

    Args:
        plain: Dict, as `to_plain` returned it.
        guide: `PatchDPM`, or `None` for guidance by labels.
    """
    check(plain)
    arguments = dict(plain)
    if "guidance" in arguments:
        found = dict(arguments["guidance"])
        low, high = found.pop("interval", (0.0, None))
        interval = (low, float("inf") if high is None else high)
        by = "label" if guide is None else guide
        arguments["guidance"] = Guidance(by, **found, interval=interval)
    return Settings(arguments)


def check(plain):
    """Refuses what is no dict of settings, which may come from strangers.

    Raises:
        TypeError: If it, or the guidance in it, is no dict, or `interval` no pair.
        ValueError: If a key is unknown, or the guidance has no scale.
    """
    _check_keys("sampling", plain, NAMES)
    if "guidance" in plain:
        guidance = plain["guidance"]
        _check_keys("guidance", guidance, GUIDANCE)
        if "scale" not in guidance:
            raise ValueError(f"`guidance` needs `scale`. Received: {guidance!r:.200}.")
        interval = guidance.get("interval", (0, None))
        _checks.sequence("interval", interval, lambda name, value: value, 2)


def _check_keys(name, value, known):
    if not isinstance(value, dict):
        raise TypeError(
            f"`{name}` must be a dict. Received: {name}={value!r:.200} "
            f"(of type {type(value).__name__})."
        )
    unknown = [key for key in value if key not in known]
    if unknown:
        raise ValueError(
            f"`{name}` may have {', '.join(known)}. Received: {unknown[:20]}."
        )
