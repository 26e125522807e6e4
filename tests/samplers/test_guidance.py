"""Sampling with labels, and guidance towards them."""

import itertools

import numpy as np
import pytest
from samplers.fakes import numpy_model
from tiny_models import SIZE, tiny_model

from keras_patchdpm import EDMSchedule, PatchSampler, RandomPatching
from keras_patchdpm.samplers.network_calls import NetworkCalls

LABELS = [0, 2, 1, 1, 0]


@pytest.fixture(scope="module")
def model():
    return tiny_model(num_classes=3)


def sample(model, labels, count=5, **options):
    call = {key: options.pop(key) for key in ("batch_size", "noise") if key in options}
    sampler = PatchSampler(model, "ddim", 4, **options)
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
    found = sample(model, LABELS, guidance_scale=1.0)
    assert len(asked) == 4 * 4
    assert all(np.array_equal(labels, LABELS) for labels in asked)
    np.testing.assert_array_equal(found, sample(model, LABELS))
    asked.clear()
    sample(model, LABELS, guidance_scale=1.5)
    assert len(asked) == 2 * 4 * 4


def test_scale_0_is_the_model_without_labels(model):
    found = sample(model, LABELS, guidance_scale=0.0)
    assert_same(found, sample(model, None))


def test_a_step_goes_from_one_prediction_beyond_the_other(model):
    """One step of DDIM is linear in the prediction."""
    noise = np.random.default_rng(0).normal(size=(5, SIZE, SIZE, 3)).astype("float32")

    def one_step(labels, **options):
        sampler = PatchSampler(model, "ddim", [1, 0], clip=False, **options)
        found = []
        sampler(
            5,
            noise=noise,
            labels=labels,
            callback=lambda step, clean: found.append(clean.copy()),
        )
        return found[0]

    given, without = one_step(LABELS), one_step(None)
    guided = one_step(LABELS, guidance_scale=3.0)
    np.testing.assert_allclose(guided, without + 3 * (given - without), atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_calls_orders_and_batches_make_one_image(model, scale):
    expected = sample(model, LABELS, guidance_scale=scale)
    for options in (
        {"patches_per_call": 3},
        {"order": [3, 1, 0, 2]},
        {"batch_size": 2},
        {"patches_per_call": 4, "batch_size": 1},
    ):
        assert_same(sample(model, LABELS, guidance_scale=scale, **options), expected)
    for image, label in enumerate(LABELS):
        same = sample(model, label, guidance_scale=scale)
        assert_same(same[image], expected[image])


def test_models_of_crops_have_labels_too():
    schedule = EDMSchedule()
    patching = RandomPatching(SIZE, content=True)
    model = tiny_model(patching, schedule, num_classes=3)
    found = [sample(model, 1, 2, divisions=n, guidance_scale=1.5) for n in (1, 2)]
    assert np.abs(found[0] - sample(model, 0, 2, divisions=1)).max() > 1e-3
    assert found[0].shape == found[1].shape == (2, SIZE, SIZE, 3)


def test_a_stopped_sampling_goes_on_with_its_labels(model, tmp_path):
    path = tmp_path / "images.npz"
    sampler = PatchSampler(model, "ddim", 4, guidance_scale=2.0)
    sampler(5, checkpoint=path, labels=LABELS)
    sampler(5, checkpoint=path, labels=LABELS)
    with pytest.raises(ValueError, match="differ in `labels.checksum`"):
        sampler(5, checkpoint=path, labels=0)
    with pytest.raises(ValueError, match="`guidance_scale` .*2.0, this call 3.0"):
        PatchSampler(model, "ddim", 4, guidance_scale=3.0)(
            5, checkpoint=path, labels=LABELS
        )


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


def test_guidance_needs_labels(model):
    with pytest.raises(ValueError, match="there is none. Pass `labels`.*=2.0"):
        sample(model, None, guidance_scale=2.0)
    for without in (tiny_model(), numpy_model()):
        with pytest.raises(ValueError, match="trained on labels.*guidance_scale=2.0"):
            PatchSampler(without, "ddim", 4, guidance_scale=2.0)
        with pytest.raises(ValueError, match="takes no labels.*labels=1"):
            PatchSampler(without, "ddim", 4)(1, labels=1)
    with pytest.raises(ValueError, match="`guidance_scale` must be at least 0"):
        PatchSampler(model, "ddim", 4, guidance_scale=-1)
