"""The numbers that are exported are the same on every backend."""

import numpy as np
from export.interpreted import interpreted
from samplers.fakes import numpy_model, sampler_of, some_prediction

import keras_patchdpm as kp


def test_a_cascade_and_a_pooled_image():
    cascade = kp.CascadePatching(2, sampling_noise=0.1)
    for patching in (cascade, kp.GridPatching(2, halo=1)):
        model = numpy_model(patching=patching, size=(8, 12))
        sampler = sampler_of(model, "dpmpp_2m", 3)
        found = interpreted([sampler], [some_prediction])
        wanted = sampler(2, 3, dtype="float32")
        np.testing.assert_allclose(np.clip(found, -1, 1), wanted, atol=1e-4)
