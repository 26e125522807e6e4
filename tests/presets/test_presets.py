"""A preset is plain data: it round trips, and what is damaged is refused."""

import json
import pathlib

import keras
import numpy as np
import pytest
from keras import ops
from tiny_models import PRESET, tiny_model

import keras_patchdpm as kp
from keras_patchdpm import presets


@pytest.fixture
def network(rng):
    network = presets.parts(PRESET)["network"]
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape))
    return network


@pytest.fixture
def folder(network, tmp_path):
    presets.save(tmp_path / "mine", PRESET, network, card="Checksum {sha256}.")
    return tmp_path / "mine"


def test_round_trip_in_half_precision(network, folder):
    model = kp.PatchDPM.from_preset(folder)
    for kept, found in zip(network.weights, model.network.weights, strict=True):
        kept, found = np.asarray(kept), np.asarray(found)
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, kept.astype("float16"))
    assert model.schedule.prediction == "velocity"
    assert model.patching.grid.divisions == (2, 2)


@pytest.mark.once
def test_card_names_the_checksum(folder):
    checksum = json.loads((folder / "config.json").read_text())["sha256"]
    assert (folder / "card.md").read_text() == f"Checksum {checksum}."


@pytest.mark.once
def test_no_temporary_file_is_left(folder):
    names = sorted(path.name for path in folder.iterdir())
    weights = json.loads((folder / "config.json").read_text())["weights"]
    assert names == ["card.md", "config.json", weights]


@pytest.mark.once
def test_unknown_preset_lists_those_there_are():
    with pytest.raises(ValueError, match=r"faces64_n2.*preset='faces1024'"):
        kp.PatchDPM.from_preset("faces1024")


@pytest.mark.once
@pytest.mark.parametrize("preset", [None, 3, b"faces64_n2", ""])
def test_a_preset_is_a_name_or_a_path(preset):
    with pytest.raises((TypeError, ValueError), match="`preset` must be a path"):
        kp.PatchDPM.from_preset(preset)


@pytest.mark.once
def test_a_file_of_keras_is_no_preset_and_the_message_says_what_it_is(folder):
    with pytest.raises(ValueError, match=r"Load it with .*load_model.*save_to_preset"):
        kp.PatchDPM.from_preset("model.keras")
    with pytest.raises(ValueError, match=f"Pass the folder, '{folder}'"):
        kp.PatchDPM.from_preset(folder / "config.json")


@pytest.mark.once
def test_the_presets_of_the_package_are_listed():
    listed = {preset["name"]: preset for preset in kp.PatchDPM.presets()}
    assert sorted(listed) == presets.names()
    assert listed["faces128"]["n"] == [1, 2, 4]
    assert listed["faces128"]["image_size"] == (128, 128)
    assert listed["faces64_n2"]["n"] == [2]
    assert listed["faces64_n2"]["image_size"] == (64, 64)
    for preset in listed.values():
        assert "non-commercial" in preset["licence"]
        assert 10**6 < preset["bytes"] < 15e6


@pytest.mark.once
def test_the_card_of_faces128_counts_the_patches_of_its_stages(rng):
    model = kp.PatchDPM.from_preset("faces128")
    levels = model.sampler().levels[:-1]
    first, second, third = (
        sum(len(stage.tiles(level, rng)) for level in levels)
        for stage in model.tiled().stages
    )
    card = pathlib.Path(presets.__file__).with_name("faces128") / "card.md"
    assert (
        f"{first} patches for the thumbnail, and {first} of the smaller guide; "
        f"{second} for the second stage, {third} for the third" in card.read_text()
    )


@pytest.mark.once
def test_foreign_builders_are_refused():
    config = {**PRESET, "network": {**PRESET["network"], "name": "os.system"}}
    with pytest.raises(ValueError, match=r"one of 'unet'.*os\.system"):
        presets.parts(config)


def random_model(patching, schedule, rng, **options):
    network = kp.networks.unet(
        8,
        patching,
        width=8,
        multipliers=(1,),
        blocks_per_depth=1,
        schedule=schedule,
        num_classes=3,
    )
    model = kp.PatchDPM(network, schedule, patching, **options)
    for weight in network.weights:
        weight.assign(rng.normal(size=weight.shape).astype("float16"))
    return model


@pytest.mark.parametrize(
    ("patching", "schedule"),
    [
        (kp.GridPatching((1, 2)), kp.DDPMSchedule("linear", min_snr_gamma=5)),
        (
            kp.CascadePatching(2, shift=False),
            kp.DDPMSchedule(prediction="clean", loss="huber"),
        ),
        (kp.RandomPatching(8, (0.5, 1.0), content=True), kp.EDMSchedule(sigma_max=9)),
        (kp.WholeImage(), kp.DDPMSchedule("linear", 10)),
    ],
)
def test_a_model_is_saved_as_a_preset_and_comes_back(patching, schedule, rng, tmp_path):
    model = random_model(patching, schedule, rng, latents=True, label_dropout=0.25)
    model.save_to_preset(tmp_path / "mine", card="Mine, {sha256}.")
    found = kp.PatchDPM.from_preset(tmp_path / "mine")
    assert found.latents and found.label_dropout == 0.25 and found.num_classes == 3
    assert found.schedule.get_config() == schedule.get_config()
    assert found.patching.get_config() == patching.get_config()
    for one, other in zip(model.network.weights, found.network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert "Mine, " in (tmp_path / "mine" / "card.md").read_text()


def test_the_authors_network_is_saved_as_a_preset(tmp_path):
    network = kp.networks.arakawa_unet(8, 2, dim=8, multipliers=(1, 2))
    model = kp.PatchDPM(network, kp.DDPMSchedule(), kp.GridPatching(2))
    model.save_to_preset(tmp_path)
    found = kp.PatchDPM.from_preset(tmp_path).network
    assert [w.path for w in found.weights] == [w.path for w in network.weights]


def test_a_model_that_keras_saved_and_loaded_can_be_saved_as_a_preset(rng, tmp_path):
    model = random_model(kp.GridPatching(2), kp.DDPMSchedule(), rng)
    model.save(tmp_path / "model.keras")
    keras.models.load_model(tmp_path / "model.keras").save_to_preset(tmp_path / "mine")
    found = kp.PatchDPM.from_preset(tmp_path / "mine")
    for one, other in zip(model.network.weights, found.network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_weights_beyond_half_precision_keep_their_values(rng, tmp_path):
    model = random_model(kp.GridPatching(2), kp.DDPMSchedule(), rng)
    first, *_ = model.network.weights
    first.assign(np.full(first.shape, 1e6, "float32"))
    model.save_to_preset(tmp_path)
    found = kp.PatchDPM.from_preset(tmp_path).network.weights[0]
    np.testing.assert_array_equal(np.asarray(found), 1e6)
    first.assign(np.full(first.shape, np.nan, "float32"))
    with pytest.raises(ValueError, match=f"finite.*{first.path}"):
        model.save_to_preset(tmp_path)


@pytest.mark.once
def test_what_no_preset_can_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="networks.unet.*model.save"):
        tiny_model().save_to_preset(tmp_path)

    class Own(kp.GridPatching):
        pass

    model = random_model(Own(2), kp.DDPMSchedule(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="The patching of a preset must be one of"):
        model.save_to_preset(tmp_path)
    grid = random_model(kp.GridPatching(2), kp.DDPMSchedule(), np.random.default_rng(0))
    grid.set_sampling(solver="ddim", guidance=kp.Guidance(grid.tiled(), 1.5))
    with pytest.raises(ValueError, match="Pass the `PatchDPM`, not the result"):
        grid.save_to_preset(tmp_path / "guided")
    grid.set_sampling()
    with pytest.raises(ValueError, match="name of a built-in preset"):
        grid.save_to_preset("faces64_n2")
    with pytest.raises(TypeError, match="`card` must be a string"):
        grid.save_to_preset(tmp_path, card=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ValueError, match="`folder` must be a folder, and .*file is a file"
    ):
        grid.save_to_preset(tmp_path / "file")


@pytest.mark.once
def test_a_network_built_for_another_patching_is_refused(tmp_path):
    """Its inputs fit, but it has a vector for each of eight patches."""
    network = kp.networks.unet(
        (8, 16), kp.GridPatching((2, 4)), width=8, multipliers=(1,), blocks_per_depth=1
    )
    model = kp.PatchDPM(network, kp.DDPMSchedule(), kp.GridPatching(2))
    with pytest.raises(ValueError, match="built for another patching"):
        model.save_to_preset(tmp_path)


@pytest.fixture
def guided():
    """A cascade and a smaller one, which guides it."""

    def cascade(divisions, width):
        patching = kp.CascadePatching(divisions, sampling_noise=0.1)
        size = {"multipliers": (1,), "blocks_per_depth": 1}
        network = kp.networks.unet(4 * divisions, patching, width=width, **size)
        rng = np.random.default_rng(width)
        for weight in network.weights:
            weight.assign(rng.normal(0, 0.1, weight.shape).astype("float32"))
        schedule = kp.DDPMSchedule(prediction="velocity")
        return kp.PatchDPM(network, schedule, patching)

    model = cascade(4, 32)
    guidance = kp.Guidance(cascade(2, 16), 1.5, (0.1, np.inf), stages=[0])
    model.set_sampling(
        solver="dpmpp_2m", steps=3, spacing="trailing", guidance=guidance
    )
    return model


@pytest.mark.once
@pytest.mark.parametrize(("storage", "most"), [("float16", 2), ("int8", 12)])
def test_a_preset_holds_its_settings_and_its_guide(guided, tmp_path, storage, most):
    guided.save_to_preset(tmp_path / "preset", storage=storage)
    loaded = kp.PatchDPM.from_preset(tmp_path / "preset")
    expected = guided.sampler()(2, seed=1).astype(int)
    assert np.abs(loaded.sampler()(2, seed=1) - expected).max() <= most
    found = kp.sample(preset=tmp_path / "preset", seed=1)
    assert np.abs(found - expected).max() <= most
    without = loaded.sampler(guidance=None)(2, seed=1)
    assert np.abs(without - expected).max() > 2 * most
    again = loaded.sampling.arguments["guidance"]
    assert (again.scale, again.interval, again.stages) == (1.5, (0.1, np.inf), (0,))


@pytest.mark.once
def test_int8_is_half_as_large_and_nearly_the_same(guided, tmp_path):
    sizes = []
    for storage in ("float16", "int8"):
        folder = tmp_path / storage
        guided.save_to_preset(folder, storage=storage)
        sizes.append(next(folder.glob("*.npz")).stat().st_size)
    assert sizes[1] < 0.65 * sizes[0]
    loaded = kp.PatchDPM.from_preset(tmp_path / "int8")
    pairs = zip(guided.network.weights, loaded.network.weights, strict=True)
    for one, other in pairs:
        exact, found = (ops.convert_to_numpy(weight) for weight in (one, other))
        # Half a step of each channel, or half precision.
        step = np.abs(exact).max(axis=tuple(range(exact.ndim - 1))) / 127
        assert (np.abs(found - exact) <= 0.501 * step + 1e-3 * np.abs(exact)).all()


@pytest.mark.once
@pytest.mark.parametrize(
    ("sampling", "match"),
    [
        (3, "`sampling` must be a `dict`"),
        ({"model": "x"}, r"`sampling` accepts the keys solver.*\['model'\]"),
        ({"solver": {"name": "euler"}}, "euler"),
        ({"guidance": 2.0}, "`guidance` must be a `dict`"),
        ({"guidance": {"by": "guide", "stages": [0]}}, "needs the key `scale`"),
        ({"guidance": {"by": "guide", "scale": -1}}, "`scale` must be at least 0"),
        ({"guidance": {"by": "guide", "scale": 2, "interval": 3}}, "`interval`"),
        ({"guidance": {"by": "x", "scale": 2}}, "`by` must be one of 'label', 'guide'"),
        ({"guidance": {"by": "label", "scale": 2}}, "trained on labels"),
        ({"guidance": {"by": "guide", "scale": 2, "name": 1}}, "accepts the keys by"),
    ],
)
def test_wrong_settings_of_a_preset_are_refused(guided, tmp_path, sampling, match):
    guided.save_to_preset(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "sampling": sampling}))
    with pytest.raises(ValueError, match=match):
        kp.PatchDPM.from_preset(tmp_path)


@pytest.mark.once
def test_settings_that_do_not_fit_are_refused(guided):
    with pytest.raises(ValueError, match="euler"):
        guided.set_sampling(solver="euler")
    with pytest.raises(ValueError, match=r"`sampling` accepts the keys .*divisions"):
        guided.set_sampling(divisions=2)
    assert guided.sampling.arguments["solver"] == "dpmpp_2m"


@pytest.mark.once
def test_a_preset_whose_guide_is_missing_is_refused(guided, tmp_path):
    guided.save_to_preset(tmp_path)
    (tmp_path / "guide" / "config.json").unlink()
    with pytest.raises(ValueError, match="guide"):
        kp.PatchDPM.from_preset(tmp_path)


@pytest.mark.once
def test_settings_of_numpy_are_stored_and_overridden(guided, tmp_path):
    guided.set_sampling(solver="dpmpp_2m", steps=np.int64(3), spacing="trailing")
    guided.save_to_preset(tmp_path)
    loaded = kp.PatchDPM.from_preset(tmp_path)
    assert loaded.sampling.arguments["steps"] == 3
    levels = guided.schedule.levels(4, "trailing")
    assert loaded.sampler(steps=np.int64(4)).levels == levels
    assert loaded.sampler(steps=[999, 10]).levels == guided.schedule.levels([999, 10])
    assert loaded.sampler(solver="ddim").solver.get_config() == {"eta": 0.0}
