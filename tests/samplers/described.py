"""Things of every kind, described for a checkpoint: in a module of its own.

pytest rewrites the code of test modules, so that functions there are not the same in
another process.
"""

from samplers.fakes import gaussian_prediction, numpy_model, some_prediction
from tiny_models import tiny_model

from keras_patchdpm import CascadePatching, DDPMSchedule, LatentSpace, PatchSampler
from keras_patchdpm.samplers.identity import describe


def described():
    """Of a network, a schedule, a patching, functions and a set."""
    space = LatentSpace(
        some_prediction, gaussian_prediction(DDPMSchedule(), 0.1, 0.2), std=0.4
    )
    parts = [
        tiny_model().network,
        DDPMSchedule(),
        CascadePatching(2),
        space.decode,
        PatchSampler(numpy_model(), "heun", 2).solver,
        {"a", "b", "c"},
    ]
    return describe(parts)
