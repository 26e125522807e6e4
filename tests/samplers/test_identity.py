"""Of two calls that make other images, neither goes on with the other's checkpoint."""

import functools
import inspect
import json
import types

import keras
import numpy as np
import pytest
from fresh_python import ROOT, run_python
from samplers.described import described
from samplers.fakes import TILED, numpy_model, sampler_of
from tiny_models import tiny_model, tiny_network

from keras_patchdpm import (
    CascadePatching,
    DDPMSchedule,
    EDMSchedule,
    GridPatching,
    Guidance,
    LatentSpace,
    PatchDPM,
    PatchSampler,
    RandomPatching,
)
from keras_patchdpm.networks import unet
from keras_patchdpm.samplers.identity import describe, differences
from keras_patchdpm.solvers import DDIM, DDPM, Heun, Solver

pytestmark = pytest.mark.once


def sample(call, file=None):
    """The images of `call`: options of a sampler, its model and its call."""
    options = dict(call)
    model = numpy_model(
        patching=options.pop("patching", GridPatching(2)),
        schedule=options.pop("schedule", DDPMSchedule(num_timesteps=20)),
        size=options.pop("size", (8, 8)),
    )
    model.latents = options.pop("latents", False)
    model.num_classes = options.pop("num_classes", None)
    names = [*inspect.signature(PatchSampler).parameters, *TILED]
    own = {name: options.pop(name) for name in names if name in options}
    own.setdefault("steps", 2)
    return sampler_of(model, **own)(checkpoint=file, **{"seed": 3, **options})


def assert_told_apart(call, other, file):
    """`other` is refused, or makes the same images: the checkpoint is of `call`."""
    sample(call, file)
    expected = sample(other)
    try:
        found = sample(other, file)
    except ValueError as error:
        assert "the checkpoint of another sampling" in str(error)
    else:
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(sample(call, file), sample(call))  # The very same.


CROPS = {"patching": RandomPatching(8, (0.25, 0.5, 1.0), content=True)}
EDM = {"schedule": EDMSchedule()}
LATENTS = {"latents": True, "dtype": "float32"}
LABELS = {"num_classes": 3, "labels": 1}
GIVEN = {"init_images": np.zeros((1, 8, 8, 1))}
MASKED = {**GIVEN, "mask": np.tile([0, 1], (8, 4))}

SAMPLER = {  # Each option of a sampler: a call, and what another one has.
    "solver": ({}, {"solver": "ddim"}),
    "steps": ({"steps": [19, 3]}, {"steps": [19, 4]}),
    "patches_per_call": ({}, {"patches_per_call": 3}),
    "spacing": ({}, {"spacing": "trailing"}),
    "guidance": (LABELS, {"guidance": Guidance("label", 2.0)}),
    "decode": (LATENTS, {"decode": lambda latents: latents}),
}
CHOSEN = {  # Each option of `tiled`.
    "divisions": (CROPS, {"divisions": 2}),
    "shift": ({**CROPS, "divisions": 2}, {"shift": True}),
    "overlap": ({**CROPS, "divisions": 2}, {"overlap": 0.5}),
    "image_size": ({**CROPS, "divisions": 2}, {"image_size": 16}),
    "whole_above": ({**CROPS, "divisions": 2}, {"whole_above": 1.0}),
}
CALL = {
    "num_images": ({}, {"num_images": 2}),
    "seed": ({}, {"seed": 4}),
    "indices": ({}, {"indices": [1]}),
    "batch_size": ({"num_images": 3}, {"batch_size": 2}),
    "noise": (
        {"noise": np.zeros((1, 8, 8, 1))},
        {"noise": np.full((1, 8, 8, 1), 0.5)},
    ),
    "dtype": ({}, {"dtype": "float32"}),
    "callback": ({}, {"callback": lambda step, clean: None}),
    "verbose": ({}, {"verbose": 1}),
    "labels": ({**LABELS, "num_images": 2}, {"labels": [1, 2]}),
    "init_images": (GIVEN, {"init_images": np.full((1, 8, 8, 1), 0.5)}),
    "strength": (GIVEN, {"strength": 0.9}),
    "mask": (MASKED, {"mask": np.tile([1, 0], (8, 4))}),
    "repeats": (MASKED, {"repeats": 2}),
    "thumbnails": (
        {"patching": CascadePatching(2), "thumbnails": np.zeros((1, 4, 4, 1))},
        {"thumbnails": np.full((1, 4, 4, 1), 0.5)},
    ),
}
PARTS = {  # Each argument of schedules, patchings, solvers: one value, and another.
    DDPM: {"variance": ("small", "large")},
    DDIM: {"eta": (0.0, 0.5)},
    Heun: {"churn": (0.0, 1.0)},
    DDPMSchedule: {
        "beta_schedule": ("linear", "cosine"),
        "num_timesteps": (20, 21),
        "prediction": ("clean", "noise"),
        "loss": ("l2", "l1"),
        "min_snr_gamma": (None, 5.0),
        "logit_normal_share": (0.0, 0.5),
    },
    EDMSchedule: {
        "sigma_min": (0.002, 0.01),
        "sigma_max": (80.0, 40.0),
        "sigma_data": (0.5, 0.4),
        "log_mean": (-1.2, -1.0),
        "log_std": (1.2, 1.0),
        "rho": (7.0, 5.0),
    },
    GridPatching: {
        "divisions": (2, (2, 4)),
        "position": ("coordinates", False),
        "content": (True, False),
        "patches_per_image": (1, 2),
        "halo": (0, 1),
        "shift": (False, True),
    },
    CascadePatching: {
        "divisions": (2, 4),
        "shift": (False, True),
        "shift_below": (1.0, 100.0),
        "content_noise": (0.1, 0.2),
        "sampling_noise": (0.0, 0.1),
        "stage_shares": (None, (3.0, 1.0)),
        "detail_scale": (0.25, 0.5),
    },
    RandomPatching: {
        "image_size": (8, (8, 16)),
        "fractions": ((0.5, 1.0), (0.25, 1.0)),
        "probabilities": (None, (0.5, 0.5)),
        "full_size_probability": (0.5, 0.6),
        "batch_multipliers": (None, (1, 1)),
        "content": (True, False),
        "progressive": (False, True),
        "coordinates": (True, False),
    },
}
NEEDED = {
    GridPatching: {"divisions": 2, "position": "coordinates"},
    CascadePatching: {"divisions": 2},
    RandomPatching: {"image_size": 8, "fractions": (0.5, 1.0)},
}


@pytest.mark.filterwarnings("ignore:The model was trained", "ignore:The network is")
@pytest.mark.parametrize("option", [*SAMPLER, *CHOSEN, *CALL])
def test_every_option_of_a_sampler_and_its_call(option, tmp_path):
    call, other = {**SAMPLER, **CHOSEN, **CALL}[option]
    assert_told_apart(call, {**call, **other}, tmp_path / "run.npz")


def test_no_option_is_forgotten():
    skipped = {
        PatchSampler.__init__: {"self", "model", "memory_budget", "images_on"},
        # A measurement needs a Keras network: see `test_measurement.py`.
        PatchSampler.stream: {"self", "checkpoint", "measurement"},
        PatchDPM.tiled: {"self", "others"},
    }
    for function, cases in (
        (PatchSampler.__init__, SAMPLER),
        (PatchSampler.stream, CALL),
        (PatchDPM.tiled, CHOSEN),
    ):
        assert set(inspect.signature(function).parameters) - skipped[function] == set(
            cases
        )
    for part, cases in PARTS.items():
        assert set(inspect.signature(part).parameters) == set(cases)


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part in PARTS for name in PARTS[part]]
)
def test_every_argument_of_schedules_and_patchings(part, name, tmp_path):
    def call(value):
        made = part(**{**NEEDED.get(part, {}), name: value})
        if issubclass(part, Solver):
            return {**EDM, "solver": made}
        kind = "schedule" if "Schedule" in part.__name__ else "patching"
        size = made.image_size if part is RandomPatching else (8, 8)
        return {kind: made, "size": size, "solver": "ddim"}

    one, other = PARTS[part][name]
    assert_told_apart(call(one), call(other), tmp_path / "run.npz")


@pytest.mark.parametrize(
    ("call", "other", "named"),
    [
        (
            {**CROPS, "divisions": 2},
            {"divisions": 4},
            r"`model.stages\[0\].*divisions`",
        ),
        (
            {},
            {"schedule": DDPMSchedule("linear", 20)},
            "`model.schedule.beta_schedule`",
        ),
        ({}, {"patching": GridPatching(2, halo=1)}, "`model.patching.halo`"),
    ],
)
def test_what_differs_is_named(call, other, named, tmp_path):
    sample(call, tmp_path / "run.npz")
    with pytest.raises(
        ValueError, match=rf"samplings differ in .*{named} \(the file has"
    ):
        sample({**call, **other}, tmp_path / "run.npz")


def test_another_model_is_told_apart(tmp_path):
    """By its weights, its layers, its precision; not by the names of its layers."""
    file, count = tmp_path / "run.npz", tiny_model()
    PatchSampler(count, "ddim", 1)(checkpoint=file)
    PatchSampler(tiny_model(), "ddim", 1)(checkpoint=file)  # Built a second time.
    with pytest.raises(ValueError, match="`model.network.weights`"):
        other = tiny_model()
        other.network.weights[-1].assign(other.network.weights[-1] + 1)
        PatchSampler(other, "ddim", 1)(checkpoint=file)
    assert (
        describe(tiny_network(GridPatching(2)))["layers"]
        != (describe(tiny_network(GridPatching(2), dropout=0.5))["layers"])
    )
    expected = describe(count.network)["layers"]
    keras.config.set_dtype_policy("mixed_bfloat16")
    assert describe(tiny_model().network)["layers"] != expected


def test_the_code_of_ones_own_solver_counts(tmp_path):
    """Its configuration is the same, its formula is not."""

    def solver(share):
        class Own(Solver):
            def coefficients(self, now, then, before=None):
                found = DDIM().coefficients(now, then)
                return found._replace(clean=share * found.clean)

        return Own()

    sample({"solver": solver(1.0)}, tmp_path / "run.npz")
    sample({"solver": solver(1.0)}, tmp_path / "run.npz")
    with pytest.raises(ValueError, match=r"`solver.code`"):
        sample({"solver": solver(0.5)}, tmp_path / "run.npz")


def test_numpys_numbers_and_types_are_numbers_and_types(tmp_path):
    file = tmp_path / "run.npz"
    plain = {"solver": DDIM(0.5), "num_images": 2, "seed": 3, "dtype": "uint8"}
    expected = sample(plain, file)
    other = {
        "solver": DDIM(np.float32(0.5)),
        "num_images": np.int64(2),
        "seed": np.int64(3),
    }
    for dtype in (np.uint8, np.dtype("uint8")):
        found = sample({**other, "dtype": dtype}, file)
        np.testing.assert_array_equal(found, expected)
    assert sample({"dtype": np.float32}).dtype == np.float32


def scaled(factor):
    def decode(latents):
        return factor * latents

    return decode


SHIFT = 0.5


def shifted(latents):
    return latents + SHIFT


def through(function):
    return lambda latents: function(latents)


def test_functions_are_known_by_what_they_do(monkeypatch):
    same = [
        (scaled(2.0), scaled(2.0)),
        (functools.partial(np.multiply, 2), functools.partial(np.multiply, 2)),
        (lambda x: x + 1, lambda x: x + 1),
    ]
    for one, other in same:
        assert describe(one) == describe(other) or "lambda" in str(describe(one))
    others = [
        scaled(2.0),
        scaled(3.0),
        functools.partial(np.multiply, 2),
        functools.partial(np.multiply, 3),
        functools.partial(np.add, 3),
        lambda x: x + 1,
        lambda x: x + 2,
        lambda x: x - 1,
        shifted,
        through(scaled(2.0)),
        through(scaled(3.0)),
        LatentSpace(scaled(1.0), scaled(1.0), std=0.5).decode,
        LatentSpace(scaled(1.0), scaled(1.0), std=0.6).decode,
        LatentSpace(scaled(1.0), scaled(2.0), std=0.5).decode,
        tiny_network(GridPatching(2)).predict_on_batch,
    ]
    before = json.dumps(describe(shifted))
    found = [json.dumps(describe(function)) for function in others]
    assert len(set(found)) == len(others)
    monkeypatch.setitem(globals(), "SHIFT", 0.75)
    assert json.dumps(describe(shifted)) != before


def test_any_object_is_plain_data():
    cyclic = types.SimpleNamespace(name="a", parts=[])
    cyclic.parts.append(cyclic)
    values = [cyclic, object(), {1, 2}, b"x", 1j, {(1, 2): 3}, range(3), print, json]
    for value in values:
        assert json.loads(json.dumps(describe(value))) == describe(value)
    assert differences(describe(cyclic), describe(types.SimpleNamespace(name="b")))


DESCRIBED = """
import json, sys
sys.path.insert(0, TESTS)
import keras
from samplers.described import described

keras.Sequential([keras.layers.Conv2D(1, 1), keras.layers.Dense(1)])  # Numbers names.
print(json.dumps(described()))
"""


def test_a_new_process_describes_it_alike(tmp_path):
    script = DESCRIBED.replace("TESTS", repr(str(ROOT / "tests")))
    done = run_python(script, tmp_path, PYTHONHASHSEED="7")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1]) == described()


def test_a_network_with_dropout_is_the_same_in_every_process():
    """Keras draws a seed for each dropout when it builds the network."""
    one, other = (
        unet(8, width=8, multipliers=(1,), blocks_per_depth=1, dropout=0.1)
        for _ in range(2)
    )
    other.set_weights(one.get_weights())
    assert describe(one) == describe(other)
