"""Patch-based diffusion models for Keras 3.

Images are generated in N x N patches, one at a time, so that memory falls as N grows.
"""

from keras_patchdpm import _backend  # noqa: F401  # isort: skip  # before Keras
from keras_patchdpm import (
    callbacks,
    datasets,
    export,
    layers,
    memory,
    metrics,
    networks,
    patching,
    schedules,
    solvers,
    testing,
    training,
)
from keras_patchdpm.augmentation import GeometricAugmentation
from keras_patchdpm.datasets import save_images
from keras_patchdpm.grid import PatchGrid
from keras_patchdpm.latents import LatentSpace
from keras_patchdpm.models import PatchDPM
from keras_patchdpm.patching import (
    CascadePatching,
    GridPatching,
    RandomPatching,
    WholeImage,
)
from keras_patchdpm.samplers import (
    Guidance,
    Measurement,
    PatchSampler,
    TiledDenoiser,
    slerp,
)
from keras_patchdpm.sampling import sample
from keras_patchdpm.schedules import DDPMSchedule, EDMSchedule
from keras_patchdpm.training import train

__version__ = "0.1.0"

__all__ = [
    "CascadePatching",
    "DDPMSchedule",
    "EDMSchedule",
    "GeometricAugmentation",
    "GridPatching",
    "Guidance",
    "LatentSpace",
    "Measurement",
    "PatchDPM",
    "PatchGrid",
    "PatchSampler",
    "RandomPatching",
    "TiledDenoiser",
    "WholeImage",
    "callbacks",
    "datasets",
    "export",
    "layers",
    "memory",
    "metrics",
    "networks",
    "patching",
    "sample",
    "save_images",
    "schedules",
    "slerp",
    "solvers",
    "testing",
    "train",
    "training",
]


def __dir__():
    """The public names, without the modules that define them."""
    return [*__all__, "__version__"]
