import json
import math
import statistics

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_patchdpm import DDPMSchedule
from keras_patchdpm.schedules import predictions
from keras_patchdpm.schedules.base import CLEAN, NoiseLevel
from keras_patchdpm.schedules.ddpm_schedule import linear_betas

TIMESTEPS = np.array([0, 1, 300, 700, 950, 999], "int32")


def betas(schedule):
    """The variance of each step, from the tables."""
    alpha_bar = np.concatenate([[1.0], schedule.alphas**2])
    return 1 - alpha_bar[1:] / alpha_bar[:-1]


@pytest.mark.parametrize("num_timesteps", [1, 2, 50, 1000])
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_the_tables_hold_the_variance_and_fall(name, num_timesteps):
    schedule = DDPMSchedule(name, num_timesteps)
    assert schedule.alphas.shape == schedule.sigmas.shape == (num_timesteps,)
    assert schedule.alphas.dtype == schedule.sigmas.dtype == np.float64
    total = schedule.alphas**2 + schedule.sigmas**2
    np.testing.assert_allclose(total, 1, atol=1e-12)
    assert (np.diff(schedule.alphas) < 0).all()
    assert ((schedule.alphas > 0) & (schedule.sigmas > 0)).all()


def test_cosine_is_a_squared_cosine():
    schedule = DDPMSchedule("cosine")
    time = np.arange(1001) / 1000
    signal = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
    alpha_bar = signal[1:] / signal[0]
    np.testing.assert_allclose(schedule.alphas[:-1] ** 2, alpha_bar[:-1], rtol=1e-9)
    assert betas(schedule)[-1] == pytest.approx(0.999)  # Clipped: the cosine ends at 0.
    assert betas(schedule)[-2] == pytest.approx(0.75, abs=1e-3)
    assert schedule.alphas[-1] == pytest.approx(4.93e-5, rel=1e-3)


def test_linear_is_a_line_of_variances():
    found = betas(DDPMSchedule("linear"))
    assert found[0] == pytest.approx(1e-4)
    assert found[-1] == pytest.approx(0.02)
    np.testing.assert_allclose(np.diff(found), 0.0199 / 999, rtol=1e-6)


def test_linear_in_fewer_timesteps_ends_as_noisy():
    found = betas(DDPMSchedule("linear", num_timesteps=250))
    assert found[[0, -1]] == pytest.approx([4e-4, 0.08])
    ends = [np.log(DDPMSchedule("linear", n).alphas[-1]) for n in (250, 1000)]
    assert ends[0] == pytest.approx(ends[1], rel=0.03)


def test_alpha_sigma_looks_the_tables_up():
    schedule = DDPMSchedule()
    timestep = ops.convert_to_tensor(TIMESTEPS.reshape(2, 3))
    for found, table in zip(
        schedule.alpha_sigma(timestep), (schedule.alphas, schedule.sigmas), strict=True
    ):
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        expected = table[TIMESTEPS].reshape(2, 3)
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-6)


@pytest.mark.parametrize("prediction", predictions.TYPES)
def test_corrupt_mixes_and_clean_undoes_it(prediction, rng):
    schedule = DDPMSchedule(prediction=prediction)
    clean, noise = rng.normal(size=(2, len(TIMESTEPS), 2, 3, 1)).astype("float32")
    noisy, target = (
        ops.convert_to_numpy(value)
        for value in schedule.add_noise(clean, noise, TIMESTEPS)
    )
    alpha = schedule.alphas[TIMESTEPS].reshape(-1, 1, 1, 1)
    sigma = schedule.sigmas[TIMESTEPS].reshape(-1, 1, 1, 1)
    wanted = {
        "noise": noise,
        "clean": clean,
        "velocity": alpha * noise - sigma * clean,
    }
    np.testing.assert_allclose(noisy, alpha * clean + sigma * noise, atol=1e-6)
    np.testing.assert_allclose(target, wanted[prediction], atol=1e-6)

    for image, timestep in enumerate(TIMESTEPS):
        level = schedule.level(int(timestep))
        found = schedule.clean(target[image], noisy[image], level)
        atol = 1e-6 / level.alpha if prediction == "noise" else 1e-5
        np.testing.assert_allclose(found, clean[image], atol=atol)


@pytest.mark.parametrize("gamma", [0.5, 5.0])
def test_min_snr_weights(gamma):
    def weight(prediction):
        schedule = DDPMSchedule(prediction=prediction, min_snr_gamma=gamma)
        return ops.convert_to_numpy(schedule.weight(TIMESTEPS))

    alpha_bar = DDPMSchedule().alphas[TIMESTEPS] ** 2
    snr = alpha_bar / (1 - alpha_bar)
    clipped = np.minimum(snr, gamma)
    assert (clipped < snr).any() and (clipped == snr).any()
    np.testing.assert_allclose(weight("clean"), clipped, rtol=1e-5)
    np.testing.assert_allclose(weight("noise"), clipped / snr, rtol=1e-5)
    np.testing.assert_allclose(weight("velocity"), clipped / (snr + 1), rtol=1e-5)


@pytest.mark.parametrize("prediction", predictions.TYPES)
def test_an_error_of_the_clean_image_costs_the_same_in_all_predictions(prediction, rng):
    schedule = DDPMSchedule(prediction=prediction, min_snr_gamma=5.0)
    noisy, clean, error = rng.normal(size=(3, 4, 4, 1))
    for timestep in (100, 400, 900):
        level = schedule.level(timestep)
        right, wrong = (
            predictions.target(
                prediction,
                estimate,
                (noisy - level.alpha * estimate) / level.sigma,
                alpha=level.alpha,
                sigma=level.sigma,
            )
            for estimate in (clean, clean + error)
        )
        weight = ops.convert_to_numpy(schedule.weight(np.array([timestep])))
        cost = weight * np.mean((right - wrong) ** 2)
        expected = min((level.alpha / level.sigma) ** 2, 5.0) * np.mean(error**2)
        np.testing.assert_allclose(cost, expected, rtol=1e-4)


def test_without_gamma_all_weigh_the_same():
    assert DDPMSchedule().weight(TIMESTEPS) is None


@pytest.mark.parametrize(
    ("loss", "formula"),
    [
        ("l2", lambda error: error**2),
        ("l1", np.abs),
        ("huber", lambda e: np.where(np.abs(e) < 1, e**2 / 2, np.abs(e) - 0.5)),
    ],
)
def test_losses(loss, formula, rng):
    target, prediction = 2 * rng.normal(size=(2, 3, 4, 4, 2)).astype("float32")
    found = DDPMSchedule(loss=loss).make_loss()(target, prediction)
    expected = formula(target - prediction).mean()
    assert float(ops.convert_to_numpy(found)) == pytest.approx(expected, rel=1e-5)


def test_draws_each_timestep_as_often_and_from_the_seed():
    schedule = DDPMSchedule(num_timesteps=10)
    first, again, other = (
        schedule.draw(20_000, keras.random.SeedGenerator(seed)) for seed in (1, 1, 2)
    )
    assert keras.backend.standardize_dtype(first.dtype) == "int32"
    first, again, other = map(ops.convert_to_numpy, (first, again, other))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_allclose(np.bincount(first, minlength=10), 2000, rtol=0.1)


@pytest.mark.parametrize("beta_schedule", ["cosine", "linear"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_share_of_the_timesteps_is_logit_normal(beta_schedule, share):
    """The probabilities follow from the normal distribution of the logits."""
    schedule = DDPMSchedule(beta_schedule, 10, logit_normal_share=share)
    count = 40_000
    drawn = ops.convert_to_numpy(schedule.draw(count, keras.random.SeedGenerator(1)))
    assert drawn.dtype == np.int32
    middle = np.abs(schedule.alphas - schedule.sigmas).argmin()
    ends = np.arange(1, 10) / 10
    shift = math.log((middle + 0.5) / (9.5 - middle))
    logits = np.log(ends / (1 - ends)) - shift
    below = np.array([0, *map(statistics.NormalDist().cdf, logits), 1])
    expected = share * np.diff(below) + (1 - share) / 10
    found = np.bincount(drawn, minlength=10) / count
    np.testing.assert_allclose(found, expected, atol=0.008)


def test_all_levels():
    schedule = DDPMSchedule(num_timesteps=20)
    levels = schedule.levels()
    assert [level.timestep for level in levels] == [*range(19, -1, -1), None]
    assert levels[-1] == CLEAN == NoiseLevel(1.0, 0.0, None)
    assert levels[3] == schedule.level(16)
    assert levels[3] == NoiseLevel(schedule.alphas[16], schedule.sigmas[16], 16)


@given(st.integers(2, 1000), st.data())
def test_uniform_levels_go_from_the_last_timestep_to_the_first(total, data):
    steps = data.draw(st.integers(2, total))
    levels = DDPMSchedule("linear", total).levels(steps, "uniform")
    found = [level.timestep for level in levels]
    timesteps = found[:-1]
    assert len(timesteps) == steps
    assert (timesteps[0], timesteps[-1], found[-1]) == (total - 1, 0, None)
    gaps = -np.diff(timesteps)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1
    assert all(type(timestep) is int for timestep in timesteps)


def test_one_step_starts_from_noise():
    assert [level.timestep for level in DDPMSchedule().levels(1)] == [999, None]


def test_config_round_trip():
    schedule = DDPMSchedule(
        "linear",
        30,
        prediction="velocity",
        loss="l1",
        min_snr_gamma=5,
        logit_normal_share=0.5,
    )
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    assert config["registered_name"] == "keras_patchdpm>DDPMSchedule"
    clone = keras.saving.deserialize_keras_object(config)
    assert clone.get_config() == schedule.get_config()
    assert clone.get_config() == {
        "beta_schedule": "linear",
        "num_timesteps": 30,
        "prediction": "velocity",
        "loss": "l1",
        "min_snr_gamma": 5.0,
        "logit_normal_share": 0.5,
    }
    np.testing.assert_array_equal(clone.alphas, schedule.alphas)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta_schedule": "sigmoid"}, "'linear', 'cosine'.*beta_schedule='sigmoid'"),
        ({"prediction": "score"}, "'noise', 'velocity', 'clean'.*prediction='score'"),
        ({"loss": "l3"}, "'l2', 'l1', 'huber'.*loss='l3'"),
        ({"num_timesteps": 0}, r"`num_timesteps` must be .*\[1, 100000\]|at least 1"),
        ({"num_timesteps": 10**12}, "`num_timesteps` must be at most 100000"),
        ({"min_snr_gamma": 0}, "`min_snr_gamma` must be"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        DDPMSchedule(**arguments)


@pytest.mark.once
@pytest.mark.parametrize("timestep", [-1, 1000])
def test_refuses_timesteps_out_of_range(timestep):
    schedule = DDPMSchedule(min_snr_gamma=5.0)
    images, timesteps = np.zeros((2, 2, 2, 1), "float32"), np.array([0, timestep])
    for call in (
        lambda: schedule.level(timestep),
        lambda: schedule.alpha_sigma(timesteps),
        lambda: schedule.weight(timesteps),
        lambda: schedule.add_noise(images, images, timesteps),
    ):
        with pytest.raises(ValueError, match=f"`timestep` must be.*={timestep}"):
            call()


@pytest.mark.once
@pytest.mark.parametrize("timestep", [0.5, True, "9", float("nan")])
def test_refuses_timesteps_that_are_no_ints(timestep):
    schedule = DDPMSchedule()
    for call in (schedule.level, schedule.alpha_sigma):
        with pytest.raises(TypeError, match="`timestep` must be an int"):
            call(timestep)
    with pytest.raises(TypeError, match="`timestep` must be an int"):
        schedule.level(None)


def test_a_level_of_numpys_int_is_a_plain_one():
    level = DDPMSchedule().level(np.int64(7))
    assert type(level.timestep) is int and type(level.alpha) is float


@pytest.mark.once
@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        (1001, ValueError, "must be at most 1000, .*timesteps.*steps=1001"),
        (0, ValueError, "`steps` must be at least 1"),
        (2.5, TypeError, "`steps` must be an int"),
    ],
)
def test_refuses_steps(steps, error, message):
    with pytest.raises(error, match=message):
        DDPMSchedule().levels(steps)


# Variances of one's own.


def test_variances_of_ones_own():
    betas = linear_betas(50)
    schedule, known = DDPMSchedule(betas), DDPMSchedule("linear", 50)
    assert schedule.num_timesteps == 50
    np.testing.assert_array_equal(schedule.alphas, known.alphas)
    assert schedule.levels(5) == known.levels(5)
    config = json.loads(json.dumps(schedule.get_config()))
    again = DDPMSchedule.from_config(config)
    np.testing.assert_array_equal(again.sigmas, known.sigmas)
    assert DDPMSchedule([0.1, 1]).alphas[-1] == 0  # Pure noise at the end.


@pytest.mark.once
@pytest.mark.parametrize(
    "betas", [[], [0.1, 0.0], [0.1, 1.1], [np.nan], [[0.1]], ["a"], None, 3, "sine"]
)
def test_refuses_what_are_no_variances(betas):
    with pytest.raises(ValueError, match='`beta_schedule` must be .*"?cosine'):
        DDPMSchedule(betas)


def test_refuses_more_or_fewer_variances_than_timesteps():
    with pytest.raises(ValueError, match="one variance for each.*=3 with 2 values"):
        DDPMSchedule([0.1, 0.2], num_timesteps=3)
