"""What a solver does to normally distributed pixels, computed exactly.

There is no network, and no random number. The best denoiser of such pixels is linear,
so a solver keeps them normal. One pixel starts from 0 and gets no noise: it ends at the
mean. Each of the others gets one unit of one draw of noise: together they give the
standard deviation.
"""

import numpy as np

from keras_patchdpm.samplers.loop import State, walk


def propagate(levels, solver, *, mean=0.2, std=0.3, level_of=None):
    """Mean and standard deviation of the images that sampling ends with.

    Args:
        levels: List of `NoiseLevel`s, of `schedule.levels`.
        solver: `Solver`.
        mean, std: Floats, of the pixels of the true images.
        level_of: Function of a strength to its `NoiseLevel`, for solvers that add noise
            first.

    Returns:
        `(mean, std)`, two floats: those of the true images, if the solver were exact.
    """

    def denoise(noisy, level, out=None):
        share = level.alpha * std**2 / ((level.alpha * std) ** 2 + level.sigma**2)
        return mean + share * (noisy - level.alpha * mean)

    pixels = np.zeros((1, 2 * len(levels), 1, 1))  # Float64: no rounding in the way.
    pixels[0, 1] = 1.0  # The noise that sampling starts from.
    units = _Units()
    state = State(pixels)
    for _ in walk(
        denoise,
        state,
        levels,
        solver=solver,
        level_of=level_of,
        noise=lambda step: [units],
    ):
        pass
    found = state.noisy.ravel()
    return float(found[0]), float(np.linalg.norm(found - found[0]))


class _Units:
    """Replaces a generator: its k-th draw is 1 for the pixel k + 1 alone."""

    def __init__(self):
        self.pixel = 1

    def standard_normal(self, count, dtype):
        self.pixel += 1
        return (np.arange(count) == self.pixel).astype("float64")
