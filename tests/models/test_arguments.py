"""The arguments of `compile`, `fit` and `evaluate`: Keras' own, checked by name."""

import inspect
import re

import keras
import numpy as np
import pytest
from tiny_models import tiny_images, tiny_model

from keras_patchdpm import PatchDPM

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def model():
    model = tiny_model()
    model.compile(optimizer="sgd")
    return model


@pytest.mark.parametrize("method", ["fit", "evaluate", "compile", "train_on_batch"])
def test_the_signature_is_keras_own(method):
    def arguments(cls):
        given = inspect.signature(getattr(cls, method)).parameters.values()
        return [(one.name, one.kind, one.default) for one in given]

    expected = arguments(keras.Model)
    if method == "fit":  # Data sets keep their order unless they are to be shuffled.
        place = [name for name, _, _ in expected].index("shuffle")
        expected[place] = (*expected[place][:2], None)
    assert arguments(PatchDPM) == expected


def test_the_batch_size_is_the_third_argument(model):
    steps = int(model.optimizer.iterations)
    model.fit(tiny_images(8), None, 2, verbose=0)
    assert int(model.optimizer.iterations) == steps + 4


WRONG = {
    "batch_size": (0, -1, 1.5, "4", True, np.nan, [4]),
    "epochs": (0, -1, 1.5, None, True),
    "verbose": (3, "loud", -1, None),
    "callbacks": (7, "early", [object()], lambda: None),
    "validation_split": (2, -0.1, 1, 1.0, np.nan, "half", None),
    "validation_data": ((), (1, 2, 3, 4), 7, "held", np.zeros((2, 3))),
    "shuffle": ("batch", 2, np.nan),
    "sample_weight": (7, "none", np.ones(3)),
    "initial_epoch": (-1, 0.5, None),
    "steps_per_epoch": (0, -1, 2.5),
    "validation_steps": (0, -2, "all"),
    "validation_batch_size": (0, -2, 1.5),
    "validation_freq": (0, -1, "epoch", [0]),
    "class_weight": ({0: 1.0}, 3, "balanced"),
    "y": (3, "labels", np.zeros((8, 8, 8, 3)), np.zeros(3), {}),
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_wrong_argument_is_named(name, value, model):
    before = int(model.optimizer.iterations)
    with pytest.raises((TypeError, ValueError), match=f"`{name}`"):
        model.fit(tiny_images(8), **{"verbose": 0, name: value})
    assert int(model.optimizer.iterations) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("steps", -1),
        ("steps", 0.5),
        ("return_dict", "yes"),
        ("verbose", 9),
        ("callbacks", 7),
        ("sample_weight", np.full(8, -1.0)),
    ],
)
def test_a_wrong_argument_of_evaluate_is_named(name, value, model):
    with pytest.raises((TypeError, ValueError), match=f"`{name}`"):
        model.evaluate(tiny_images(8), **{"verbose": 0, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run_eagerly", "yes"),
        ("steps_per_execution", 0),
        ("jit_compile", "always"),
        ("jit_compile", 1),
        ("jit_compile", None),
        ("auto_scale_loss", None),
    ],
)
def test_a_wrong_argument_of_compile_is_named(name, value, model):
    with pytest.raises((TypeError, ValueError), match=f"`{name}`"):
        tiny_model().compile("sgd", **{name: value})


@pytest.mark.parametrize("images", [None, 7, "photos", [tiny_images(1)[0]] * 2, {}, ()])
def test_what_is_no_images(images, model):
    with pytest.raises((TypeError, ValueError), match="images"):
        model.fit(images, verbose=0)
    with pytest.raises((TypeError, ValueError), match="images"):
        model.evaluate(images, verbose=0)


def test_numbers_of_numpy_are_taken(model):
    history = model.fit(
        tiny_images(8),
        batch_size=np.int64(4),
        epochs=np.int32(2),
        validation_split=np.float32(0.5),
        shuffle=np.bool_(False),
        verbose=np.int64(0),
        validation_freq=(2,),
    ).history
    assert len(history["loss"]) == 2 and len(history["val_loss"]) == 1


def test_prediction_and_export_say_what_to_do(model, tmp_path):
    instead = 'PatchSampler(model, "ddim", 50)(num_images=4)'
    for predict in (model.predict, model.predict_on_batch):
        with pytest.raises(NotImplementedError, match=re.escape(instead)):
            predict(tiny_images(2))
    with pytest.raises(NotImplementedError, match="model.network.export"):
        model.export(tmp_path / "model")
