"""Bad input gets an error that says what is wrong, and what to do."""

import keras
import numpy as np
import pytest
from keras import layers
from tiny_models import SIZE, tiny_images, tiny_model, tiny_network, train

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


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (FLOATS[0], r"\(batch, 8, 8, 3\).*Received.*\(8, 8, 3\)"),
        (FLOATS[:, :4], r"\(batch, 8, 8, 3\).*Resize.*\(300, 4, 8, 3\)"),
        (FLOATS[..., :1], r"Received.*\(300, 8, 8, 1\)"),
        (spoilt(np.nan), "NaN.*image 290"),
        (spoilt(np.inf), "infinity.*image 290"),
        (spoilt(np.nan, 0), "NaN.*image 0"),
        (FLOATS.astype("int32") + 256, r"lie in \[0, 255\].*int32 from 25[56] to 25"),
    ],
)
def test_images(model, images, message):
    with pytest.raises(ValueError, match=message):
        model.fit(images, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.evaluate(images, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.fit(tiny_images(1), validation_data=(images,), verbose=0)
    assert not int(model.optimizer.iterations), "it was seen after the training"
    if len(images) == 300:
        with pytest.raises(ValueError, match=message.replace("300", r"\d+")):
            model.fit(Batches((images,)), verbose=0)


@pytest.mark.parametrize(
    ("images", "seen"),
    [
        ((FLOATS + 1) / 2, r"\[0\.0157, 0\.973\]"),
        ((FLOATS + 1) * 127.5, r"\[4, 248\]"),
        (FLOATS * 3, r"\[-2\.91, 2\.84\]"),
    ],
)
def test_a_doubtful_range_is_told(model, images, seen):
    with pytest.warns(UserWarning, match=rf"\[-1, 1\].*{seen}.*/ 127\.5 - 1") as found:
        model.evaluate(images[:4], verbose=0)
    assert found[0].filename == __file__


def test_a_good_range_is_not_told(model, recwarn):
    for images in (FLOATS[:4], tiny_images(4), tiny_images(4).astype("int32")):
        model.evaluate(images, verbose=0)
    assert not [found for found in recwarn if "images" in str(found.message)]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((FLOATS[:2, :, :4],), r"\(batch, 8, 8, 3\).*\(.*8, 4, 3\)"),
        (({"noisy": FLOATS[:2], "level": np.zeros(2)},), "batch of images.*dict of 2"),
        ((FLOATS[:2], np.zeros(2), np.zeros((2, 8, 8))), "number per image.*8, 8"),
    ],
)
def test_what_only_the_step_sees(batch, message, model):
    """Such as the batches of a generator, which cannot be looked at beforehand."""
    with pytest.raises(ValueError, match=message):
        model.fit((one for one in [batch]), verbose=0)


def test_no_images(model):
    with pytest.raises(ValueError, match=r"no images.*\(0, 8, 8, 3\)"):
        model.fit(tiny_images(0), verbose=0)


def test_it_must_be_compiled():
    with pytest.raises(ValueError, match="compile"):
        train(tiny_model(), tiny_images(4))


def network(shape=(4, 4, 3), filters=3, names=("noisy", "level"), as_dict=True):
    """What somebody might pass as a network."""
    level = keras.Input((), dtype="int32", name="level")
    inputs = {name: keras.Input(shape, name=name) for name in names if name != "level"}
    inputs = {**inputs, "level": level} if "level" in names else inputs
    output = layers.Conv2D(filters, 1)(inputs["noisy"])
    return keras.Model(inputs if as_dict else list(inputs.values()), output)


BARE = GridPatching(2, position=False, content=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patching": GridPatching(2)}, "same `patching`.*takes.*'noisy'.*'content'"),
        (
            {
                "network": lambda: tiny_network(WholeImage(), 4),
                "patching": GridPatching(2),
            },
            "same `patching`.*gives.*'patch_index'",
        ),
        ({"network": lambda: network(names=("noisy", "level", "mask"))}, "mask.*gives"),
        ({"network": lambda: network(filters=6)}, r"return.*\(4, 4, 3\).*4, 4, 6\)"),
        ({"network": lambda: network(as_dict=False)}, "dict of inputs.*'noisy'.*list"),
        ({"network": lambda: network(names=("noisy",))}, r"'level'.*\['noisy'\]"),
        ({"network": lambda: network((None, None, 3))}, "fixed shape.*None, None, 3"),
        ({"network": lambda: keras.Sequential()}, "functional model"),
        ({"network": lambda: "unet"}, "functional model.*'unet'"),
        ({"schedule": "cosine"}, r"`schedule`.*DDPMSchedule\(\).*lacks.*'cosine'"),
        ({"schedule": DDPMSchedule}, r"`schedule` must be an object.*DDPMSchedule\(\)"),
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
