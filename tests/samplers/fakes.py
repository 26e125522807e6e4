"""Models whose network is a NumPy function: the same numbers on every backend."""

import types

import numpy as np

from keras_patchdpm import DDPMSchedule, GridPatching, PatchSampler
from keras_patchdpm.patching.tiled_model import tiled
from keras_patchdpm.samplers import denoiser

TILED = ("divisions", "shift", "overlap", "image_size", "whole_above")


class NumpyNetwork:
    """Stands for a `keras.Model` and keeps what it was asked.

    Args:
        predict: Function of the dict of inputs, returns the prediction.
    """

    def __init__(self, predict):
        self.predict = predict
        self.calls = []

    def predict_on_batch(self, inputs):
        self.calls.append(inputs)
        return self.predict(inputs)


def some_prediction(inputs):
    """Depends on everything, each pixel on its neighbour, and on no other patch."""
    x = inputs["noisy"]
    level = inputs["timestep"].reshape(-1, 1, 1, 1)
    result = 0.8 * x + 0.1 * np.roll(x, 1, axis=1) + 0.1 * np.cos(level / 100)
    if "patch_index" in inputs:
        result = result + 0.3 * np.sin(inputs["patch_index"].reshape(-1, 1, 1, 1))
    if "coordinates" in inputs:
        result = result + 0.3 * np.sin(inputs["coordinates"].sum(-1, keepdims=True))
    if "local_content" in inputs:
        result = result + 0.2 * np.cos(inputs["local_content"])
    if "content" in inputs:
        result = result - 0.5 * np.sin(2 * inputs["content"])
    return result.astype("float32")


def gaussian_prediction(schedule, mean, std):
    """The exact network of images whose pixels are normal and independent."""

    def predict(inputs):
        level = schedule.level(int(inputs["timestep"][0]))
        noisy = inputs["noisy"]
        clean = gaussian_clean(noisy, level, mean, std)
        return ((noisy - level.alpha * clean) / level.sigma).astype("float32")

    return predict


def gaussian_clean(noisy, level, mean, std):
    """The expected clean pixel, given the noisy one."""
    total = (level.alpha * std) ** 2 + level.sigma**2
    return mean + level.alpha * std**2 / total * (noisy - level.alpha * mean)


def numpy_model(
    predict=some_prediction, patching=None, schedule=None, size=(4, 6), latents=False
):
    """What a sampler needs of a model: no Keras, images of `size` with one channel.

    The clean estimates of `latents` are not clipped.
    """
    return types.SimpleNamespace(
        network=NumpyNetwork(predict),
        schedule=DDPMSchedule("linear", 20) if schedule is None else schedule,
        patching=GridPatching(2) if patching is None else patching,
        image_shape=(*size, 1),
        latents=latents,
    )


def sampler_of(model, *arguments, **options):
    """A `PatchSampler`, with options of `tiled` among its own."""
    chosen = {name: options.pop(name) for name in TILED if name in options}
    return PatchSampler(tiled(model, **chosen), *arguments, **options)


def in_reverse(monkeypatch):
    """From now on the last patch is evaluated first."""
    monkeypatch.setattr(denoiser, "patch_order", lambda count: np.arange(count)[::-1])
