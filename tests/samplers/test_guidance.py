"""Sampling with labels, and guidance towards them."""

import dataclasses
import itertools

import numpy as np
import pytest
from samplers.fakes import TILED, in_reverse, numpy_model, sampler_of
from tiny_models import SIZE, tiny_model

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    EDMSchedule,
    Guidance,
    PatchDPM,
    PatchSampler,
    RandomPatching,
)
from keras_patchdpm.networks import unet
from keras_patchdpm.samplers.network_calls import NetworkCalls

LABELS = [0, 2, 1, 1, 0]


def by_label(scale):
    return Guidance("label", scale)


@pytest.fixture(scope="module")
def model():
    return tiny_model(num_classes=3)


def sample(model, labels, count=5, **options):
    call = {key: options.pop(key) for key in ("batch_size", "noise") if key in options}
    sampler = sampler_of(model, "ddim", 4, **options)
    return sampler(count, 3, labels=labels, dtype="float32", **call)


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


def test_labels_make_a_difference(model):
    pairs = itertools.combinations([0, 1, 2, None], 2)
    for one, other in pairs:
        difference = sample(model, one, 1) - sample(model, other, 1)
        assert np.abs(difference).max() > 1e-2


def test_scale_1_is_the_model_of_the_label(model, monkeypatch):
    """Not only nearly: it is asked nothing else."""
    asked = []
    call = NetworkCalls.__call__

    def kept(self, inputs, size):
        asked.append(inputs["label"])
        return call(self, inputs, size)

    monkeypatch.setattr(NetworkCalls, "__call__", kept)
    host = {"images_on": "host"}
    found = sample(model, LABELS, guidance=by_label(1.0), **host)
    assert len(asked) == 4 * 4
    assert all(np.array_equal(labels, LABELS) for labels in asked)
    np.testing.assert_array_equal(found, sample(model, LABELS, **host))
    asked.clear()
    sample(model, LABELS, guidance=by_label(1.5), **host)
    assert len(asked) == 2 * 4 * 4


def test_scale_0_is_the_model_without_labels(model):
    found = sample(model, LABELS, guidance=by_label(0.0))
    assert_same(found, sample(model, None))


def test_a_step_goes_from_one_prediction_beyond_the_other(model, monkeypatch):
    """One step of DDIM is linear in the prediction."""
    noise = np.random.default_rng(0).normal(size=(5, SIZE, SIZE, 3)).astype("float32")

    def one_step(labels, **options):
        monkeypatch.setattr(model, "latents", True)  # Nothing is clipped.
        sampler = PatchSampler(model, "ddim", [1, 0], **options)
        found = []
        sampler(
            5,
            noise=noise,
            labels=labels,
            dtype="float32",
            callback=lambda step, clean: found.append(clean.copy()),
        )
        return found[0]

    given, without = one_step(LABELS), one_step(None)
    guided = one_step(LABELS, guidance=by_label(3.0))
    np.testing.assert_allclose(guided, without + 3 * (given - without), atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_calls_orders_and_batches_make_one_image(model, scale, monkeypatch):
    expected = sample(model, LABELS, guidance=by_label(scale))
    in_reverse(monkeypatch)
    for options in (
        {"patches_per_call": 3},
        {"batch_size": 2},
        {"patches_per_call": 4, "batch_size": 1},
    ):
        assert_same(
            sample(model, LABELS, guidance=by_label(scale), **options),
            expected,
        )
    for image, label in enumerate(LABELS):
        same = sample(model, label, guidance=by_label(scale))
        assert_same(same[image], expected[image])


def test_models_of_crops_have_labels_too():
    schedule = EDMSchedule()
    patching = RandomPatching(SIZE, content=True)
    model = tiny_model(patching, schedule, num_classes=3)
    found = [sample(model, 1, 2, divisions=n, guidance=by_label(1.5)) for n in (1, 2)]
    assert np.abs(found[0] - sample(model, 0, 2, divisions=1)).max() > 1e-3
    assert found[0].shape == found[1].shape == (2, SIZE, SIZE, 3)


def test_a_stopped_sampling_goes_on_with_its_labels(model, tmp_path):
    path = tmp_path / "images.npz"
    sampler = PatchSampler(model, "ddim", 4, guidance=by_label(2.0))
    sampler(5, checkpoint=path, labels=LABELS)
    sampler(5, checkpoint=path, labels=LABELS)
    with pytest.raises(ValueError, match="differ in `labels.checksum`"):
        sampler(5, checkpoint=path, labels=0)
    with pytest.raises(ValueError, match="`guidance.scale` .*2.0, this call 3.0"):
        PatchSampler(model, "ddim", 4, guidance=by_label(3.0))(
            5, checkpoint=path, labels=LABELS
        )


@pytest.mark.once
@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        (3, ValueError, "`labels` must be at most 2. Received: labels=3"),
        (-1, ValueError, "`labels` must be at least 0"),
        ([0, 1], ValueError, "one int for each of the 5 images.*2 labels"),
        (1.5, TypeError, "`labels` must be an int"),
        ("face", TypeError, "`labels` must be an int"),
    ],
)
def test_wrong_labels_are_refused(model, labels, error, match):
    with pytest.raises(error, match=match):
        sample(model, labels)


@pytest.mark.once
def test_guidance_needs_labels(model):
    with pytest.raises(ValueError, match="needs labels. Pass `labels`.*scale=2.0"):
        sample(model, None, guidance=by_label(2.0))
    for without in (tiny_model(), numpy_model()):
        with pytest.raises(ValueError, match="trained on labels.*scale=2.0"):
            PatchSampler(without, "ddim", 4, guidance=by_label(2.0))
        with pytest.raises(ValueError, match="accepts no labels.*labels=1"):
            PatchSampler(without, "ddim", 4)(1, labels=1)
    with pytest.raises(ValueError, match="`scale` must be at least 0"):
        PatchSampler(model, "ddim", 4, guidance=by_label(-1))


# Guidance by another model.


def a_cascade(divisions=4, width=8, seed=0, **options):
    """A cascade with random weights."""
    patching = CascadePatching(divisions, **options)
    network = unet(
        4 * divisions,
        patching,
        width=width,
        multipliers=(1,),
        blocks_per_depth=1,
    )
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        weight.assign(rng.normal(0, 0.1, weight.shape).astype("float32"))
    return PatchDPM(network, DDPMSchedule(prediction="velocity"), patching)


@pytest.fixture(scope="module")
def cascade():
    return a_cascade()


@pytest.fixture(scope="module")
def worse():
    return a_cascade(divisions=2, width=4, seed=1)


def frames(model, **options):
    """The clean estimate after each step."""
    found = []
    chosen = {name: options.pop(name) for name in TILED if name in options}
    # Nothing is clipped, so that estimates are linear.
    tiled = dataclasses.replace(model.tiled(**chosen), latents=True)
    sampler = PatchSampler(tiled, "ddim", 3, **options)
    sampler(
        2,
        seed=3,
        dtype="float32",
        callback=lambda step, clean: found.append(clean),
    )
    return found


def test_a_model_is_guided_away_from_a_worse_one(cascade, worse):
    """The estimate is linear in the prediction."""
    alone, others = (frames(model, divisions=1)[0] for model in (cascade, worse))
    found = frames(cascade, divisions=1, guidance=Guidance(worse, 3.0))[0]
    np.testing.assert_allclose(found, others + 3 * (alone - others), atol=1e-3)


def test_a_guide_is_asked_in_its_stages_alone(cascade, worse):
    alone = frames(cascade)
    guided = frames(cascade, guidance=Guidance(worse, 2.0, stages=[1]))
    for number, (one, other) in enumerate(zip(alone, guided, strict=True)):
        assert np.array_equal(one, other) == (number < 3)


def test_a_guide_is_asked_in_its_interval_alone(cascade, worse):
    levels = cascade.schedule.levels(3)
    strength = levels[1].sigma / levels[1].alpha
    options = {"divisions": 1}
    alone = frames(cascade, **options)
    for interval, same in (
        ((strength * 1.01, np.inf), [False, False, False]),
        ((0, strength * 1.01), [True, False, False]),
        ((0, strength / 1.01), [True, True, False]),
        ((strength * 1e9, np.inf), [True, True, True]),
    ):
        guidance = Guidance(worse, 2.0, interval)
        found = frames(cascade, guidance=guidance, **options)
        pairs = zip(alone, found, strict=True)
        assert [np.array_equal(*pair) for pair in pairs] == same


def test_the_guided_images_are_the_same_in_any_order_and_batch(cascade, worse):
    guidance = Guidance(worse, 2.0, stages=[0, 1])

    def images(**options):
        call = {"batch_size": options.pop("batch_size", None)}
        sampler = PatchSampler(cascade, "ddim", 3, guidance=guidance, **options)
        return sampler(3, 5, dtype="float32", **call)

    expected = images()
    for options in ({"patches_per_call": 7}, {"batch_size": 1}):
        assert_same(images(**options), expected)


@pytest.mark.once
def test_a_budget_counts_the_weights_of_the_guide(cascade, worse):
    plain, guided = (
        PatchSampler(cascade, "ddim", 2, guidance=guidance, memory_budget="1GB")
        for guidance in (None, Guidance(worse, 2.0, stages=[0]))
    )
    plain(1)
    guided(1)
    more = sum(4 * np.prod(weight.shape) for weight in worse.network.weights)
    assert guided.plan.weights - plain.plan.weights == more


@pytest.mark.once
@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"by": "faces128"}, TypeError, r"PatchDPM.from_preset\('faces128'\)"),
        ({"by": 3}, TypeError, "`by` must be a `PatchDPM`"),
        ({"scale": -1}, ValueError, "`scale` must be at least 0"),
        ({"scale": "2"}, TypeError, "`scale`"),
        ({"interval": (2, 1)}, ValueError, "the least and the largest"),
        ({"interval": 3}, TypeError, "`interval`"),
        ({"stages": 0}, TypeError, "`stages`"),
        ({"stages": [-1]}, ValueError, "`stages`"),
        ({"stages": None}, ValueError, r"trained for 2 stages.*stages=\[0, 1\]"),
    ],
)
def test_a_wrong_guidance_is_refused(cascade, worse, change, error, match):
    arguments = {"by": worse, "scale": 2.0, "stages": [0], **change}
    with pytest.raises(error, match=match):
        PatchSampler(cascade, "ddim", 2, guidance=Guidance(**arguments))


@pytest.mark.once
def test_a_guide_must_be_of_the_same_schedule_and_patch(cascade, worse):
    with pytest.raises(TypeError, match="`guidance` must be a `Guidance`.*2.0"):
        PatchSampler(cascade, "ddim", 2, guidance=2.0)
    other = PatchDPM(worse.network, DDPMSchedule("linear"), worse.patching)
    with pytest.raises(ValueError, match="must have the same schedule"):
        PatchSampler(cascade, "ddim", 2, guidance=Guidance(other, 2.0))
    with pytest.raises(ValueError, match="inputs that the model's network does not"):
        model = tiny_model(schedule=worse.schedule)
        PatchSampler(model, "ddim", 2, guidance=Guidance(worse, 2.0))


def test_a_guide_of_patches_is_refused_where_whole_images_are_seen():
    schedule = EDMSchedule()
    one, other = (
        tiny_model(RandomPatching(SIZE, content=True), schedule) for _ in range(2)
    )
    guidance = Guidance(other.tiled(2), 2.0)
    assert PatchSampler(one.tiled(2), "heun", 2, guidance=guidance)().ndim == 4
    with pytest.raises(ValueError, match="with `whole_above` the network also"):
        PatchSampler(one.tiled(2, whole_above=1.0), "heun", 2, guidance=guidance)


def test_noise_on_the_content_is_told_and_changes_the_image(worse):
    """The thumbnail stays; a network that cannot tell makes another image."""
    quiet, noisy = (
        PatchDPM(
            worse.network, worse.schedule, CascadePatching(2, sampling_noise=noise)
        )
        for noise in (0.0, 0.3)
    )
    alone, disturbed = (frames(model) for model in (quiet, noisy))
    np.testing.assert_array_equal(alone[:3], disturbed[:3])
    assert np.abs(alone[-1] - disturbed[-1]).max() > 1e-2
    for batch_size in (1, 2):
        tiled = dataclasses.replace(noisy.tiled(), latents=True)
        sampler = PatchSampler(tiled, "ddim", 3)
        found = sampler(2, 3, batch_size=batch_size, dtype="float32")
        np.testing.assert_allclose(found, disturbed[-1], atol=2e-4)


def test_smaller_images_of_a_cascade(cascade):
    """The thumbnail is that of the whole cascade: one seed, one face."""
    thumbnail = frames(cascade, divisions=1)
    np.testing.assert_array_equal(thumbnail, frames(cascade)[:3])
    for n in (1, 2, 4):
        sampler = PatchSampler(cascade.tiled(n), "ddim", 1)
        assert sampler().shape == (1, 4 * n, 4 * n, 3)
    with pytest.raises(ValueError, match=r"`divisions` must be one of \[1, 2, 4\].*=8"):
        cascade.tiled(8)
    # An earlier stage gives the images that the cascade generated on the way.
    half = PatchSampler(cascade.tiled(2), "ddim", 3)(2, seed=3, dtype="float32")
    found = []
    PatchSampler(cascade, "ddim", 3)(
        2, seed=3, callback=lambda step, clean: found.append(clean)
    )
    np.testing.assert_allclose(half, np.clip(found[5], -1, 1), atol=1e-5)
