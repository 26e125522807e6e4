"""Spacings: which timesteps a sampler uses, if not all of them.

Every spacing starts at the last timestep, since sampling starts from pure noise.

- `"karras"`, the default: the last timestep, then those nearest to levels that are even
  in `(sigma / alpha) ** (1 / 7)`, which are denser near the clean image. Source: Karras
  et al. 2022 (arXiv:2206.00364), equation 5. As there, they are spread from a strength
  of 80 down. Above 80 an image is almost pure noise; the cosine schedule goes up to
  20,000, and would use half of its steps there.
- `"uniform"`: evenly, with the first and the last timestep.
- `"leading"`: every k-th timestep from 0 on. Source: Song et al. 2021
  (arXiv:2010.02502), appendix D.2, "linear". Their noisiest timestep is below the last,
  which is wrong for pure noise (Lin et al. 2023, section 3.3): here it is replaced by
  the last.
- `"trailing"`: every k-th timestep, from the last one down. Source: Lin et al. 2023
  (arXiv:2305.08891), table 2.
"""

import numpy as np

from keras_patchdpm import _checks

SPACINGS = ("karras", "uniform", "leading", "trailing")
RHO = 7
STRONGEST = 80.0  # `sigma_max` of Karras et al., table 1.


def timesteps(ratios, steps, spacing):
    """The timesteps of a sampling, from the noisiest to the cleanest.

    Args:
        ratios: Float array of `sigma / alpha` at each timestep, rising.
        steps: Int; `None` for all; or the timesteps themselves.
        spacing: One of `SPACINGS`, or `None` for `"karras"`.

    Returns:
        List of ints.
    """
    _checks.one_of("spacing", spacing, (None, *SPACINGS))
    total = len(ratios)
    if is_sequence(steps):
        check_no_spacing(spacing)
        return _own(steps, total)
    steps = total if steps is None else steps
    _checks.integer("steps", steps, minimum=1)
    if steps > total:
        raise ValueError(
            f"`steps` must be at most {total}, the number of timesteps of the "
            f"schedule. Received: steps={steps}."
        )
    found = _SPREAD[spacing or "karras"](ratios, steps).astype(int)
    found[0] = total - 1
    return found.tolist()


def is_sequence(steps):
    """Whether `steps` are the steps themselves, not their number."""
    if isinstance(steps, np.ndarray):
        return steps.ndim > 0
    return isinstance(steps, list | tuple | range)


def check_no_spacing(spacing):
    """Refuses a spacing together with a sequence of steps."""
    if spacing is not None:
        raise ValueError(
            "`spacing` is only for a number of `steps`. A sequence already states "
            f"which steps are used. Leave `spacing` out. Received: spacing={spacing!r}."
        )


def _karras(ratios, steps):
    ratios = np.minimum(ratios, STRONGEST)
    ends = ratios[[-1, 0]] ** (1 / RHO)
    wanted = np.linspace(*ends, steps) ** RHO
    found = np.interp(np.log(wanted), np.log(ratios), np.arange(len(ratios)))
    # No timestep twice: near the clean image there are fewer than the spacing asks.
    found = np.maximum(np.rint(found).astype(int), np.arange(steps)[::-1])
    found[0] = len(ratios) - 1
    for step in range(1, steps):
        found[step] = min(found[step], found[step - 1] - 1)
    return found


def _uniform(ratios, steps):
    return np.linspace(len(ratios) - 1, 0, steps).round()


def _leading(ratios, steps):
    return (np.arange(steps) * (len(ratios) // steps))[::-1]


def _trailing(ratios, steps):
    total = len(ratios)
    return np.rint(total - np.arange(steps) * total / steps) - 1


_SPREAD = {
    "karras": _karras,
    "uniform": _uniform,
    "leading": _leading,
    "trailing": _trailing,
}


def _own(steps, total):
    """Validates a sequence of timesteps given by the user."""
    found = [
        _checks.integer("steps", step, minimum=0, maximum=total - 1) for step in steps
    ]
    if not found or any(np.diff(found) >= 0):
        raise ValueError(
            "Timesteps must fall, from the noisiest to the cleanest, and there must be "
            f"at least one. Received: steps={found}."
        )
    return found
