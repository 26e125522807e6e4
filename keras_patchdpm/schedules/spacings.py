"""Which timesteps a sampler takes, if not all of them.

- `"uniform"`: evenly, the first and the last included.
- `"leading"`: every k-th from 0 on. Source: Song et al. 2021 (arXiv:2010.02502),
  appendix D.2, "linear".
- `"trailing"`: every k-th down from the last. Source: Lin et al. 2023
  (arXiv:2305.08891), table 2.
- `"karras"`: those nearest to levels that are even in `(sigma / alpha) ** (1 / 7)`,
  denser near the clean image. Source: Karras et al. 2022 (arXiv:2206.00364),
  equation 5.
"""

import numpy as np

from keras_patchdpm import _checks

SPACINGS = ("uniform", "leading", "trailing", "karras")
RHO = 7


def timesteps(ratios, steps, spacing):
    """Falling timesteps of a discrete process.

    Args:
        ratios: Float array of `sigma / alpha` at each timestep, rising.
        steps: Int, `None` for all, or the timesteps themselves.
        spacing: One of `SPACINGS`.

    Returns:
        List of ints.
    """
    _checks.one_of("spacing", spacing, SPACINGS)
    total = len(ratios)
    if isinstance(steps, list | tuple | range | np.ndarray):
        return _own(steps, total)
    steps = total if steps is None else steps
    _checks.integer("steps", steps, minimum=1)
    if steps > total:
        raise ValueError(
            f"A process of {total} timesteps cannot be walked down in more steps than "
            f"that. Received: steps={steps}."
        )
    if spacing == "leading":
        return (np.arange(steps) * (total // steps))[::-1].tolist()
    if spacing == "trailing":
        return (
            (np.rint(total - np.arange(steps) * total / steps) - 1).astype(int).tolist()
        )
    if spacing == "karras":
        return _karras(ratios, steps)
    return np.linspace(total - 1, 0, steps).round().astype(int).tolist()


def _karras(ratios, steps):
    ends = ratios[[-1, 0]] ** (1 / RHO)
    wanted = np.linspace(*ends, steps) ** RHO
    found = np.interp(np.log(wanted), np.log(ratios), np.arange(len(ratios)))
    # No timestep twice: near the clean image there are fewer than would be taken.
    found = np.maximum(np.rint(found).astype(int), np.arange(steps)[::-1])
    for step in range(1, steps):
        found[step] = min(found[step], found[step - 1] - 1)
    return found.tolist()


def _own(steps, total):
    """A sequence of the user's."""
    found = [_checks.integer("steps", step, 0, total - 1) for step in steps]
    if not found or any(np.diff(found) >= 0):
        raise ValueError(
            "Timesteps must fall, from the noisiest to the cleanest, and there must be "
            f"one at least. Received: steps={found}."
        )
    return found
