"""The models, samplers and timings that the benchmarks share."""

import re
import statistics
import time

import keras
import numpy as np

import keras_patchdpm as kp


def build_model(patching, image_size, *, network="unet", schedule=None, **options):
    """A model with weights as they are drawn.

    Args:
        patching: A patching, or its kind and N: `"whole"`, `"grid4"`, `"cascade2"`.
        image_size: Int. Pixels per side.
        network: `"unet"` or `"arakawa_unet"`.
        schedule: A schedule. `None`: `DDPMSchedule()`.
        **options: Further arguments of the network.
    """
    n = 1
    if isinstance(patching, str):
        kind, digits = re.fullmatch(r"([a-z]+)(\d*)", patching).groups()
        n = int(digits or 1)
        patching = {
            "whole": kp.WholeImage,
            "grid": lambda: kp.GridPatching(n),
            "cascade": lambda: kp.CascadePatching(n),
        }[kind]()
    schedule = schedule or kp.DDPMSchedule()
    if network == "arakawa_unet":
        network = kp.networks.arakawa_unet(image_size, n, dim=options["width"])
    else:
        network = kp.networks.unet(image_size, patching, schedule=schedule, **options)
    return kp.PatchDPM(network, schedule, patching)


def randomize(network, scale):
    """Draws all weights from a normal distribution: new networks return zeros."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.normal(0, scale, weight.shape).astype("float32"))


def random_inputs(network, rows):
    """Random inputs of a network, a dict of arrays; indices and timesteps are 0."""
    rng, inputs = np.random.default_rng(0), {}
    for name, tensor in network.input.items():
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        values = np.zeros((rows, *tensor.shape[1:]), dtype)
        if "float" in dtype:
            values += rng.standard_normal(values.shape).astype(dtype)
        inputs[name] = values
    return inputs


def build_sampler(model, solver="ddim", steps=2, **options):
    """The `PatchSampler` of a model; `options` are its further arguments."""
    return kp.PatchSampler(model, solver, steps, **options)


def timed(call):
    """What a function returns, and the seconds it took."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def seconds(call):
    """The seconds that a function takes."""
    return timed(call)[1]


def alternately(measures, rounds):
    """Calls each function once a round; a dict of lists of what each has returned."""
    values = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            values[name].append(measure())
    return values


def ratios(values, others):
    """The ratio of each round."""
    return [value / other for value, other in zip(values, others, strict=True)]


def spread(name, values, digits=2):
    """The median under `name`, with the lowest and the highest, rounded: a dict."""
    return {
        name: round(statistics.median(values), digits),
        "lowest": round(min(values), digits),
        "highest": round(max(values), digits),
    }


def mebibytes(count):
    """Bytes in MiB, rounded."""
    return round(count / 2**20, 1)


def megabytes(count):
    """Bytes in MB, rounded."""
    return round(count / 1e6, 1)
