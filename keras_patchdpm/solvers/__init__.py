"""Solvers: how one step takes a noisy image to the next noise level.

The image at the next level is a weighted sum of the noisy image, the clean estimate,
the clean estimate of the previous step and fresh noise. A solver computes the four
coefficients from the noise levels alone. `PatchSampler` does the rest.

`sigma / alpha` of the levels falls at each step. It starts at infinity (`alpha` 0, pure
noise) or below, and ends at 0 (`sigma` 0, a clean image).
"""

from keras_patchdpm.solvers._names import NAMES, as_solver  # noqa: F401
from keras_patchdpm.solvers._solvers import (  # noqa: F401
    DDIM,
    DDPM,
    DPMSolver2M,
    DPMSolver2MSDE,
    Heun,
    posterior,
    remaining,
)
from keras_patchdpm.solvers.base import Coefficients, Solver

__all__ = [
    "DDIM",
    "DDPM",
    "Coefficients",
    "DPMSolver2M",
    "DPMSolver2MSDE",
    "Heun",
    "Solver",
]
