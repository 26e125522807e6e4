"""The interpreter of exported numbers generates the package's images."""

import numpy as np
import pytest
from export.interpreted import interpreted
from samplers.fakes import numpy_model, sampler_of, some_prediction
from tiny_models import tiny_model

import keras_patchdpm as kp
from keras_patchdpm import solvers

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


def called(model):
    """The network of a model, as the interpreter calls an exported one."""
    network = model.network
    names = list(network.input)
    return lambda inputs: network.predict_on_batch(
        {name: inputs[name] for name in names}
    )


def test_guidance_by_another_network():
    model = tiny_model(kp.CascadePatching(2, shift=False), seed=1)
    guide = tiny_model(kp.CascadePatching(2))
    guide.set_weights([0.7 * value for value in guide.get_weights()])
    guidance = kp.Guidance(guide, 1.5, interval=(0.2, 50.0), stages=[0])
    sampler = kp.PatchSampler(model, "ddim", 4, guidance=guidance)
    predictions = [called(model), called(guide)]
    check(sampler, *predictions)
    with pytest.raises(AssertionError):  # Without the guide the images differ.
        check(sampler, predictions[0], predictions[0])


def test_guidance_by_labels():
    model = tiny_model(num_classes=3)
    sampler = kp.PatchSampler(model, "ddim", 3, guidance=kp.Guidance("label", 2.0))
    check(sampler, called(model), labels=[2, 0])
    plain = kp.PatchSampler(model, "ddim", 3)
    check(plain, called(model))
    check(plain, called(model), labels=1)


def test_several_numbers_of_steps():
    model = numpy_model()
    samplers = [sampler_of(model, "ddim", steps) for steps in (5, 3)]
    for steps, sampler in ((None, samplers[0]), (3, samplers[1])):
        found = interpreted(samplers, [some_prediction], steps=steps)
        wanted = sampler(2, 3, dtype="float32")
        np.testing.assert_allclose(np.clip(found, -1, 1), wanted, atol=1e-4)
