"""A plan says what it will take, and refuses what does not fit."""

import types

import numpy as np
import pytest
from tiny_models import tiny_model

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    PatchDPM,
    RandomPatching,
    memory,
)
from keras_patchdpm.memory import _call_bytes
from keras_patchdpm.networks import unet

WEIGHTS, BASE, SLOPE = 1000, 100, 50
PIXELS = 8 * 8 * 3


@pytest.fixture
def measured(monkeypatch):
    """Memory that is exactly affine; the calls that measured it."""
    calls = []

    def profile(network, batch_size, gradients, timed):
        calls.append(batch_size)
        return types.SimpleNamespace(
            weights=WEIGHTS, activations=BASE + SLOPE * batch_size
        )

    monkeypatch.setattr(_call_bytes, "profile", profile)
    return calls


def images_bytes(batch, count, held=2, images_on="host", patches=1):
    """Of a grid of 2 x 2 patches of 4 x 4 pixels."""
    floats = held * PIXELS
    if images_on == "device":
        results, windows, tables = 2 * PIXELS, 2 * PIXELS, 2 * 8 * 8
        inputs = 2 * 4 * 4 * 3 + 2  # Patch, content, index, level.
        floats += results + windows + tables + patches * inputs
    return 4 * floats * batch + PIXELS * count


def needed(patches, batch, count, held=2, images_on="host"):
    work = BASE + SLOPE * patches * batch
    return WEIGHTS + work + images_bytes(batch, count, held, images_on, patches)


@pytest.mark.once
@pytest.mark.parametrize(
    ("patches", "batch", "count"),
    [(1, 1, 1), (2, 1, 3), (4, 1, 3), (4, 2, 3), (4, 3, 3)],
)
@pytest.mark.parametrize("images_on", ["host", "device"])
def test_a_budget_is_used_as_far_as_it_goes(measured, patches, batch, count, images_on):
    model, place = tiny_model(GridPatching(2)), {"images_on": images_on}
    enough = needed(patches, batch, count, **place)
    plan = memory.plan(model, enough, count, **place)
    assert (plan.patches_per_call, plan.batch_size) == (patches, batch)
    assert plan.peak == enough and plan.images_on == images_on
    plan = memory.plan(model, 10**9, count, **place)
    assert (plan.patches_per_call, plan.batch_size) == (4, count)
    held = memory.plan(model, 10**9, count, images_held=4, **place)
    assert held.peak == needed(4, count, count, held=4, **place)
    assert len(set(measured)) == len(measured), "measured twice"
    assert len(measured) <= 8


@pytest.mark.once
def test_batches_are_of_nearly_the_same_size(measured):
    """Six images in batches of at most four are generated as three and three."""
    model = tiny_model(GridPatching(2))
    enough = needed(4, 4, 6)
    plan = memory.plan(model, enough, 6, images_on="host")
    assert (plan.patches_per_call, plan.batch_size) == (4, 3)
    assert plan.peak == needed(4, 3, 6) < enough


@pytest.mark.once
def test_the_images_are_on_the_host_where_nothing_fits_the_device(measured):
    model = tiny_model(GridPatching(2))
    on_host, on_device = needed(1, 1, 1), needed(1, 1, 1, images_on="device")
    assert memory.plan(model, on_device).images_on == "device"
    plan = memory.plan(model, on_device - 1)
    assert plan.images_on == "host" and plan.peak <= on_device - 1
    assert memory.plan(model, on_host).peak == on_host
    with pytest.raises(ValueError, match="cannot be sampled with"):
        memory.plan(model, on_device - 1, images_on="device")


@pytest.mark.once
def test_three_of_four_patches_are_two_calls_of_two(measured):
    model = tiny_model(GridPatching(2))
    plan = memory.plan(model, needed(3, 1, 1), images_on="host")
    assert plan.patches_per_call == 2


@pytest.mark.once
def test_a_cascade_counts_its_smaller_images(measured):
    model, smaller = tiny_model(CascadePatching(2)), 4 * 2 * PIXELS // 4
    plan = memory.plan(model, 10**9, 2, images_on="host")
    assert plan.patches_per_call == 9  # Of a shifted grid.
    assert plan.images == images_bytes(2, 2) + smaller
    on_device = memory.plan(model, 10**9, 2, images_on="device")
    # Two more, the stage before enlarged, nine windows of a quarter twice, tables, and
    # inputs: patch, content, local content, coordinates, three numbers.
    patch = PIXELS // 4
    floats = 3 * PIXELS + 2 * 9 * patch + 2 * 8 * 8 + 9 * (3 * patch + 2 * 16 + 3)
    assert on_device.images == plan.images + smaller + 4 * 2 * floats


@pytest.mark.once
def test_below_the_floor(measured):
    model, floor = tiny_model(GridPatching(2)), needed(1, 1, 1)
    with pytest.raises(ValueError, match="cannot be sampled with") as caught:
        memory.plan(model, floor - 1)
    message = str(caught.value)
    assert f"smallest budget that works is {floor} bytes" in message
    assert f"{WEIGHTS} for the weights" in message and "N = 4 would fit" in message
    assert memory.plan(model, floor).peak == floor
    # A quarter of one patch and less is not there.
    with pytest.raises(ValueError, match="a smaller network or image"):
        memory.plan(model, WEIGHTS + images_bytes(1, 1))


@pytest.mark.once
@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (5, 5),
        (np.int64(7), 7),
        ("300MB", 300_000_000),
        ("1.5 GiB", 3 * 2**29),
        (" 2kb ", 2000),
        ("12B", 12),
        (3e8, 300_000_000),
        (np.float32(1024), 1024),
        (10**30, 10**30),
        ("300000000", 300_000_000),
        ("1e9", 10**9),
        ("1.5e+9", 1_500_000_000),
        ("300M", 300_000_000),
        ("2 g", 2 * 10**9),
        ("1T", 10**12),
        ("0.3KiB", 307),
        ("2.5e3 KB", 2_500_000),
        ("3000000001", 3_000_000_001),
    ],
)
def test_amounts(amount, expected):
    assert memory.parse_bytes("budget", amount) == expected


@pytest.mark.once
@pytest.mark.parametrize(
    "amount",
    ["MB", "-3MB", "0MB", "3 X", "1.5", "0.5B", "1e", "1e-3", "1e999", "nan", "inf", ""]
    + [0, -1, 1.5, 0.0, float("nan"), float("inf"), -3e8, "3MB3", "٣MB", "1_000"],
)
def test_refuses_amounts(amount):
    with pytest.raises(ValueError, match="`budget` must be .*Received: budget="):
        memory.parse_bytes("budget", amount)


@pytest.mark.once
@pytest.mark.parametrize("amount", [None, True, [], b"3MB", 1j, object()])
def test_refuses_amounts_of_another_type(amount):
    with pytest.raises(TypeError, match='`budget` must be a .*"300MB".*of type'):
        memory.parse_bytes("budget", amount)


def test_the_memory_in_use_is_told():
    before = memory.current()
    held = np.ones(10**8, "uint8")
    assert 0.8 * held.nbytes < memory.current() - before
    assert 10**7 < before < 10**11


@pytest.mark.once
@pytest.mark.slow
def test_a_prediction_is_within_a_tenth_of_what_is_measured():
    """`benchmarks/memory/budgets.py` measures at other budgets."""
    patching = GridPatching(4)
    network = unet(64, patching, width=32, multipliers=(1, 2), stem=1)
    model = PatchDPM(network, DDPMSchedule(), patching)
    most = memory.plan(model, "10GB", num_images=8)
    plan = memory.plan(model, most.peak // 2, num_images=8)
    rows = plan.patches_per_call * plan.batch_size
    assert 8 < rows < 128
    report = memory.profile(model, batch_size=rows)
    measured = report.peak + plan.images
    assert measured <= 1.1 * most.peak // 2
    assert plan.peak == pytest.approx(measured, rel=0.1)


@pytest.mark.once
def test_one_plan_alone_is_measured_once(measured, capsys):
    model = tiny_model(GridPatching(1))
    plan = memory.plan(model, "1MB")
    assert (plan.patches_per_call, plan.batch_size) == (1, 1)
    assert measured == [1]
    assert plan.peak == WEIGHTS + BASE + SLOPE + plan.images
    with pytest.raises(ValueError, match="cannot be sampled with"):
        memory.plan(model, needed(1, 1, 1) - 1)
    assert measured == [1]
    assert memory.plan(model, "1MB", num_images=3).batch_size == 3
    assert capsys.readouterr().out == ""


@pytest.mark.once
def test_what_is_measured_and_the_plan_are_printed_if_asked(measured, capsys):
    model = tiny_model(GridPatching(2))
    plan = memory.plan(model, "1MB", 2, verbose=1)
    *announced, last = capsys.readouterr().out.splitlines()
    expected = [f"Measuring a call of the network, patches: {n}" for n in measured]
    assert announced == expected and len(expected) > 1
    assert last == f"Plan: {plan}"
    assert "patches_per_call=4, batch_size=2: peak 1" in last and "KiB" in last
    memory.plan(model, "1MB", 2, verbose=1)  # Nothing is measured again.
    assert capsys.readouterr().out == f"Plan: {plan}\n"


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "faces64_n2"}, "`model` must be a `PatchDPM`.*'faces64_n2'"),
        ({"model": None}, "`model` must be a `PatchDPM`"),
        ({"num_images": 0}, "`num_images` must be at least 1"),
        ({"num_images": 1.5}, "`num_images` must be an int"),
        ({"images_held": 0}, "`images_held` must be at least 1"),
        ({"budget": None}, "`budget` must be"),
    ],
)
def test_wrong_arguments(measured, arguments, message):
    arguments = {"model": tiny_model(), "budget": "1MB", **arguments}
    with pytest.raises((TypeError, ValueError), match=message):
        memory.plan(**arguments)


@pytest.mark.once
def test_a_model_of_crops_is_planned_as_it_is_tiled(measured):
    model = tiny_model(RandomPatching(8, content=True), EDMSchedule())
    assert memory.plan(model, "300MB").patches_per_call == 1
    assert memory.plan(model.tiled(2), "300MB").patches_per_call == 4
