"""Bad input gets an error that says what is wrong, and what to do."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import layers
from tiny_models import SIZE, tiny_images, tiny_model, tiny_network, train, values

from keras_patchdpm import DDPMSchedule, GridPatching, PatchDPM, WholeImage

FLOATS = (tiny_images(300) / 127.5 - 1).astype("float32")


@pytest.fixture
def model():
    model = tiny_model()
    model.compile(optimizer="sgd")
    return model


class Batches(keras.utils.PyDataset):
    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def spoilt(value, index=290):
    images = FLOATS.copy()
    images[index, 3, 4, 1] = value
    return images


@pytest.mark.once
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (FLOATS[0], r"\(batch, 8, 8, 3\).*Received.*\(8, 8, 3\)"),
        (FLOATS[:, :4], r"\(batch, 8, 8, 3\).*Resize.*\(300, 4, 8, 3\)"),
        (FLOATS[..., :1], r"Received.*\(300, 8, 8, 1\)"),
        (FLOATS * 127.5, "scale them.*images / 127.5 - 1.*from -127.5 to 127.5"),
        (FLOATS * 10_000, r"reflectances, `2 \* .images - low. / .high - low. - 1"),
        (FLOATS.astype("float64") * 1e30, r"must be in \[-1, 1\]"),
        (FLOATS.astype("float16") * 3, r"must be in \[-1, 1\]"),
        (FLOATS * 1j, "of the type complex64"),
        (FLOATS.astype("int8"), "of the type int8"),
        (FLOATS > 0, "of the type bool"),
        (FLOATS.astype(object), "of the type object"),
        (FLOATS.astype(str), "of the type <U"),
        (spoilt(np.nan), "NaN.*image 290"),
        (spoilt(np.inf), "infinity.*image 290"),
        (spoilt(np.nan, 0), "NaN.*image 0"),
        (FLOATS.astype("int32") + 256, r"be in \[0, 255\].*int32 from 25[56] to 25"),
    ],
)
def test_images(model, images, message):
    refused = pytest.raises((TypeError, ValueError), match=message)
    with refused:
        model.fit(images, verbose=0)
    with refused:
        model.evaluate(images, verbose=0)
    with pytest.raises((TypeError, ValueError), match=f"`validation_data`.*{message}"):
        model.fit(tiny_images(1), validation_data=(images,), verbose=0)
    with refused:
        model.train_on_batch(images)
    assert not int(model.optimizer.iterations), "it was seen after the training"
    if len(images) == 300:
        with refused:
            model.fit(Batches((images,)), verbose=0)


def test_a_doubtful_range_is_told(model):
    with pytest.warns(
        UserWarning, match=r"\[-1, 1\].*\[0\.0157, 0\.973\].*/ 127\.5 - 1"
    ) as found:
        model.evaluate((FLOATS[:4] + 1) / 2, verbose=0)
    assert found[0].filename == __file__
    with pytest.warns(UserWarning, match="from .0, 1") as found:
        model.fit(Batches(((FLOATS[:4] + 1) / 2,)), verbose=0)
    ours = [one for one in found if issubclass(one.category, UserWarning)]
    assert [one.filename for one in ours] == [__file__]


@pytest.mark.once
def test_a_good_range_is_not_told(model, recwarn):
    for images in (FLOATS[:4], tiny_images(4), tiny_images(4).astype("int32")):
        model.evaluate(images, verbose=0)
    assert not [found for found in recwarn if "images" in str(found.message)]


GOOD = tiny_images(2)
LABELLED = tiny_model(num_classes=3)
LABELLED.compile(optimizer="sgd")
ZEROS, ONES = np.zeros(2, "int32"), np.ones(2, "float32")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((FLOATS[:2, :, :4],), r"\(batch, 8, 8, 3\).*\(2, 8, 4, 3\)"),
        (
            ({"noisy": FLOATS[:2], "timestep": np.zeros(2)},),
            "batches of images.*dict of 2",
        ),
        ((GOOD, ZEROS, np.zeros((2, 8, 8))), "number per image.*8, 8"),
        ((GOOD, GOOD), "`y` is for labels.*images alone"),
        ((GOOD, ZEROS, ZEROS, ZEROS), "tuple of 4"),
    ],
)
def test_batches_of_a_generator(batch, message, model):
    """They cannot be looked at beforehand."""
    with pytest.raises(ValueError, match=f"Batch 0 .*{message}"):
        model.fit((one for one in [batch]), verbose=0)
    assert all(np.isfinite(weight).all() for weight in values(model.weights))


def later(kind, bad):
    """A data set whose fourth batch is bad."""
    batches = [(GOOD, ZEROS, ONES)] * 3 + [bad]
    if kind == "PyDataset":
        return Batches(*batches)
    if kind == "generator":
        return (batch for batch in batches)
    if kind == "tf.data":
        import tensorflow as tf

        # Floats, all of one type.
        batches = [tuple(np.asarray(a, "float32") for a in batch) for batch in batches]
        batches = [(x / 127.5 - 1 if x.max() > 200 else x, *r) for x, *r in batches]
        return tf.data.Dataset.from_tensor_slices(
            tuple(np.stack(arrays) for arrays in zip(*batches, strict=True))
        ).prefetch(2)
    import torch

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            for batch in batches:
                yield tuple(torch.as_tensor(array) for array in batch)

    return torch.utils.data.DataLoader(Stream(), batch_size=None)


LATER = ["PyDataset", "generator"]
LATER += ["tf.data"] if importlib.util.find_spec("tensorflow") else []
LATER += ["DataLoader"] if importlib.util.find_spec("torch") else []


BAD = [
    ((FLOATS[:2] * np.float32(np.nan), ZEROS, ONES), "NaN.*image 0"),
    ((FLOATS[:2] * 100, ZEROS, ONES), "scale them"),
    ((GOOD, ZEROS + 3, ONES), r"in \[0, 2\].*from 3 to 3"),
    ((GOOD, ZEROS - 1, ONES), "from -1 to -1"),
    ((GOOD, ONES / 2, ONES), "`labels` must be ints.*0.5"),
    ((GOOD, ZEROS, ONES * np.float32(np.nan)), "finite.*nan for image 0"),
    ((GOOD, ZEROS, -ONES), "at least 0.*-1 for image 0"),
]


@pytest.mark.parametrize(
    ("kind", "bad", "message"),
    [
        *((LATER[n % len(LATER)], *case) for n, case in enumerate(BAD)),
        *((kind, *BAD[0]) for kind in LATER[1:]),
    ],
)
def test_a_later_batch(kind, bad, message):
    """It is not trained on, and the error is the data set's own."""
    before = int(LABELLED.optimizer.iterations)
    with pytest.raises((TypeError, ValueError), match=f"^Batch 3 .*{message}"):
        LABELLED.fit(later(kind, bad), verbose=0)
    steps = int(LABELLED.optimizer.iterations) - before
    # TensorFlow counts the step in which it finds the error; it changes no weights.
    assert steps == 3 + (keras.backend.backend() == "tensorflow")
    with pytest.raises((TypeError, ValueError), match=f"^Batch 3 .*{message}"):
        LABELLED.evaluate(later(kind, bad), verbose=0)
    assert np.isfinite(LABELLED.evaluate(GOOD, ZEROS, verbose=0))


AVERAGED = tiny_model()
AVERAGED.compile(optimizer=keras.optimizers.Adam(0.01, use_ema=True))


class Lost(OSError):
    """What a user's own code may raise."""


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_data_set_is_what_is_seen(workers):
    """`workers=0`: of a generator."""

    def generator():
        yield (tiny_images(2),)
        yield (tiny_images(2),)
        yield (tiny_images(2),)
        raise Lost("photo 17")

    class Broken(Batches):
        def __getitem__(self, index):
            if index == 3:
                raise Lost("photo 17")
            return super().__getitem__(index)

    data = generator()
    if workers:
        data = Broken(*[(tiny_images(2),)] * 5)
        data.workers = workers
    with pytest.raises(Lost, match="^photo 17$"):
        AVERAGED.fit(data, verbose=0)
    assert np.isfinite(AVERAGED.fit(GOOD, verbose=0).history["loss"]).all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, np.nan], "finite.*nan for image 1"),
        ([np.inf, 1], "finite.*inf for image 0"),
        ([1, -0.5], "at least 0.*-0.5 for image 1"),
        ([1j, 2], "`sample_weight` must contain numbers.*complex"),
        (["a", "b"], "`sample_weight` must contain numbers"),
        (np.ones((2, 4, 4)), r"one number per image.*\(2, 4, 4\)"),
        ([[1], [1, 2]], "different shapes"),
        (None, None),
    ],
)
def test_sample_weights(weights, message, model):
    if message is None:  # Lists, bools and columns are weights too.
        for weights in ([1, 2], [True, False], [[0.5], [1.5]], np.ones((2, 1))):
            model.fit(GOOD, sample_weight=weights, verbose=0)
        return
    with pytest.raises((TypeError, ValueError), match=message):
        model.fit(GOOD, sample_weight=weights, verbose=0)


def test_latents_may_have_any_range():
    latents = PatchDPM(network(), DDPMSchedule(), BARE, latents=True)
    latents.compile(optimizer="sgd")
    latents.fit(FLOATS[:2] * 10, verbose=0)
    with pytest.raises(ValueError, match="NaN.*image 0"):
        latents.fit(spoilt(np.nan, 0), verbose=0)
    with pytest.raises(TypeError, match="trained on floats.*uint8"):
        latents.fit(GOOD, verbose=0)
    with pytest.raises(TypeError, match="`latents` must be True or False"):
        PatchDPM(network(), DDPMSchedule(), BARE, latents="no")


class Divided:
    """A distribution over three devices, as `keras.distribution.DataParallel` is."""

    batch_dim_name = "batch"

    class device_mesh:
        shape, axis_names = (3,), ["batch"]


@pytest.mark.once
def test_batches_that_devices_cannot_divide(model, monkeypatch):
    monkeypatch.setattr(keras.distribution, "distribution", Divided)
    with pytest.raises(ValueError, match="batch of 4 .*divided among 3.*ImageBatches"):
        model.fit(FLOATS[:8], batch_size=4)
    with pytest.raises(ValueError, match="batch of 2 .*divided among 3"):
        model.fit(FLOATS[:8], batch_size=6)
    with pytest.raises(ValueError, match="Batch 0 .*of 2 images cannot"):
        model.fit(batch for batch in [(GOOD,)])


def test_no_images(model):
    with pytest.raises(ValueError, match=r"no images.*\(0, 8, 8, 3\)"):
        model.fit(tiny_images(0), verbose=0)


def test_it_must_be_compiled():
    with pytest.raises(ValueError, match="compile"):
        train(tiny_model(), tiny_images(4))


def network(shape=(4, 4, 3), filters=3, names=("noisy", "timestep"), as_dict=True):
    """What somebody might pass as a network."""
    level = keras.Input((), dtype="int32", name="timestep")
    inputs = {
        name: keras.Input(shape, name=name) for name in names if name != "timestep"
    }
    inputs = {**inputs, "timestep": level} if "timestep" in names else inputs
    output = layers.Conv2D(filters, 1)(inputs["noisy"])
    return keras.Model(inputs if as_dict else list(inputs.values()), output)


BARE = GridPatching(2, position=False, content=False)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"patching": GridPatching(2)},
            "same `patching`.*network with.*'noisy'.*'content'",
        ),
        (
            {
                "network": lambda: tiny_network(WholeImage(), 4),
                "patching": GridPatching(2),
            },
            "same `patching`.*patching with.*'patch_index'",
        ),
        (
            {"network": lambda: network(names=("noisy", "timestep", "mask"))},
            "mask.*a patching with",
        ),
        (
            {"network": lambda: network(filters=6)},
            r"output must.*\(4, 4, 3\).*4, 4, 6\)",
        ),
        ({"network": lambda: network(as_dict=False)}, "dict of inputs.*'noisy'.*list"),
        ({"network": lambda: network(names=("noisy",))}, r"'timestep'.*\['noisy'\]"),
        ({"network": lambda: network((None, None, 3))}, "fixed shape.*None, None, 3"),
        ({"network": lambda: keras.Sequential()}, "functional model"),
        ({"network": lambda: "unet"}, "functional model.*'unet'"),
        ({"schedule": "cosine"}, r"a `Schedule`.*DDPMSchedule\(\).*'cosine'"),
        ({"schedule": DDPMSchedule}, r"`schedule` must be a `Schedule`.*DDPMSchedule"),
        ({"patching": 2}, r"`patching`.*GridPatching\(2\).*patching=2"),
        ({"seed": -1}, "`seed` must be at least 0.*-1"),
        ({"seed": 2**31}, "`seed` must be at most 2147483647.*2147483648"),
        ({"test_seed": -5}, "`test_seed` must be at least 0"),
    ],
)
def test_parts(arguments, message):
    own = {"network": network, "schedule": DDPMSchedule(), "patching": BARE}
    own = {**own, **arguments}
    own["network"] = own["network"]()
    with pytest.raises(ValueError, match=message):
        PatchDPM(**own)


def test_an_odd_image_is_refused_by_the_grid():
    with pytest.raises(ValueError, match="does not divide"):
        tiny_network(GridPatching(3), SIZE)
    with pytest.raises(TypeError, match="`seed` must be an int"):
        PatchDPM(network(), DDPMSchedule(), BARE, seed=0.5)
