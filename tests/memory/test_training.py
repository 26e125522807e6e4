"""The memory of a training step, and the largest batch within a budget."""

import dataclasses
import functools
import itertools
import types

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_images, tiny_model, tiny_network

from keras_patchdpm import (
    DDPMSchedule,
    GridPatching,
    PatchDPM,
    PatchSampler,
    RandomPatching,
    WholeImage,
    memory,
)
from keras_patchdpm.memory import _training, _training_plan
from keras_patchdpm.memory._measuring import variables_bytes
from keras_patchdpm.networks import unet

SMALL = {"width": 8, "multipliers": (1,), "blocks_per_depth": 1, "attention_depths": ()}
FLOAT = 4


def compiled(patching, size=32, **options):
    """A small model, compiled with Adam and averages."""
    model = PatchDPM(tiny_network(patching, size, **options), DDPMSchedule(), patching)
    model.compile(optimizer=keras.optimizers.Adam(1e-3, use_ema=True))
    return model


def test_memory_falls_with_n():
    """Adam with averages keeps three numbers for each weight, and two more."""
    models = [compiled(patching, 64) for patching in (WholeImage(), GridPatching(4))]
    whole, part = (
        memory.profile(model, 2, training=True, timed=False) for model in models
    )
    # The noise is drawn for the whole images also where one patch is trained.
    assert part.activations < 0.35 * whole.activations
    assert whole.activations > 10 * 2 * 64 * 64 * 3 * FLOAT
    for model, report in zip(models, (whole, part), strict=True):
        assert report.training and report.seconds is None
        assert report.weights == FLOAT * model.network.count_params()
        assert report.optimizer == pytest.approx(3 * report.weights, abs=16)
        assert report.peak == report.weights + report.optimizer + report.activations
    assert part.divisions == (4, 4) and part.patches_per_call == 1
    assert memory.ProfileReport.from_dict(part.to_dict()) == part
    assert "training step" in str(part) and "optimizer" in str(part)


@pytest.mark.once
def test_a_copy_is_trained():
    model = compiled(GridPatching(2))
    before = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    report = memory.profile(model, 2, training=True)
    assert report.seconds > 0
    for weight, values in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, values)
    assert int(model.optimizer.iterations) == 0
    other = memory.profile(model, 2, training=True, optimizer="sgd", timed=False)
    assert other.optimizer < 100 and other.weights == report.weights


@pytest.mark.once
def test_a_table_of_training():
    measured = memory.MemoryReport(1, "none", "cpu", "none", True, "none", ())
    report = memory.ProfileReport(
        2**20, 2**20, None, (1, 1), 2, 1, measured, optimizer=3 * 2**20
    )
    table = memory.table([report])
    assert "weights and optimizer (MiB)" in table and "One training step" in table
    assert "|                         4.0 |" in table
    with pytest.raises(ValueError, match="different `training`"):
        memory.table([report, dataclasses.replace(report, optimizer=None)])


@pytest.mark.once
def test_the_largest_step_of_crops_counts():
    crops = compiled(RandomPatching(32, fractions=(0.25, 1.0)))
    reports = [
        memory.profile(model, 2, training=True, timed=False)
        for model in (crops, compiled(WholeImage()))
    ]
    # The crops have two more channels, the coordinates.
    assert reports[0].activations == pytest.approx(reports[1].activations, rel=0.15)
    sizes = {batch[0]["rows"].shape for batch in _training._batches(crops, 2)}
    assert sizes == {(8, 8), (2, 32)}


@pytest.mark.once
def test_labels_and_latents_are_given():
    model = compiled(GridPatching(2), num_classes=3)
    ((images, labels),) = _training._batches(model, 2)
    assert images.shape == (2, 32, 32, 3) and images.dtype == "uint8"
    assert labels.shape == (2,) and labels.dtype == "int32"
    assert memory.profile(model, 2, training=True, timed=False).peak
    latents = PatchDPM(
        unet(8, channels=4, **SMALL),
        DDPMSchedule(prediction="velocity"),
        WholeImage(),
        latents=True,
    )
    (images,) = _training._batches(latents, 2)
    assert images.shape == (2, 8, 8, 4) and images.dtype == "float32"


@pytest.mark.once
def test_the_subprocess_measures_the_same():
    model = compiled(GridPatching(2))
    optimizer = keras.optimizers.SGD(0.5, momentum=0.9)
    there, here = (
        memory.profile(
            model, 2, training=True, optimizer=optimizer, timed=False, isolated=isolated
        )
        for isolated in (True, False)
    )
    assert there.optimizer == here.optimizer > there.weights
    assert there.activations == pytest.approx(here.activations, rel=0.05)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "needs an optimizer.*not compiled"),
        ({"patches_per_call": 2}, ValueError, "`patches_per_call` is for a sampling"),
        ({"divisions": 2}, ValueError, "`divisions` is for a sampling"),
        ({"training": 1}, TypeError, "`training`"),
        ({"training": False, "optimizer": "adam"}, ValueError, "`optimizer` is for a"),
        ({"optimizer": "none such"}, ValueError, "none such"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        memory.profile(tiny_model(), **{"training": True, **arguments})


@pytest.mark.once
def test_a_network_alone_cannot_be_trained():
    for model in (tiny_model().network, tiny_model().tiled(), None):
        with pytest.raises(TypeError, match="`model` must be an object such as"):
            memory.profile(model, training=True)


WEIGHTS, OPTIMIZER = 1000, 3000


@pytest.fixture
def steps(monkeypatch):
    """Sets the memory of a step, a function of the batch; returns what was measured."""
    calls = []

    def use(activations):
        def profile(model, batch_size, **options):
            calls.append(batch_size)
            return types.SimpleNamespace(
                weights=WEIGHTS,
                optimizer=OPTIMIZER,
                activations=activations(batch_size),
            )

        monkeypatch.setattr(_training_plan, "profile", profile)
        calls.clear()
        return calls

    return use


@pytest.mark.once
@pytest.mark.parametrize("batch_size", [1, 2, 3, 17, 1000])
def test_the_largest_batch_of_a_line(steps, batch_size):
    calls = steps(lambda size: 500 + 70 * size)
    enough = WEIGHTS + OPTIMIZER + 500 + 70 * batch_size
    for budget in (enough, enough + 69):
        plan = memory.plan(None, budget, training=True)
        assert plan.batch_size == batch_size and plan.peak == enough
    assert len(calls) <= 2 * 6
    assert f"batch_size={batch_size}" in str(plan)


@pytest.mark.once
def test_a_budget_is_never_exceeded(steps):
    """Whatever the memory of a step is, only a measured batch is returned."""

    @given(
        jumps=st.lists(st.integers(0, 300), min_size=1, max_size=9),
        budget=st.integers(5000, 60_000),
    )
    def check(jumps, budget):
        def activations(size):
            return 500 + 40 * size + jumps[size % len(jumps)]

        calls = steps(activations)
        plan = memory.plan(None, budget, training=True)
        assert plan.peak <= budget
        assert plan.batch_size in calls
        assert plan.activations == activations(plan.batch_size)

    check()


@pytest.mark.once
def test_small_batches_that_need_the_same_memory(steps):
    """Where gradients need the most, a line through two of them would have no end."""
    calls = steps(lambda size: max(9000, 500 * size))
    plan = memory.plan(None, 25_000, training=True)
    assert plan.batch_size == 42 and plan.peak == 25_000
    for before, size in itertools.pairwise(calls):
        assert size <= 8 * before


@pytest.mark.once
def test_a_plan_refuses(steps):
    steps(lambda size: 500 + 70 * size)
    least = WEIGHTS + OPTIMIZER + 570
    with pytest.raises(ValueError, match=f"too small to train.*budget={least - 1}"):
        memory.plan(None, least - 1, training=True)
    for name, value in (
        ("num_images", 2),
        ("images_held", 3),
        ("guides", [tiny_model().network]),
        ("images_on", "host"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` is for a sampling"):
            memory.plan(None, 10**6, training=True, **{name: value})


@pytest.mark.once
def test_the_planned_batch_can_be_trained():
    model = compiled(GridPatching(2), 16)
    free = memory.profile(model, 4, training=True, timed=False)
    plan = memory.plan(model, free.peak + 1000, training=True)
    assert 2 <= plan.batch_size <= 8
    assert plan.weights == variables_bytes(model.network.variables)
    model.fit(tiny_images(8, size=16), batch_size=plan.batch_size, verbose=0)
    assert np.isfinite(PatchSampler(model, steps=1)(1, dtype="float32")).all()


@pytest.mark.once
def test_gradients_of_the_step_before_are_freed_first():
    """Keras on PyTorch would have them in memory with the activations."""
    patching = WholeImage()
    network = unet(32, patching, width=32, multipliers=(1,), stem=1)
    model = PatchDPM(network, DDPMSchedule(), patching)
    model.compile(keras.optimizers.Adam())
    images = np.zeros((2, 32, 32, 3), "uint8")
    model.fit(images, verbose=0)

    def peak(steps):
        model.zero_grad()
        run = functools.partial(model.fit, images, epochs=steps, verbose=0)
        return memory.peak(run).bytes

    gradients = sum(value.size * 4 for value in model.get_weights())
    assert peak(2) - peak(1) < 0.6 * gradients  # The peaks differ by 2 %.
