import numpy as np
import pytest

from keras_patchdpm.samplers import loop
from keras_patchdpm.samplers.loop import State, update_in_place, walk
from keras_patchdpm.samplers.noise import image_rngs
from keras_patchdpm.schedules.base import NoiseLevel
from keras_patchdpm.solvers import Coefficients, Solver

LEVELS = [
    NoiseLevel(0.1, 0.9, 30),
    NoiseLevel(0.5, 0.8, 20),
    NoiseLevel(0.9, 0.4, 10),
    NoiseLevel(1, 0),
]
SHAPE = (2, 3, 5, 1)


class Fixed(Solver):
    """Coefficients of a function, and what else a solver may do.

    Args:
        coefficients: Function `(now, then, before) -> Coefficients`.
        correction: Float, or `None` for a solver without a correction.
        uses_clean_before: Bool.
        first: What `noise_first` returns.
    """

    def __init__(
        self, coefficients, correction=None, uses_clean_before=False, first=None
    ):
        self.function, self.share, self.first = coefficients, correction, first
        self.uses_clean_before, self.corrects = (
            uses_clean_before,
            correction is not None,
        )

    def coefficients(self, now, then, before=None):
        return self.function(now, then, before)

    def correction(self, now, then):
        return self.share

    def noise_first(self, now, level_of, num_steps):
        return self.first


def doubled(asked, outs=None):
    """Says twice the noisy image, and keeps the levels that it is asked at."""

    def denoise(noisy, level, out):
        asked.append(level.timestep)
        if outs is not None:
            outs.append(out)
        if out is None:
            return 2 * noisy
        out[:] = 2 * noisy
        return out

    return denoise


def start(step=0):
    return State(np.ones(SHAPE, "float32"), step)


def test_walks_down_the_levels():
    asked, told = [], []

    def coefficients(now, then, before):
        told.append([level and level.timestep for level in (now, then, before)])
        return Coefficients(0.5, 0.75)  # 0.5 + 0.75 * 2: twice as much in each step.

    seen = [
        (state.step, float(state.noisy.max()), float(state.clean.max()))
        for state in walk(doubled(asked), start(), LEVELS, solver=Fixed(coefficients))
    ]
    assert asked == [30, 20, 10]
    assert told == [[30, 20, None], [20, 10, 30], [10, None, 20]]
    assert seen == [(1, 2, 2), (2, 4, 4), (3, 8, 8)]


def test_goes_on_from_a_step():
    asked = []
    solver = Fixed(lambda now, then, before: Coefficients(0.0, 1.0))
    (state,) = walk(doubled(asked), start(2), LEVELS, solver=solver)
    assert (asked, state.step, state.noisy.max()) == ([10], 3, 2)


def test_a_solver_may_use_the_previous_estimate():
    solver = Fixed(
        lambda now, then, before: Coefficients(0.0, 1.0, 10.0 if before else 0.0),
        uses_clean_before=True,
    )
    seen = [
        float(s.noisy.max()) for s in walk(doubled([]), start(), LEVELS, solver=solver)
    ]
    assert seen == [2, 4 + 20, 48 + 40]


def test_a_correction_asks_ahead_but_not_at_the_clean_end():
    asked = []
    solver = Fixed(lambda *levels: Coefficients(1.0, 0.0), correction=0.25)
    states = walk(doubled(asked), start(), LEVELS, solver=solver)
    # Uncorrected 1, clean 2, ahead 2: nothing to correct.
    assert [float(state.noisy.max()) for state in states] == [1, 1, 1]
    assert asked == [30, 20, 20, 10, 10]
    solver = Fixed(lambda *levels: Coefficients(2.0, 0.0), correction=0.25)
    states = walk(doubled([]), start(), LEVELS[:2], solver=solver)
    # 2, clean 2, ahead 4: 2 + 0.25 * (2 - 4).
    assert [float(state.noisy.max()) for state in states] == [1.5]


def test_noise_is_asked_for_where_it_is_added():
    steps = []

    def noise(step):
        steps.append(step)
        return image_rngs(0, [0, 1], step)

    def coefficients(now, then, before):
        return Coefficients(1.0, 0.0, noise=0.5 if then.sigma else 0.0)

    for _ in walk(
        doubled([]), start(), LEVELS, solver=Fixed(coefficients), noise=noise
    ):
        pass
    assert steps == [1, 2]


def test_no_third_array_of_the_images_size_is_made():
    outs, first = [], start()
    solver = Fixed(lambda now, then, before: Coefficients(0.5, 0.5))
    noisy = first.noisy
    cleans = [
        state.clean for state in walk(doubled([], outs), first, LEVELS, solver=solver)
    ]
    assert outs[0] is None
    assert all(out is cleans[0] for out in (*outs[1:], *cleans))
    assert first.noisy is noisy


@pytest.mark.parametrize("block", [4, 2**18])
def test_an_update_is_the_sum_it_says(rng, monkeypatch, block):
    """In blocks, and with the noise that each image would be given at once."""
    monkeypatch.setattr(loop, "BLOCK", block)
    noisy, clean, before = rng.normal(size=(3, *SHAPE)).astype("float32")
    fresh = [rng.standard_normal(SHAPE[1:], "float32") for rng in rngs_of(SHAPE)]
    expected = 0.1 * noisy + 0.2 * clean - 0.3 * before + 0.4 * np.stack(fresh)
    update_in_place(
        noisy,
        Coefficients(0.1, 0.2, -0.3, 0.4),
        clean,
        other_clean=before,
        rng=rngs_of(SHAPE),
    )
    np.testing.assert_allclose(noisy, expected, atol=1e-6)


def rngs_of(shape):
    return image_rngs(5, range(shape[0]), 3)
