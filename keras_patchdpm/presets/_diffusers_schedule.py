"""Reads the configuration of a scheduler of `diffusers`."""

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.presets import _config
from keras_patchdpm.samplers.tiled_denoiser import PREDICTIONS

# Settings of a scheduler that must have one of these values, the default first.
_FIXED_IN_SCHEDULER = {
    "_class_name": ("DDPMScheduler", "DDIMScheduler"),
    "thresholding": (False,),
    "rescale_betas_zero_snr": (False,),
    "variance_type": (
        "fixed_small",
        "fixed_small_log",
        "fixed_large",
        "fixed_large_log",
        "learned",
        "learned_range",
    ),
}


def read(config):
    """`(arguments, clips)`: of `DDPMSchedule`, and whether clean images are clipped.

    Args:
        config: Dict, the content of `scheduler_config.json`.

    Raises:
        TypeError, ValueError: If a setting is not one that this package has.
    """
    for key, values in _FIXED_IN_SCHEDULER.items():
        _checks.one_of(key, config.get(key, values[0]), values)
    clips = _checks.boolean("clip_sample", config.get("clip_sample", True))
    if clips and config.get("clip_sample_range", 1) != 1:
        raise ValueError(
            "Images are clipped to [-1, 1] in this package. Received: "
            f"clip_sample_range={config['clip_sample_range']!r}."
        )
    kind = config.get("prediction_type", "epsilon")
    kind = _checks.one_of("prediction_type", kind, tuple(PREDICTIONS))
    betas = _betas(config)
    arguments = {"name": "DDPMSchedule", "prediction": PREDICTIONS[kind]}
    if isinstance(betas, str):
        arguments["num_timesteps"] = _num_timesteps(config)
    return {**arguments, "beta_schedule": betas}, clips


def _betas(config):
    """The argument `beta_schedule` of `DDPMSchedule`: a name, or a list of floats.

    Source: the documentation of `DDPMScheduler` in `huggingface/diffusers`.
    """
    trained = config.get("trained_betas")
    if trained is not None:
        return list(_checks.sequence("trained_betas", trained, _checks.real))
    names = ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid")
    name = _checks.one_of("beta_schedule", config.get("beta_schedule", "linear"), names)
    count = _num_timesteps(config)
    start, end = (
        _checks.real(key, config.get(key, default), minimum=0, maximum=1)
        for key, default in (("beta_start", 1e-4), ("beta_end", 0.02))
    )
    if name == "squaredcos_cap_v2":
        return "cosine"
    if name == "linear" and (start, end, count) == (1e-4, 0.02, 1000):
        return "linear"
    betas = {
        "linear": lambda: np.linspace(start, end, count),
        "scaled_linear": lambda: np.linspace(start**0.5, end**0.5, count) ** 2,
        "sigmoid": lambda: (
            start + (end - start) / (1 + np.exp(-np.linspace(-6, 6, count)))
        ),
    }
    return betas[name]().tolist()


def _num_timesteps(config):
    value = config.get("num_train_timesteps", 1000)
    most = _config.MOST_BETAS
    return _checks.integer("num_train_timesteps", value, minimum=1, maximum=most)
