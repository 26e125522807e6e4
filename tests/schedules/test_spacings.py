import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_patchdpm import DDPMSchedule
from keras_patchdpm.schedules.spacings import SPACINGS


def spread(steps, spacing, total=1000):
    levels = DDPMSchedule("linear", total).levels(steps, spacing)
    assert levels[-1].condition is None
    return [level.condition for level in levels[:-1]]


def test_five_steps():
    assert spread(5, "uniform") == [999, 749, 500, 250, 0]
    assert spread(5, "leading") == [800, 600, 400, 200, 0]
    assert spread(5, "trailing") == [999, 799, 599, 399, 199]


def test_karras_is_even_in_the_seventh_root():
    schedule = DDPMSchedule("linear")
    levels = schedule.levels(8, "karras")[:-1]
    roots = [(level.sigma / level.alpha) ** (1 / 7) for level in levels]
    np.testing.assert_allclose(np.diff(roots), (roots[-1] - roots[0]) / 7, rtol=0.03)
    assert [level.condition for level in (levels[0], levels[-1])] == [999, 0]


@given(st.integers(1, 200), st.data(), st.sampled_from(SPACINGS))
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
    assert spread(steps, "uniform") == list(steps)


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ([], ValueError, r"one at least.*steps=\[\]"),
        ([5, 5], ValueError, r"must fall.*steps=\[5, 5\]"),
        ([1000, 5], ValueError, "`steps` must be at most 999"),
        ([5, -1], ValueError, "`steps` must be at least 0"),
        ([5.0, 2], TypeError, "`steps` must be an int"),
    ],
)
def test_refuses_own_timesteps(steps, error, message):
    with pytest.raises(error, match=message):
        DDPMSchedule().levels(steps)
