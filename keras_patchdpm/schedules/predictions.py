"""What a network can predict of `noisy = alpha * clean + sigma * noise`.

Velocity is `alpha * noise - sigma * clean`; its inverse holds where
`alpha**2 + sigma**2 = 1`. Source: Salimans & Ho 2022 (arXiv:2202.00512), appendix D.
"""

TYPES = ("noise", "velocity", "clean")


def target(prediction_type, clean, noise, alpha, sigma):
    """What the network should return."""
    if prediction_type == "noise":
        return noise
    if prediction_type == "clean":
        return clean
    return alpha * noise - sigma * clean


def clean(prediction_type, prediction, noisy, alpha, sigma):
    """The clean image that a prediction stands for."""
    if prediction_type == "noise":
        return (noisy - sigma * prediction) / alpha
    if prediction_type == "clean":
        return prediction
    return alpha * noisy - sigma * prediction
