import numpy as np
import pytest

from keras_patchdpm.samplers import sampler
from keras_patchdpm.samplers.noise import image_draws
from keras_patchdpm.samplers.rules import Weights
from keras_patchdpm.samplers.sampler import Rule, State, update_in_place, walk
from keras_patchdpm.schedules.level import Level

pytestmark = pytest.mark.once

LEVELS = [Level(0.1, 0.9, 30), Level(0.5, 0.8, 20), Level(0.9, 0.4, 10), Level(1, 0)]
SHAPE = (2, 3, 5, 1)


def doubled(asked, outs=None):
    """Says twice the noisy image, and keeps the levels that it is asked at."""

    def denoise(noisy, level, out):
        asked.append(level.condition)
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

    def weights(now, then, before):
        told.append([level and level.condition for level in (now, then, before)])
        return Weights(0.5, 0.75)  # 0.5 + 0.75 * 2: twice as much in each step.

    seen = [
        (state.step, float(state.noisy.max()), float(state.clean.max()))
        for state in walk(doubled(asked), start(), LEVELS, Rule(weights))
    ]
    assert asked == [30, 20, 10]
    assert told == [[30, 20, None], [20, 10, 30], [10, None, 20]]
    assert seen == [(1, 2, 2), (2, 4, 4), (3, 8, 8)]


def test_goes_on_from_a_step():
    asked = []
    rule = Rule(lambda now, then, before: Weights(0.0, 1.0))
    (state,) = walk(doubled(asked), start(2), LEVELS, rule)
    assert (asked, state.step, state.noisy.max()) == ([10], 3, 2)


def test_a_rule_may_remember_one_estimate():
    rule = Rule(
        lambda now, then, before: Weights(0.0, 1.0, 10.0 if before else 0.0),
        remembers=True,
    )
    seen = [float(s.noisy.max()) for s in walk(doubled([]), start(), LEVELS, rule)]
    assert seen == [2, 4 + 20, 48 + 40]


def test_a_correction_asks_ahead_but_not_at_the_clean_end():
    asked = []
    rule = Rule(lambda *levels: Weights(1.0, 0.0), correction=lambda now, then: 0.25)
    states = walk(doubled(asked), start(), LEVELS, rule)
    # Uncorrected 1, clean 2, ahead 2: nothing to correct.
    assert [float(state.noisy.max()) for state in states] == [1, 1, 1]
    assert asked == [30, 20, 20, 10, 10]
    rule = rule._replace(weights=lambda *levels: Weights(2.0, 0.0))
    states = walk(doubled([]), start(), LEVELS[:2], rule)
    # 2, clean 2, ahead 4: 2 + 0.25 * (2 - 4).
    assert [float(state.noisy.max()) for state in states] == [1.5]


def test_noise_is_asked_for_where_it_is_added():
    steps = []

    def noise(step):
        steps.append(step)
        return image_draws(0, [0, 1], step)

    def weights(now, then, before):
        return Weights(1.0, 0.0, noise=0.5 if then.sigma else 0.0)

    for _ in walk(doubled([]), start(), LEVELS, Rule(weights), noise):
        pass
    assert steps == [1, 2]


def test_no_third_array_of_the_images_size_is_made():
    outs, first = [], start()
    rule = Rule(lambda now, then, before: Weights(0.5, 0.5))
    noisy = first.noisy
    cleans = [state.clean for state in walk(doubled([], outs), first, LEVELS, rule)]
    assert outs[0] is None
    assert all(out is cleans[0] for out in (*outs[1:], *cleans))
    assert first.noisy is noisy


@pytest.mark.parametrize("block", [4, 2**18])
def test_an_update_is_the_sum_it_says(rng, monkeypatch, block):
    """In blocks, and with the noise that each image would be given at once."""
    monkeypatch.setattr(sampler, "BLOCK", block)
    noisy, clean, before = rng.normal(size=(3, *SHAPE)).astype("float32")
    fresh = [draws.standard_normal(SHAPE[1:], "float32") for draws in draws_of(SHAPE)]
    expected = 0.1 * noisy + 0.2 * clean - 0.3 * before + 0.4 * np.stack(fresh)
    update_in_place(noisy, Weights(0.1, 0.2, -0.3, 0.4), clean, before, draws_of(SHAPE))
    np.testing.assert_allclose(noisy, expected, atol=1e-6)


def draws_of(shape):
    return image_draws(5, range(shape[0]), 3)
