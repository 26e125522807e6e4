"""What one step computes, by hand."""

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import tiny_images, tiny_model, train

from keras_patchdpm import DDPMSchedule, GridPatching

LOSSES = {
    "l1": lambda error: np.abs(error),
    "l2": lambda error: error**2,
    "huber": lambda error: np.where(
        np.abs(error) <= 1, error**2 / 2, np.abs(error) - 0.5
    ),
}
WEIGHTS = np.array([0.5, 2.0, 1.0, 0.0, 3.0, 1.5], "float32")


def by_hand(model, images, seed, loss, sample_weight=None):
    """The loss of the network on what `prepare` makes of `images`."""
    inputs, target, weight = model.prepare(images, keras.random.SeedGenerator(seed))
    prediction = ops.convert_to_numpy(model.network(inputs, training=False))
    each = LOSSES[loss](prediction - ops.convert_to_numpy(target)).mean(axis=(1, 2, 3))
    if weight is not None:
        each = each * ops.convert_to_numpy(weight)
    if sample_weight is not None:
        each = each * np.repeat(sample_weight, model.patching.patches_per_image)
    return each.mean()


@pytest.mark.parametrize(
    ("loss", "gamma", "patches", "sample_weight"),
    [
        ("l2", 5.0, 1, None),
        ("l1", None, 2, WEIGHTS),
        ("huber", 5.0, 2, WEIGHTS),
    ],
)
def test_the_loss(loss, gamma, patches, sample_weight):
    schedule = DDPMSchedule(prediction="velocity", loss=loss, min_snr_gamma=gamma)
    patching = GridPatching(2, patches_per_image=patches)
    model = tiny_model(patching, schedule, seed=5)
    model.compile(optimizer=keras.optimizers.SGD(1e-3))
    images = tiny_images(6)
    options = {"batch_size": 6, "sample_weight": sample_weight, "verbose": 0}

    expected = by_hand(model, images, 1234, loss, sample_weight)
    found = model.evaluate(images, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    expected = by_hand(model, images, 5, loss, sample_weight)
    found = model.fit(images, shuffle=False, **options).history["loss"]
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_the_weight_of_a_patch_is_its_images(rng):
    schedule = DDPMSchedule(min_snr_gamma=5.0)
    model = tiny_model(GridPatching(2, patches_per_image=2), schedule)
    inputs, _, weight = model.prepare(tiny_images(6), model.seed_generator)
    levels = ops.convert_to_numpy(inputs["timestep"]).reshape(6, 2)
    assert (levels == levels[:, :1]).all() and len(np.unique(levels)) > 4
    snr = (schedule.alphas / schedule.sigmas) ** 2
    expected = (np.minimum(snr, 5.0) / snr)[levels].reshape(-1)
    np.testing.assert_allclose(ops.convert_to_numpy(weight), expected, rtol=1e-5)


def test_one_noise_and_one_level_per_image(monkeypatch, rng):
    """Promise 3: patches and content are cut from one noisy image."""
    images, noise = tiny_images(3), rng.normal(size=(3, 8, 8, 3)).astype("float32")
    levels, asked = np.array([3, 400, 990], "int32"), []

    def normal(shape, **arguments):
        asked.append(tuple(shape))
        return ops.convert_to_tensor(noise)

    schedule = DDPMSchedule(prediction="noise")
    schedule.draw = lambda count, seed: ops.convert_to_tensor(levels)
    model = tiny_model(GridPatching(2, patches_per_image=4), schedule)
    monkeypatch.setattr(keras.random, "normal", normal)
    inputs, target, weight = model.prepare(images, model.seed_generator)
    assert asked == [(3, 8, 8, 3)] and weight is None

    alpha, sigma = (
        table[levels].reshape(3, 1, 1, 1)
        for table in (schedule.alphas, schedule.sigmas)
    )
    noisy = alpha * (images / 127.5 - 1) + sigma * noise
    got = {name: ops.convert_to_numpy(value) for name, value in inputs.items()}
    target, index = ops.convert_to_numpy(target), got["patch_index"]
    assert (np.sort(index.reshape(3, 4)) == np.arange(4)).all()
    assert (got["timestep"] == levels.repeat(4)).all()
    for k, (row, col) in enumerate(zip(index // 2, index % 2, strict=True)):
        cell = slice(4 * row, 4 * row + 4), slice(4 * col, 4 * col + 4)
        whole = noisy[k // 4]
        pooled = whole.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(got["noisy"][k], whole[cell], atol=1e-5)
        np.testing.assert_allclose(got["content"][k], pooled, atol=1e-5)
        np.testing.assert_allclose(target[k], noise[k // 4][cell], atol=1e-6)


def test_metrics_and_a_loss_of_ones_own():
    """They compare target and prediction, as they do for any model."""
    model, images = tiny_model(), tiny_images(6)
    model.compile(
        optimizer="sgd", loss="mae", metrics=["mse", "mae"], weighted_metrics=["mse"]
    )
    expected = {
        "loss": by_hand(model, images, 1234, "l1", WEIGHTS),
        "mse": by_hand(model, images, 1234, "l2"),
        "mae": by_hand(model, images, 1234, "l1"),
        "weighted_mse": by_hand(model, images, 1234, "l2", WEIGHTS) / WEIGHTS.mean(),
    }
    options = {"batch_size": 6, "sample_weight": WEIGHTS, "verbose": 0}
    found = model.evaluate(images, return_dict=True, **options)
    assert found == pytest.approx(expected, rel=1e-5)
    history = train(model, images, batch_size=3, epochs=2)
    assert sorted(history) == sorted(expected)
    assert history["mae"] == pytest.approx(history["loss"], rel=1e-5)


def test_the_layers_own_losses_are_added():
    model, images = tiny_model(regularizer=keras.regularizers.L2(0.1)), tiny_images(6)
    model.compile(optimizer="sgd")
    kernel = next(w for w in model.weights if w.shape == (3, 3, 6, 8))
    extra = 0.1 * (ops.convert_to_numpy(kernel) ** 2).sum()
    expected = by_hand(model, images, 1234, "l2") + extra
    found = model.evaluate(images, batch_size=6, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
