import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchdpm import DDPMSchedule, EDMSchedule
from keras_patchdpm.schedules.spacings import SPACINGS

pytestmark = pytest.mark.once


def spread(steps, spacing, total=1000):
    levels = DDPMSchedule("linear", total).levels(steps, spacing)
    assert levels[-1].timestep is None
    return [level.timestep for level in levels[:-1]]


def test_five_steps():
    assert spread(5, "uniform") == [999, 749, 500, 250, 0]
    assert spread(5, "leading") == [999, 600, 400, 200, 0]
    assert spread(5, "trailing") == [999, 799, 599, 399, 199]


def strengths(name, steps, spacing=None):
    levels = DDPMSchedule(name).levels(steps, spacing)[:-1]
    return np.array([level.sigma / level.alpha for level in levels])


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_karras_is_even_in_the_seventh_root_from_80_down(name):
    roots = strengths(name, 8, "karras")[1:] ** (1 / 7)
    step = (80 ** (1 / 7) - roots[-1]) / 7
    np.testing.assert_allclose(np.diff(roots), -step, rtol=0.05)
    np.testing.assert_allclose(roots[0], 80 ** (1 / 7) - step, rtol=0.01)


def test_karras_is_the_default():
    levels = DDPMSchedule().levels(12)
    assert levels == DDPMSchedule().levels(12, "karras")
    assert [levels[0].timestep, levels[-2].timestep] == [999, 0]


def test_the_cosine_schedule_loses_no_steps_where_there_is_noise_alone():
    """Its last timestep has a strength of 20,291: one step leads out of there."""
    found = strengths("cosine", 10)
    assert found[0] > 20_000 and found[1] < 80


@pytest.mark.parametrize("spacing", [None, *SPACINGS])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 333, 999, 1000])
def test_sampling_starts_from_pure_noise(steps, spacing):
    assert spread(steps, spacing)[0] == 999


@given(st.integers(1, 200), st.data(), st.sampled_from((None, *SPACINGS)))
def test_any_number_of_steps_falls(total, data, spacing):
    steps = data.draw(st.integers(1, total))
    found = spread(steps, spacing, total)
    assert len(found) == steps
    assert all(np.diff(found) < 0)
    assert 0 <= found[-1] <= found[0] < total
    assert all(type(timestep) is int for timestep in found)


@pytest.mark.parametrize(
    "steps", [[900, 500, 3], (7,), np.array([2, 1]), range(9, 5, -2)]
)
def test_own_timesteps(steps):
    assert spread(steps, None) == list(steps)


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ([], ValueError, r"at least one.*steps=\[\]"),
        ([5, 5], ValueError, r"must fall.*steps=\[5, 5\]"),
        ([1000, 5], ValueError, "`steps` must be at most 999"),
        ([5, -1], ValueError, "`steps` must be at least 0"),
        ([5.0, 2], TypeError, "`steps` must be an int"),
        ([True, False], TypeError, "`steps` must be an int"),
        ([float("nan")], TypeError, "`steps` must be an int"),
        (["9", "3"], TypeError, "`steps` must be an int"),
        ([10**30, 3], ValueError, "`steps` must be at most 999"),
        ([[9], [5, 3]], TypeError, "`steps` must be an int"),
        (np.array([[9, 5]]), TypeError, "`steps` must be an int"),
        (np.array(5), TypeError, "`steps` must be an int"),
        ("20", TypeError, "`steps` must be an int"),
        ({9, 5}, TypeError, "`steps` must be an int"),
        (iter([9, 5]), TypeError, "`steps` must be an int"),
        (range(10**12, 0, -1), ValueError, "`steps` must be at most 999"),
        (True, TypeError, "`steps` must be an int"),
        (10**30, ValueError, "`steps` must be at most 1000"),
        (-3, ValueError, "`steps` must be at least 1"),
        (float("inf"), TypeError, "`steps` must be an int"),
    ],
)
def test_refuses_steps(steps, error, message):
    with pytest.raises(error, match=message):
        DDPMSchedule().levels(steps)


@pytest.mark.parametrize("spacing", ["even", "KARRAS", "", 1, True, ["karras"]])
def test_refuses_spacings(spacing):
    with pytest.raises(ValueError, match="`spacing` must be one of .*'karras'"):
        DDPMSchedule().levels(5, spacing)


@pytest.mark.parametrize("schedule", [DDPMSchedule(), EDMSchedule()])
def test_a_sequence_has_no_spacing(schedule):
    with pytest.raises(ValueError, match="Leave `spacing` out.*spacing='karras'"):
        schedule.levels([9, 5], "karras")
