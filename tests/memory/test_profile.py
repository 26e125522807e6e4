"""What `profile` and `peak` accept, refuse and hand over."""

import json
import subprocess
import types

import keras
import numpy as np
import pytest
from keras import layers
from memory.measured import small_network
from tiny_models import tiny_model

from keras_patchdpm import (
    CascadePatching,
    EDMSchedule,
    GridPatching,
    PatchSampler,
    RandomPatching,
    memory,
)
from keras_patchdpm.memory import _measuring, _own_process, _profile
from keras_patchdpm.memory._measuring import _bytes, variables_bytes
from keras_patchdpm.memory._peak import backend_module
from keras_patchdpm.memory._profile import _input_specs, _inputs
from keras_patchdpm.models._precision import precision


def model(divisions=2):
    """What `profile` needs of a `PatchDPM`."""
    return types.SimpleNamespace(
        network=small_network(divisions, image_size=32),
        patching=GridPatching(divisions),
        schedule=None,
        image_shape=(32, 32, 3),
    )


@pytest.fixture
def handed_over(monkeypatch):
    """What goes to the other process, instead of starting one."""
    calls = []
    monkeypatch.setattr(_own_process, "profile", lambda *args: calls.append(args))
    return calls


def test_the_grid_of_a_model_is_known(handed_over):
    memory.profile(model(), batch_size=4, patches_per_call=2, isolated=True)
    ((request, modules, environment),) = handed_over
    assert _own_process.rebuilt(request.pop("network")) and modules == []
    assert request == {
        "batch_size": 4,
        "patches_per_call": 2,
        "divisions": (2, 2),
        "gradients": False,
        "timed": True,
    }
    assert environment == backend_module().environment()


def test_the_grid_of_a_network_can_be_told(handed_over):
    memory.profile(small_network(2, 32), isolated=True)
    memory.profile(small_network(2, 32), divisions=2, isolated=True)
    assert [call[0]["divisions"] for call in handed_over] == [None, (2, 2)]


def test_inputs_are_those_of_a_sampling_step():
    inputs = _inputs(_input_specs(small_network(2, 32)), 3, 2)
    assert {name: x.shape for name, x in inputs.items()} == {
        "noisy": (6, 16, 16, 3),
        "timestep": (6,),
        "patch_index": (6,),
        "content": (6, 16, 16, 3),
    }
    np.testing.assert_array_equal(inputs["patch_index"], [0, 0, 0, 1, 1, 1])
    assert inputs["timestep"].dtype == "int32"
    assert np.std(inputs["noisy"]) > 0.5


def test_time_is_measured_if_asked(monkeypatch):
    memory_report = types.SimpleNamespace(bytes=1000, method="none", notes=())
    monkeypatch.setattr(_profile, "_measure", lambda *args, **options: memory_report)
    monkeypatch.setattr(_measuring, "REPEATS", 1)
    network = small_network(2, 32)
    timed = memory.profile(network, isolated=False)
    untimed = memory.profile(network, isolated=False, timed=False)
    assert timed.seconds > 0
    assert untimed.seconds is None
    assert "not timed" in str(untimed)
    assert untimed.activations == timed.activations == 1000


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float32", 12), ("bfloat16", 6), ("int8", 3), ("uint16", 6), ("bool", 3)],
)
def test_bytes_of_a_variable(dtype, expected):
    variable = keras.Variable(np.zeros(3), dtype=dtype, trainable=False)
    assert _bytes(variable) == expected


@pytest.mark.once
@pytest.mark.parametrize("name", ["batch_size", "patches_per_call"])
def test_counts_must_be_positive_ints(name):
    for value in (0, -1):
        with pytest.raises(ValueError, match=f"`{name}` must be at least 1.*{value}"):
            memory.profile(model(), **{name: value})
    for value in (1.5, "2", True):
        with pytest.raises(TypeError, match=f"`{name}` must be an int.*{name}="):
            memory.profile(model(), **{name: value})


@pytest.mark.once
def test_no_more_patches_than_there_are():
    match = "`patches_per_call` must be at most 4. Received: patches_per_call=5"
    for subject in (model(), small_network(2, 32)):
        with pytest.raises(ValueError, match=match):
            memory.profile(subject, patches_per_call=5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("patching", "most"),
    [
        (CascadePatching(2), 9),
        (GridPatching(2, "coordinates", shift=True), 9),
        (CascadePatching(2, shift=False), 4),
    ],
)
def test_as_many_patches_as_a_sampler_asks_for(patching, most, handed_over):
    subject = tiny_model(patching)
    PatchSampler(subject, patches_per_call=most)
    memory.profile(subject, patches_per_call=most, isolated=True)
    assert handed_over[0][0]["patches_per_call"] == most
    with pytest.raises(ValueError, match=f"`patches_per_call` must be at most {most}"):
        memory.profile(subject, patches_per_call=most + 1)


REPORT = memory.MemoryReport(1000, "none", "cpu", "none", True, "none", ())


def test_the_other_process_measures_what_was_checked_here(tmp_path, monkeypatch):
    nothing = types.SimpleNamespace(prepare=lambda: None)
    monkeypatch.setattr(_own_process, "backend_module", lambda: nothing)
    monkeypatch.setattr(_profile, "_measure", lambda *args, **options: REPORT)
    network = tiny_model(CascadePatching(2)).network
    options = {"batch_size": 1, "patches_per_call": 9, "divisions": [2, 2]}
    request = {
        "network": _own_process.described(network),
        "modules": [],
        "gradients": False,
        "timed": False,
        **options,
    }
    (tmp_path / _own_process.REQUEST).write_text(json.dumps(request))
    _own_process.main(tmp_path)
    report = json.loads((tmp_path / _own_process.RESULT).read_text())
    assert (report["patches_per_call"], report["divisions"]) == (9, [2, 2])


def test_a_model_of_crops_is_measured_as_it_is_tiled(handed_over):
    subject = tiny_model(RandomPatching(8, content=True), EDMSchedule())
    for tiled, side in ((subject, 8), (subject.tiled(2), 4)):
        memory.profile(tiled, isolated=True)
        request = handed_over[-1][0]
        network = _own_process.rebuilt(request["network"])
        assert request["divisions"] == (8 // side, 8 // side)
        assert network.input["noisy"].shape == (None, side, side, 3)


@pytest.mark.once
def test_divisions_must_not_contradict_the_model():
    with pytest.raises(ValueError, match=r"grid is \(2, 2\).*divisions=4"):
        memory.profile(model(), divisions=4)


@pytest.mark.once
def test_a_network_without_the_inputs_is_refused():
    noisy = keras.Input((8, 8, 3), name="noisy")
    alone = keras.Model({"noisy": noisy}, layers.Conv2D(3, 1)(noisy))
    with pytest.raises(ValueError, match=r"`noisy` and `timestep`.*inputs=\['noisy'\]"):
        memory.profile(alone)
    unnamed = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1)])
    with pytest.raises(ValueError, match="dict of named inputs"):
        memory.profile(unnamed)
    with pytest.raises(ValueError, match="dict of named inputs"):
        memory.profile(keras.Sequential([layers.Conv2D(3, 1)]))
    with pytest.raises(TypeError, match="`model` must be a `PatchDPM`.*of type str"):
        memory.profile("faces64_n2")


@pytest.mark.once
def test_a_network_of_any_size_is_refused():
    inputs = {
        "noisy": keras.Input((None, None, 3), name="noisy"),
        "timestep": keras.Input((), name="timestep"),
    }
    network = keras.Model(inputs, layers.Conv2D(3, 1)(inputs["noisy"]))
    with pytest.raises(ValueError, match=r"`noisy`.*\(None, None, None, 3\)"):
        memory.profile(network)


def test_an_unsupported_backend_is_named(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    match = "on the backends tensorflow, jax, torch.*backend='openvino'"
    with pytest.raises(RuntimeError, match=match):
        memory.peak(abs, 1)
    with pytest.raises(RuntimeError, match=match):
        memory.profile(model())


def test_work_must_be_callable():
    with pytest.raises(TypeError, match=r"`peak\(fn, x\)`.*of type float"):
        memory.peak(1.0)


@pytest.mark.once
def test_a_process_that_fails_says_why(monkeypatch):
    done = subprocess.CompletedProcess([], 1, "", "first\nValueError: the cause\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    with pytest.raises(RuntimeError, match="`isolated=False`.*ValueError: the cause"):
        memory.profile(model(), isolated=True)


@pytest.mark.once
@pytest.mark.parametrize(
    ("status", "message"), [(3, r"nothing \(status 3\)"), (-9, "ended by SIGKILL")]
)
def test_a_process_that_says_nothing_is_explained(status, message, monkeypatch):
    done = subprocess.CompletedProcess([], status, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    with pytest.raises(RuntimeError, match=message):
        memory.profile(model(), isolated=True)


@pytest.mark.once
def test_code_in_a_network_is_not_run_there(tmp_path):
    inputs = small_network(1, image_size=8).input
    outputs = layers.Lambda(lambda x: x)(inputs["noisy"])
    network = _own_process.described(keras.Model(inputs, outputs))
    request = {"network": network, "modules": []}
    (tmp_path / _own_process.REQUEST).write_text(json.dumps(request))
    with pytest.raises(ValueError, match="[Ll]ambda.*safe_mode|unsafe"):
        _own_process.main(tmp_path)


def test_narrow_weights_are_measured_as_they_are():
    with precision("float32", "float16"):
        network = small_network(1, image_size=8)
    wide = small_network(1, image_size=8)
    there = _own_process.rebuilt(
        json.loads(json.dumps(_own_process.described(network)))
    )
    assert variables_bytes(there.variables) == variables_bytes(network.variables)
    assert 2 * variables_bytes(network.variables) == variables_bytes(wide.variables)


@pytest.mark.once
def test_own_classes_are_imported_there():
    network = small_network(1, image_size=8)
    assert _own_process.modules(network) == []
    own = {"__module__": "their.module", "call": lambda self, x: x}
    custom = type("Custom", (layers.Layer,), own)
    inputs = network.input
    network = keras.Model(inputs, custom()(inputs["noisy"]))
    outer = keras.Model(inputs, network(inputs))
    assert _own_process.modules(outer) == ["their.module"]
