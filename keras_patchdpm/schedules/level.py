"""One noise level."""

import typing


class NoiseLevel(typing.NamedTuple):
    """How much of the image and of the noise is there: `alpha * clean + sigma * noise`.

    Attributes:
        alpha: Float, scale of the clean image.
        sigma: Float, scale of the noise.
        condition: What the network is told of the level: the int timestep of a DDPM;
            `None` for the clean end, which no network is asked about.
    """

    alpha: float
    sigma: float
    condition: int | float | None = None


CLEAN = NoiseLevel(1.0, 0.0)
