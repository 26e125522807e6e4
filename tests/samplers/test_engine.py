"""The loop around the solvers: what stops, goes on, streams and runs out of memory."""

import functools
import gc
import re
import tracemalloc

import keras
import numpy as np
import pytest
from samplers.fakes import numpy_model
from tiny_models import tiny_model

from keras_patchdpm import CascadePatching, GridPatching, PatchSampler, memory
from keras_patchdpm.runtime import is_out_of_memory
from keras_patchdpm.samplers import checkpoint
from keras_patchdpm.solvers import NAMES


class Stopped(Exception):
    """What stops a sampling in these tests."""


def stop_after(calls, model, error=Stopped):
    """Makes the network raise at the call after so many; returns how to undo it."""
    network, left = model.network, [calls]
    predict = network.predict

    def raising(inputs):
        if left[0] == 0:
            raise error
        left[0] -= 1
        return predict(inputs)

    network.predict = raising
    return functools.partial(setattr, network, "predict", predict)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A checkpoint that is written after every step."""
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    return tmp_path / "run.npz"


# Going on after a stop.


@pytest.mark.once
@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("patching", [GridPatching(2), CascadePatching(2)])
def test_goes_on_where_it_stopped(solver, patching, file):
    model = numpy_model(patching=patching)
    sampler = PatchSampler(model, solver, steps=4)
    start = sampler.draw_noise(3, seed=8)
    arguments = {"num_images": 3, "seed": 5, "batch_size": 2, "noise": start}
    expected = sampler(**arguments)
    total = len(model.network.calls)
    for stop in (0, 3, total // 3, total // 2 + 1, total - 1):
        model.network.calls.clear()
        mend = stop_after(stop, model)
        with pytest.raises(Stopped):
            sampler(**arguments, checkpoint=file)
        mend()
        found = sampler(**arguments, checkpoint=file)
        np.testing.assert_array_equal(found, expected)
        # Nothing but the step at hand was made again.
        assert len(model.network.calls) < total + 2 * sampler.num_patches
        model.network.calls.clear()
        np.testing.assert_array_equal(sampler(**arguments, checkpoint=file), expected)
        assert model.network.calls == []
        file.unlink()


@pytest.mark.once
def test_steps_are_counted_on(file):
    model, seen = numpy_model(), []
    sampler = PatchSampler(model, "ddim", steps=4)
    mend = stop_after(6, model)  # In the second step.
    with pytest.raises(Stopped):
        sampler(checkpoint=file)
    mend()
    sampler(checkpoint=file, callback=lambda step, clean: seen.append(step))
    assert seen == [2, 3, 4]


def test_another_sampling_is_refused(file):
    model, other = tiny_model(GridPatching(2)), tiny_model(GridPatching(2))
    other.network.weights[0].assign(other.network.weights[0] + 1)
    PatchSampler(model, "ddim", steps=2)(seed=1, checkpoint=file)
    kept = file.read_bytes()
    for sampler, seed, odd in (
        (PatchSampler(model, "ddim", steps=2), 2, r"`seed` \(.* 1, this call 2\)\."),
        (PatchSampler(model, "ddim", steps=3), 1, r"`levels` \("),
        (PatchSampler(model, "ddpm", steps=2), 1, r"`solver\."),
        (PatchSampler(other, "ddim", steps=2), 1, r"`model\.network\.weights` \("),
    ):
        with pytest.raises(ValueError, match=rf"another sampling.*differ in {odd}"):
            sampler(seed=seed, checkpoint=file)
    assert file.read_bytes() == kept


@pytest.mark.once
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    file = tmp_path / "poem.txt"
    file.write_text("roses")
    with pytest.raises(ValueError, match="poem.txt is damaged, or not a checkpoint"):
        PatchSampler(numpy_model(), steps=2)(checkpoint=file)
    assert file.read_text() == "roses"


@pytest.mark.once
def test_a_checkpoint_is_whole_whenever_the_writing_stops(file, monkeypatch):
    sampler = PatchSampler(numpy_model(), "ddim", steps=4)
    expected = sampler()

    def torn(target, **arrays):
        target.write(b"half")
        raise Stopped

    mend = stop_after(9, sampler.model)
    with pytest.raises(Stopped):
        sampler(checkpoint=file)
    mend()
    monkeypatch.setattr(checkpoint.np, "savez", torn)
    with pytest.raises(Stopped):
        sampler(checkpoint=file)
    monkeypatch.undo()
    np.testing.assert_array_equal(sampler(checkpoint=file), expected)


@pytest.mark.once
def test_the_first_step_is_saved_and_then_not_every_one(tmp_path):
    file, seen = tmp_path / "run.npz", []
    PatchSampler(numpy_model(), "ddim", steps=4)(
        checkpoint=file,
        callback=lambda step, clean: seen.append(file.exists() and file.read_bytes()),
    )
    assert not seen[0]
    assert seen[1] and seen[1] == seen[2] == seen[3]
    assert file.read_bytes() != seen[3]


@pytest.mark.once
@pytest.mark.parametrize(
    ("solver", "error"),
    [("ddim", Stopped), *((name, KeyboardInterrupt) for name in NAMES)],
)
def test_a_stop_saves_the_last_whole_step(solver, error, tmp_path):
    """Wherever it comes: within the first call of a step, or the correction's."""
    file, model = tmp_path / "run.npz", numpy_model(patching=CascadePatching(2))
    sampler = PatchSampler(model, solver, steps=4)
    expected = sampler(2, 3)
    total = len(model.network.calls)
    for stop in (1, 5, total // 2, total - 2):
        mend = stop_after(stop, model, error)
        with pytest.raises(error):
            sampler(2, 3, checkpoint=file)
        mend()
        model.network.calls.clear()
        np.testing.assert_array_equal(sampler(2, 3, checkpoint=file), expected)
        left = len(model.network.calls)
        if solver != "heun":  # Its correction comes after the images were overwritten.
            assert left <= total - stop + 9
        file.unlink()


# Images as they come, and a stop by hand.


@pytest.mark.once
def test_images_are_there_before_the_last_is_made():
    model = numpy_model()
    sampler = PatchSampler(model, "ddim", steps=3)
    expected = sampler(num_images=5, seed=2)
    model.network.calls.clear()
    made, calls = [], []
    for image in sampler.stream(num_images=5, seed=2, batch_size=2):
        made.append(image)
        calls.append(len(model.network.calls))
    np.testing.assert_array_equal(made, expected)
    assert calls == [12, 12, 24, 24, 36]


@pytest.mark.once
def test_a_stream_refuses_before_it_starts():
    with pytest.raises(ValueError, match="`num_images` must be at least 1"):
        PatchSampler(numpy_model(), steps=2).stream(num_images=0)


@pytest.mark.once
def test_an_interrupt_returns_at_once_and_leaves_nothing():
    model = numpy_model(size=(256, 256))
    sampler = PatchSampler(model, "ddim", steps=4)
    expected = sampler(num_images=4)
    model.network.calls.clear()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        mend = stop_after(6, model, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            sampler(num_images=4)
        assert len(model.network.calls) == 7  # The last was interrupted.
        mend()
        model.network.calls.clear()
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert left < 256 * 256  # An image is four times as many bytes.
    np.testing.assert_array_equal(sampler(num_images=4), expected)


@pytest.mark.once
def test_the_bar_shows_the_time_left_and_the_memory(capsys):
    PatchSampler(numpy_model(), steps=4)(num_images=3, batch_size=2, verbose=1)
    shown = capsys.readouterr().out
    assert "8/8" in shown and re.search(r"\d+m?s/step", shown)
    assert float(re.findall(r"MiB in use: ([\d.]+)", shown)[-1]) > 10


# Memory that runs out.


def limited(model, most, error):
    """A network that refuses more rows than `most`."""
    predict, rows = model.network.predict, []

    def checked(inputs):
        rows.append(len(inputs["noisy"]))
        if rows[-1] > most:
            raise error
        return predict(inputs)

    model.network.predict = checked
    return rows


@pytest.mark.once
@pytest.mark.parametrize("patching", [GridPatching((2, 3)), CascadePatching(2)])
def test_a_call_too_large_is_halved_and_the_images_are_the_same(patching):
    arguments = {"num_images": 5, "seed": 3, "batch_size": 3}
    per_call = {"patches_per_call": 4, "steps": 3}
    expected = PatchSampler(numpy_model(patching=patching), **per_call)(**arguments)
    model = numpy_model(patching=patching)
    rows = limited(model, 4, MemoryError())
    with pytest.warns(RuntimeWarning, match="in a network call with .* patches"):
        found = PatchSampler(model, **per_call)(**arguments)
    np.testing.assert_array_equal(found, expected)
    assert sum(count > 4 for count in rows) <= 2  # Learnt once, and kept.


@pytest.mark.once
def test_one_patch_that_does_not_fit_is_an_error():
    model = numpy_model()
    limited(model, 0, MemoryError("no room"))
    with pytest.raises(MemoryError, match="no room"), pytest.warns(RuntimeWarning):
        PatchSampler(model, steps=2, patches_per_call=4)()


@pytest.mark.once
def test_other_errors_are_not_taken_for_it():
    model = numpy_model()
    rows = limited(model, 1, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        PatchSampler(model, steps=2, patches_per_call=4)()
    assert rows == [4]


def test_the_backends_own_error_is_known():
    """An array of petabytes."""
    with pytest.raises(Exception) as caught:
        keras.ops.convert_to_numpy(keras.ops.ones((2**16, 2**16, 2**16)))
    assert is_out_of_memory(caught.value), repr(caught.value)


# A budget.


@pytest.mark.once
def test_a_budget_chooses_the_sizes(monkeypatch):
    plans = []

    def plan(model, budget, num_images, *, images_held, images_on, **options):
        plans.append((budget, num_images, images_held))
        assert images_on == "host"  # The network is none of Keras'.
        return memory.MemoryPlan(3, 2, 0, 0, 0, budget, images_on)

    monkeypatch.setattr(memory, "plan", plan)
    model = numpy_model()
    sampler = PatchSampler(model, "ddim", 2, memory_budget="5MB")
    assert sampler.plan is None
    images = sampler(num_images=4)
    assert sampler.plan == memory.MemoryPlan(3, 2, 0, 0, 0, 5_000_000, "host")
    assert {len(call["noisy"]) for call in model.network.calls} == {4}  # 2 x 2 images
    assert plans == [(5_000_000, 4, 2)]
    np.testing.assert_array_equal(images, PatchSampler(numpy_model(), "ddim", 2)(4))
    PatchSampler(model, "heun", 2, memory_budget="5MB")()
    PatchSampler(model, "dpmpp_2m", 2, memory_budget="5MB")()
    assert [held for *_, held in plans[1:]] == [4, 3]


@pytest.mark.once
def test_a_budget_and_a_batch_size_are_refused():
    sampler = PatchSampler(numpy_model(), steps=2, memory_budget="5MB")
    with pytest.raises(ValueError, match="Leave one of the two out.*batch_size=2"):
        sampler(batch_size=2)
