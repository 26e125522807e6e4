"""The three predictions of a network at `noisy = alpha * clean + sigma * noise`.

Velocity is `alpha * noise - sigma * clean`; its inverse needs
`alpha**2 + sigma**2 = 1`. Source: Salimans & Ho 2022 (arXiv:2202.00512), appendix D.
"""

import math

TYPES = ("noise", "velocity", "clean")


def target(prediction_type, clean, noise, *, alpha, sigma):
    """What the network should return."""
    if prediction_type == "noise":
        return noise
    if prediction_type == "clean":
        return clean
    return alpha * noise - sigma * clean


def clean(prediction_type, prediction, noisy, *, alpha, sigma):
    """The clean image that follows from a prediction.

    Raises:
        ValueError: If the noise is predicted and the level is pure noise: the clean
            image cannot be computed from it.
    """
    if prediction_type == "noise":
        if not alpha:
            raise ValueError(
                "The clean image cannot be computed from a prediction of the noise at "
                'a level of pure noise. Choose prediction="velocity" or "clean", or '
                "steps that start below that level. "
                f"Received: prediction='noise', alpha={alpha}."
            )
        return (noisy - sigma * prediction) / alpha
    if prediction_type == "clean":
        return prediction
    return alpha * noisy - sigma * prediction


def clean_coefficients(schedule, level):
    """The coefficients of the clean estimate, which is linear in both images.

    Args:
        schedule: `Schedule`.
        level: `NoiseLevel`.

    Returns:
        `(noisy, prediction)`, two floats: `clean = noisy * noisy_image + prediction *
        predicted`.
    """
    return schedule.clean(0.0, 1.0, level), schedule.clean(1.0, 0.0, level)


def error_gain(schedule):
    """The largest factor from an error of the prediction to one of the clean estimate.

    It is that of the noisiest level: `sigma / alpha` for `"noise"`; 1 or less for
    `"velocity"`, `"clean"` and EDM.

    Args:
        schedule: `Schedule`.

    Returns:
        Float; infinity if the clean image cannot be computed from the prediction.
    """
    noisiest = schedule.levels(1)[0]
    try:
        return abs(float(clean_coefficients(schedule, noisiest)[1]))
    except (ValueError, ZeroDivisionError):
        return math.inf
