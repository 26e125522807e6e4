"""Samples with the interpreter, with functions in the place of exported networks."""

import json

import numpy as np

from keras_patchdpm.export import _export
from keras_patchdpm_edge import sampling


def interpreted(samplers, predictions, num_images=2, **options):
    """Images of the interpreter, after the numbers were a JSON text."""
    model, patches_per_call = samplers[0].model, samplers[0].patches_per_call
    shapes = model.patching.input_specs(model.image_shape)
    window = (patches_per_call, *model.stages[-1].window_shape)
    inputs = {
        name: {"shape": (patches_per_call, *spec.shape), "dtype": spec.dtype}
        for name, spec in shapes.items()
    }
    inputs["timestep"] = {
        "shape": (patches_per_call,),
        "dtype": model.schedule.timestep_dtype,
    }
    inputs["noisy"]["shape"] = window
    for name in ("content", "coordinates"):
        if name in inputs:
            channels = inputs[name]["shape"][-1]
            inputs[name]["shape"] = (*window[:-1], channels)
    if model.num_classes is not None:
        inputs["label"] = {"shape": (patches_per_call,), "dtype": "int32"}
    described = _export.description(samplers)
    described["networks"] = [{"inputs": inputs}] * len(predictions)
    described = json.loads(json.dumps(described))
    chosen = {"n": None, "seed": 3, "steps": None, "labels": None, **options}
    images = sampling.generate(described, predictions, num_images=num_images, **chosen)
    return np.stack(list(images))
