"""What a network can predict of `noisy = alpha * clean + sigma * noise`.

Velocity is `alpha * noise - sigma * clean`; its inverse holds where
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
    """The clean image that a prediction stands for.

    Raises:
        ValueError: If noise is predicted of pure noise, of which the image is no part.
    """
    if prediction_type == "noise":
        if not alpha:
            raise ValueError(
                "A prediction of the noise says nothing of the image at a level of "
                'pure noise. Choose prediction="velocity" or "clean", or steps that '
                f"start below it. Received: prediction='noise', alpha={alpha}."
            )
        return (noisy - sigma * prediction) / alpha
    if prediction_type == "clean":
        return prediction
    return alpha * noisy - sigma * prediction


def clean_coefficients(schedule, level):
    """What the clean estimate is the sum of: it is linear in both images.

    Args:
        schedule: With `clean`.
        level: `NoiseLevel`.

    Returns:
        `(noisy, prediction)`, two floats: `clean = noisy * noisy_image + prediction *
        predicted`.
    """
    return schedule.clean(0.0, 1.0, level), schedule.clean(1.0, 0.0, level)


def error_gain(schedule):
    """By how much an error of the prediction grows in the clean estimate, at most.

    That is at the noisiest level: `sigma / alpha` for noise, 1 or less for velocity,
    the clean image and EDM.

    Args:
        schedule: With `levels` and `clean`.

    Returns:
        Float, infinity where the prediction says nothing of the image.
    """
    noisiest = schedule.levels(1)[0]
    try:
        return abs(float(clean_coefficients(schedule, noisiest)[1]))
    except (ValueError, ZeroDivisionError):
        return math.inf
