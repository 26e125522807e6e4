"""Images that a sampling is given: changed, filled in, or enlarged."""

import functools
import types

import numpy as np
import pytest
from samplers.fakes import numpy_model, some_prediction

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    GridPatching,
    PatchSampler,
    WholeImage,
)
from keras_patchdpm.samplers import sizes

pytestmark = pytest.mark.once

VARIANCE, COVARIANCE = 0.25, 0.2  # Of a pixel, and of a pixel with its neighbour.
COVARIANCES = np.array([[VARIANCE, COVARIANCE], [COVARIANCE, VARIANCE]])
SCHEDULE = DDPMSchedule("cosine")
SIZE = (8, 12)
CASCADE = CascadePatching(4, detail_scale=(0.25, 0.5))


@functools.cache
def estimate(level):
    """The matrix that gives the expected clean pair of pixels for the noisy one."""
    noisy = level.alpha**2 * COVARIANCES + level.sigma**2 * np.eye(2)
    return level.alpha * COVARIANCES @ np.linalg.inv(noisy)


def predict(inputs):
    """The exact network of images in which pairs of pixels are normal."""
    level = SCHEDULE.level(int(inputs["timestep"][0]))
    noisy = inputs["noisy"]
    pairs = noisy.reshape(*noisy.shape[:2], -1, 2)
    clean = (pairs @ estimate(level).T).reshape(noisy.shape)
    return ((noisy - level.alpha * clean) / level.sigma).astype("float32")


def gaussian_sampler(steps, solver="ddpm"):
    model = numpy_model(predict, WholeImage(), SCHEDULE, SIZE, latents=True)
    return PatchSampler(model, solver, steps)


def constant(*pair):
    """An image of equal pairs of pixels."""
    return np.tile(np.float32(pair), (1, SIZE[0], SIZE[1] // 2)).reshape(1, *SIZE, 1)


def pairs_of(images):
    return images.reshape(-1, 2).astype("float64")


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_changed_images_have_the_distribution_of_their_noisy_ones(strength):
    """Closed form: noise is added, and the exact posterior of that is sampled."""
    sampler, image = gaussian_sampler(200), constant(0.9, -0.4)
    images = sampler(
        200, init_images=image, strength=strength, dtype="float32", batch_size=200
    )
    level = sampler.levels[200 - round(200 * strength)]
    matrix = estimate(level)
    mean = level.alpha * matrix @ [0.9, -0.4]
    rest = COVARIANCES - level.alpha * matrix @ COVARIANCES
    covariances = rest + level.sigma**2 * matrix @ matrix.T
    pairs = pairs_of(images)
    np.testing.assert_allclose(pairs.mean(axis=0), mean, atol=0.02)
    np.testing.assert_allclose(np.cov(pairs.T), covariances, atol=0.02)


def test_new_pixels_have_the_distribution_that_the_kept_ones_leave():
    """Closed form, which repeated steps approach."""
    mask = np.tile([0, 1], (SIZE[0], SIZE[1] // 2))
    pairs = pairs_of(
        gaussian_sampler(100)(
            20,
            init_images=constant(0.8, 0.0),
            mask=mask,
            repeats=20,
            dtype="float32",
            batch_size=20,
        )
    )
    kept, new = pairs.T
    np.testing.assert_array_equal(kept, np.float32(0.8))
    ratio = COVARIANCE / VARIANCE
    assert new.mean() == pytest.approx(0.8 * ratio, abs=0.025)
    left = VARIANCE - COVARIANCE * ratio
    assert new.var() == pytest.approx(left, rel=0.15)


def test_repeats_bring_new_pixels_nearer_to_the_kept_ones():
    mask = np.tile([0, 1], (SIZE[0], SIZE[1] // 2))
    means = [
        pairs_of(
            gaussian_sampler(20)(
                100,
                init_images=constant(0.8, 0.0),
                mask=mask,
                repeats=repeats,
                dtype="float32",
            )
        )[:, 1].mean()
        for repeats in (1, 2, 8)
    ]
    assert means[0] < means[1] < means[2] < 0.8 * COVARIANCE / VARIANCE + 0.02


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "dpmpp_2m", "dpmpp_2m_sde", "heun"])
@pytest.mark.parametrize("patching", [GridPatching(2), CASCADE])
def test_kept_pixels_stay_with_every_solver(solver, patching, rng):
    model = numpy_model(patching=patching, size=SIZE)
    images = rng.uniform(-1, 1, size=(2, *SIZE, 1)).astype("float32")
    mask = rng.random((2, *SIZE)) < 0.4
    made = PatchSampler(model, solver, 3)(
        2, init_images=images, mask=mask, repeats=2, dtype="float32"
    )
    np.testing.assert_allclose(made[~mask], images[~mask], atol=1e-6)
    assert np.abs(made[mask] - images[mask]).mean() > 0.1


@pytest.mark.parametrize("given", ["init_images", "mask", "thumbnails"])
def test_an_image_is_the_same_in_any_batch(given, rng):
    images = rng.uniform(-1, 1, size=(3, *SIZE, 1)).astype("float32")
    mask = rng.random((3, *SIZE)) < 0.4
    options = {
        "init_images": {"init_images": images},
        "mask": {"init_images": images, "mask": mask, "repeats": 2},
        "thumbnails": {"thumbnails": images[:, ::2, ::2]},
    }[given]
    sampler = PatchSampler(numpy_model(patching=CASCADE, size=SIZE), "ddpm", 3)
    made = sampler(3, dtype="float32", batch_size=3, **options)
    alone = sampler(3, dtype="float32", batch_size=1, **options)
    np.testing.assert_allclose(made, alone, atol=1e-6)
    assert np.abs(made[0] - made[1]).max() > 0.1


@pytest.mark.parametrize("stages", [1, 2])
def test_thumbnails_of_a_sampling_lead_to_its_images(stages):
    sampler = PatchSampler(numpy_model(patching=CASCADE, size=SIZE), "ddpm", 3)
    estimates = {}
    images = sampler(2, dtype="float32", callback=estimates.__setitem__)
    rest = {}
    enlarged = sampler(
        2,
        dtype="float32",
        thumbnails=estimates[3 * stages],
        callback=rest.__setitem__,
    )
    assert list(rest) == list(range(1, 3 * (3 - stages) + 1))
    if stages == 1:
        np.testing.assert_allclose(enlarged, images, atol=1e-6)
    else:  # The first thumbnail is now that of the second stage's image.
        assert enlarged.shape == images.shape


def test_what_a_stage_samples_of_an_image_is_finished_to_that_image(rng):
    *_, stage = CASCADE.stages((*SIZE, 1))
    images = rng.normal(size=(2, *SIZE, 1)).astype("float32")
    previous = rng.normal(size=(2, SIZE[0] // 2, SIZE[1] // 2, 1)).astype("float32")
    sampled = stage.begin(images.copy(), (previous,))
    assert np.abs(sampled - images).max() > 0.1
    np.testing.assert_allclose(stage.finish(sampled, (previous,)), images, atol=1e-5)


def test_uint8_images_are_those_in_the_range_of_the_network(rng):
    whole = rng.integers(256, size=(1, 4, 6, 1), dtype="uint8")
    sampler = PatchSampler(numpy_model(some_prediction), "ddim", 4)
    one = sampler(1, init_images=whole)
    other = sampler(1, init_images=whole / np.float32(127.5) - 1)
    np.testing.assert_array_equal(one, other)
    assert sampler(3, init_images=whole).shape == (3, 4, 6, 1)


def test_a_stopped_sampling_of_given_images_goes_on(tmp_path, rng):
    images = rng.uniform(-1, 1, size=(3, *SIZE, 1)).astype("float32")
    mask = rng.random(SIZE) < 0.5
    sampler = PatchSampler(numpy_model(patching=CASCADE, size=SIZE), "ddpm", 3)
    for options in (
        {"init_images": images, "mask": mask, "repeats": 2},
        {"thumbnails": images[:, ::2, ::2]},
    ):
        expected = sampler(3, batch_size=2, **options)
        file = tmp_path / f"{len(options)}.npz"

        def stop(step, clean):
            if step == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sampler(3, batch_size=2, checkpoint=file, callback=stop, **options)
        found = sampler(3, batch_size=2, checkpoint=file, **options)
        np.testing.assert_array_equal(found, expected)


def test_a_budget_counts_the_given_images(monkeypatch):
    held = []

    def plan(model, budget, num_images, *, images_held, **options):
        held.append(images_held)
        return types.SimpleNamespace(batch_size=1, patches_per_call=1, images_on="host")

    monkeypatch.setattr(sizes.memory, "plan", plan)
    sampler = PatchSampler(numpy_model(), "ddim", 2, memory_budget="1GB")
    images, mask = np.zeros((1, 4, 6, 1)), np.tile([0, 1], (4, 3))
    for given in ({}, {"init_images": images}, {"init_images": images, "mask": mask}):
        sampler(1, **given)
    assert held == [2, 4, 6]


IMAGES = np.zeros((2, *SIZE, 1), "uint8")
MASK = np.ones(SIZE)
WRONG = [
    ({"strength": 0.5}, "`strength` needs `init_images`"),
    ({"mask": MASK}, "`mask` needs `init_images`"),
    ({"init_images": IMAGES, "repeats": 2}, "`repeats` needs `mask`"),
    ({"init_images": IMAGES, "mask": MASK, "repeats": 0}, "`repeats` must be at least"),
    ({"init_images": IMAGES, "strength": 0}, "With `strength=0`"),
    ({"init_images": IMAGES, "strength": 1.1}, r"`strength` must be in \[0, 1\]"),
    ({"init_images": IMAGES, "thumbnails": IMAGES}, "one of the two"),
    ({"init_images": IMAGES[:, 1:]}, r"images of the shape \(batch, 8, 12, 1\)"),
    ({"init_images": IMAGES + 300.0}, r"must be in \[-1, 1\]"),
    ({"init_images": IMAGES * np.nan}, "NaN or infinity"),
    ({"init_images": np.repeat(IMAGES, 3, 0)}, "of 6 images, num_images=2"),
    ({"init_images": IMAGES, "mask": MASK[1:]}, r"`mask` must have the shape \(8, 12"),
    ({"init_images": IMAGES, "mask": 0.5 * MASK}, "`mask` must be of bools"),
    ({"init_images": IMAGES, "mask": 0 * MASK}, "`mask` is 0 everywhere"),
    ({"thumbnails": IMAGES}, r"sizes \[\(2, 3\), \(4, 6\)\]"),
    ({"thumbnails": IMAGES[:, ::2, ::2, [0, 0]]}, r"shape \(batch, 4, 6, 1\)"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_images_are_refused_before_a_step(options, message):
    model = numpy_model(patching=CASCADE, size=SIZE)
    with pytest.raises(ValueError, match=message):
        PatchSampler(model, "ddim", 3)(2, **options)
    assert model.network.calls == []


def test_only_a_cascade_enlarges():
    with pytest.raises(ValueError, match="only a `CascadePatching` enlarges"):
        PatchSampler(numpy_model(), "ddim", 3)(1, thumbnails=np.zeros((1, 2, 3, 1)))
