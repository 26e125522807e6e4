"""One noise level."""

import typing


class NoiseLevel(typing.NamedTuple):
    """The scales of the image and of the noise in `alpha * clean + sigma * noise`.

    Attributes:
        alpha: Float, scale of the clean image.
        sigma: Float, scale of the noise.
        condition: The network's input for the level: the int timestep of a
            `DDPMSchedule`, the float `ln(s) / 4` of an `EDMSchedule`. `None` for
            `CLEAN`, at which no network is called.
    """

    alpha: float
    sigma: float
    condition: int | float | None = None


CLEAN = NoiseLevel(1.0, 0.0)
