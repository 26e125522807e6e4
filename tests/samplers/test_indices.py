"""Several processes share the images of one run: `indices` are those of one of them."""

import numpy as np
import pytest
from samplers.fakes import numpy_model, sampler_of
from tiny_models import tiny_model

from keras_patchdpm import CascadePatching, GridPatching, Measurement, PatchSampler

COUNT = 6


def first_pixels(images):
    return images[:, :1, :1, 0]


def rows(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


MASK = np.arange(COUNT * 24).reshape(COUNT, 4, 6) % 5 < 3
PATCHINGS = {
    "grid": GridPatching(2),
    "shift": GridPatching(2, "coordinates", shift=True),
    "cascade": CascadePatching(2),
}
# A patching, options of a call with a row for each image, and other options.
CALLS = {
    "nothing": ("grid", {}, {}),
    "shift": ("shift", {}, {}),
    "cascade": ("cascade", {}, {}),
    "noise": ("grid", {"noise": rows(0, COUNT, 4, 6, 1)}, {}),
    "images": ("grid", {"init_images": rows(1, COUNT, 4, 6, 1)}, {"strength": 0.5}),
    "mask": (
        "grid",
        {"init_images": rows(1, COUNT, 4, 6, 1), "mask": MASK},
        {"repeats": 2},
    ),
    "one for all": ("grid", {}, {"init_images": rows(1, 1, 4, 6, 1)}),
    "thumbnails": ("cascade", {"thumbnails": rows(2, COUNT, 2, 3, 1)}, {}),
}


@pytest.mark.once
@pytest.mark.parametrize("indices", [range(2, 5), [5, 0, 3], np.array([4])])
@pytest.mark.parametrize("call", CALLS)
def test_the_images_are_those_of_one_run(call, indices):
    patching, of_images, others = CALLS[call]
    model = numpy_model(patching=PATCHINGS[patching])
    sampler = sampler_of(model, "ddpm", 5)
    options = {"seed": 3, "dtype": "float32", "batch_size": 2, **others}
    expected = sampler(COUNT, **options, **of_images)
    assert np.abs(expected[1:] - expected[:1]).max() > 0.05
    chosen = [*indices]
    own = {name: values[chosen] for name, values in of_images.items()}
    found = sampler(indices=indices, **options, **own)
    np.testing.assert_allclose(found, expected[chosen], rtol=0, atol=1e-5)


def test_labels_and_a_measurement_belong_to_the_indices():
    model = tiny_model(num_classes=3)
    sampler = PatchSampler(model, "ddim", 3)
    labels = np.array([0, 1, 2, 0, 1, 2])
    values = rows(4, COUNT, 1, 1)
    options = {"seed": 1, "dtype": "float32"}
    expected = sampler(
        COUNT, labels=labels, measurement=Measurement(first_pixels, values), **options
    )
    found = sampler(
        indices=[4, 1],
        labels=labels[[4, 1]],
        measurement=Measurement(first_pixels, values[[4, 1]]),
        **options,
    )
    np.testing.assert_allclose(found, expected[[4, 1]], rtol=0, atol=2e-4)


@pytest.mark.once
def test_a_stream_and_its_checkpoint(tmp_path):
    sampler = sampler_of(numpy_model(), "ddpm", 5)
    expected = sampler(COUNT, seed=3)
    options = {"seed": 3, "batch_size": 1, "checkpoint": tmp_path / "file.npz"}
    images = sampler.stream(indices=range(2, 6), **options)
    np.testing.assert_array_equal(next(images), expected[2])
    del images
    again = np.stack([*sampler.stream(indices=[2, 3, 4, 5], **options)])
    np.testing.assert_array_equal(again, expected[2:])
    with pytest.raises(ValueError, match="another sampling.*differ in `indices`"):
        sampler.stream(indices=range(1, 5), **options)
    endless = sampler.stream(indices=range(2**53), seed=3)
    np.testing.assert_array_equal(next(endless), expected[0])


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"indices": 3}, TypeError, "a range, or a list of ints.*indices=3"),
        ({"indices": [0.5]}, TypeError, "a range, or a list of ints"),
        ({"indices": [True]}, TypeError, "a range, or a list of ints"),
        ({"indices": range(0)}, ValueError, "at least one int.*no index"),
        ({"indices": [0, -1]}, ValueError, "indices with from -1 to 0"),
        ({"indices": [2**53]}, ValueError, "2\\*\\*53 - 1"),
        ({"indices": [3, 3, 1]}, ValueError, r"there once.*\[3\] more than once"),
        (
            {"indices": range(2), "num_images": 3},
            ValueError,
            "those of 2 images. Leave `num_images` out",
        ),
        (
            {"indices": range(2), "noise": np.zeros((4, 4, 6, 1))},
            ValueError,
            r"must have the shape \(2, 4, 6, 1\)",
        ),
    ],
)
def test_wrong_indices(options, error, message):
    sampler = sampler_of(numpy_model(), "ddpm", 2)
    for call in (sampler, sampler.stream):
        with pytest.raises(error, match=message):
            call(**options)
