"""The interpreter of exported numbers generates the package's images."""

import json

import numpy as np
import pytest
from samplers.fakes import numpy_model, sampler_of, some_prediction

import keras_patchdpm as kp
from keras_patchdpm import solvers
from keras_patchdpm.export import _export
from keras_patchdpm_edge import sampling

pytestmark = pytest.mark.once

CASCADE = kp.CascadePatching(4, sampling_noise=(0.05, 0.1))
GRIDS = [
    kp.GridPatching(2),
    kp.GridPatching((2, 3), position="coordinates", shift=True),
    kp.GridPatching(2, position=False, halo=1),
    kp.GridPatching((1, 3), position=False, content=False, shift=True),
    kp.GridPatching((2, 3), position=False, content=False, shift=True, halo=1),
    kp.WholeImage(),
]
SOLVERS = [
    "ddim",
    "dpmpp_2m",
    "heun",
    "ddpm",
    "dpmpp_2m_sde",
    solvers.DDIM(eta=0.5),
    solvers.DDPM(variance="large"),
]


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


def check(sampler, *predictions, num_images=2, **options):
    """Compares the interpreter with the sampler, in floats."""
    found = interpreted(
        [sampler],
        predictions or [some_prediction],
        num_images=num_images,
        **options,
    )
    options.pop("n", None)
    wanted = sampler(num_images, 3, dtype="float32", **options)
    assert found.std() > 0.05
    np.testing.assert_allclose(np.clip(found, -1, 1), wanted, atol=1e-4)


@pytest.mark.parametrize("patching", GRIDS, ids=repr)
def test_grids(patching):
    patches_per_call = 1 if isinstance(patching, kp.WholeImage) else 3
    model = numpy_model(patching=patching, size=(6, 6))
    check(sampler_of(model, "ddim", 4, patches_per_call=patches_per_call))


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
@pytest.mark.parametrize("prediction", ["noise", "velocity", "clean"])
def test_solvers_and_predictions(solver, prediction):
    schedule = kp.DDPMSchedule("linear", 20, prediction=prediction)
    patching = kp.GridPatching(2, position="coordinates", shift=True)
    model = numpy_model(patching=patching, schedule=schedule)
    check(sampler_of(model, solver, 6))


@pytest.mark.parametrize("solver", [*SOLVERS, solvers.Heun(churn=10)], ids=repr)
def test_continuous_levels(solver):
    model = numpy_model(schedule=kp.EDMSchedule())
    check(sampler_of(model, solver, 5))


@pytest.mark.parametrize("solver", SOLVERS, ids=repr)
def test_cascades(solver):
    model = numpy_model(patching=CASCADE, size=(16, 24))
    check(sampler_of(model, solver, 4, patches_per_call=2))


@pytest.mark.parametrize("divisions", [1, 2, 4])
def test_earlier_stages_of_a_cascade(divisions):
    model = numpy_model(patching=CASCADE, size=(16, 24))
    whole = sampler_of(model, "dpmpp_2m", 4)
    part = sampler_of(model, "dpmpp_2m", 4, divisions=divisions)
    found = interpreted([whole], [some_prediction], n=divisions)
    wanted = part(2, 3, dtype="float32")
    np.testing.assert_allclose(np.clip(found, -1, 1), wanted, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{}, {"shift": True}, {"overlap": 0.5}, {"overlap": 0.25, "shift": True}],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:The model was trained on crops")
@pytest.mark.parametrize("content", [True, False])
def test_crops(options, content):
    patching = kp.RandomPatching((8, 12), content=content)
    model = numpy_model(patching=patching, size=(8, 12))
    check(sampler_of(model, "heun", 3, divisions=2, patches_per_call=3, **options))
