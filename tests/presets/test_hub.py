"""Presets in repositories of the Hugging Face hub, of which a fake is asked."""

import fnmatch
import json
import pathlib
import shutil
import sys

import huggingface_hub
import numpy as np
import pytest
from tiny_models import PRESET, preset_model, tiny_images

import keras_patchdpm as kp
from keras_patchdpm import presets

pytestmark = pytest.mark.once

ADDRESS = "hf://user/name"


class FakeHub:
    """One repository, and a cache that is filled file by file.

    Args:
        folder: Path, in which both are.
    """

    def __init__(self, folder):
        self.server, self.cache = folder / "server", folder / "cache"
        self.server.mkdir()
        self.error = None  # Raised by each request, if it is set.
        self.stop_after = None  # Files, after which a download is stopped.
        self.downloads, self.calls = [], []

    def _request(self):
        if self.error is not None:
            raise self.error

    def list_repo_files(self, repo_id, revision=None):
        self.calls.append((repo_id, revision))
        self._request()
        return self._names(self.server)

    def snapshot_download(
        self, repo_id, revision=None, allow_patterns=None, local_files_only=False
    ):
        def asked(folder):
            names = self._names(folder)
            return [n for n in names if any(fnmatch.fnmatch(n, p) for p in patterns)]

        patterns = allow_patterns or ["*"]
        missing = [n for n in asked(self.server) if not (self.cache / n).is_file()]
        if local_files_only:
            if missing or not self.cache.exists():
                raise huggingface_hub.errors.LocalEntryNotFoundError("not complete")
            return str(self.cache)
        self._request()
        for name in missing:
            if self.stop_after == len(self.downloads):
                raise ConnectionError("the network is down")
            (self.cache / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.server / name, self.cache / name)
            self.downloads.append(name)
        return str(self.cache)

    def create_repo(self, repo_id, exist_ok):
        self.calls.append((repo_id, exist_ok))
        self._request()

    def upload_folder(
        self, repo_id, folder_path, revision, delete_patterns, commit_message
    ):
        for name in self._names(self.server):
            if any(fnmatch.fnmatch(name, pattern) for pattern in delete_patterns):
                (self.server / name).unlink()
        shutil.copytree(folder_path, self.server, dirs_exist_ok=True)

    @staticmethod
    def _names(folder):
        paths = folder.rglob("*") if folder.exists() else ()
        return sorted(p.relative_to(folder).as_posix() for p in paths if p.is_file())


@pytest.fixture
def hub(tmp_path, monkeypatch):
    fake = FakeHub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    return fake


@pytest.fixture(scope="module")
def model():
    return preset_model()


def same(model, address):
    found = kp.PatchDPM.from_preset(address).network
    for one, other in zip(model.network.weights, found.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("format", ["npz", "safetensors"])
def test_a_preset_is_uploaded_and_downloaded(model, hub, format):
    model.save_to_preset(ADDRESS, card="Mine, {sha256}.", format=format)
    assert hub.calls == [("user/name", True)]
    names = hub._names(hub.server)
    assert [name.rpartition(".")[2] for name in names] == ["md", "md", "json", format]
    same(model, ADDRESS)
    assert hub.calls[1:] == [("user/name", None)]
    kp.PatchDPM.from_preset(f"{ADDRESS}@refs/pr/1")
    assert hub.calls[-1] == ("user/name", "refs/pr/1")
    assert kp.sample(preset=ADDRESS, steps=2, num_images=1).shape == (1, 8, 8, 3)


def test_the_model_card_has_the_metadata_of_the_hub(model, hub):
    model.save_to_preset(ADDRESS, card="Mine, {sha256}.")
    text = (hub.server / "README.md").read_text()
    checksum = json.loads((hub.server / "config.json").read_text())["sha256"]
    card = huggingface_hub.ModelCard(text)
    assert card.data.to_dict()["library_name"] == "keras-patchdpm"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    assert "patch-diffusion" in card.data.tags
    assert f"Mine, {checksum}." in card.text
    assert f'kp.sample(preset="{ADDRESS}"' in card.text
    own = "---\nlicense: mit\n---\nMine."
    model.save_to_preset(ADDRESS, card=own)
    assert (hub.server / "README.md").read_text() == own


def test_an_upload_replaces_the_weights_of_before(model, hub):
    other = kp.PatchDPM(**presets.parts(PRESET))
    other.save_to_preset(ADDRESS)
    model.save_to_preset(ADDRESS)
    assert len(list(hub.server.glob("weights*"))) == 1
    same(model, ADDRESS)


def test_only_the_files_of_a_preset_are_downloaded(model, hub):
    model.save_to_preset(ADDRESS)
    for name in ("pictures.zip", "training.json", "guide.npz"):
        (hub.server / name).write_bytes(b"x")
    same(model, ADDRESS)
    weights = next(hub.server.glob("weights*")).name
    assert sorted(hub.downloads) == ["card.md", "config.json", weights]


def test_a_stopped_download_is_resumed(model, hub):
    model.save_to_preset(ADDRESS)
    hub.stop_after = 2
    for _ in range(2):
        with pytest.raises(OSError, match=r"the download is resumed.*network is down"):
            kp.PatchDPM.from_preset(ADDRESS)
    assert len(hub.downloads) == 2
    hub.stop_after = None
    same(model, ADDRESS)
    assert len(hub.downloads) == 3


def test_without_a_connection_the_last_download_is_used(model, hub):
    model.save_to_preset(ADDRESS)
    hub.error = ConnectionError("no route")
    with pytest.raises(OSError, match=rf"no route.*preset='{ADDRESS}'"):
        kp.PatchDPM.from_preset(ADDRESS)
    hub.error = None
    kp.PatchDPM.from_preset(ADDRESS)
    hub.error = ConnectionError("no route")
    with pytest.warns(UserWarning, match="could not be reached.*no route"):
        same(model, ADDRESS)


def error_of_host(kind):
    """As the library raises it."""
    error = kind.__new__(kind)
    OSError.__init__(error, "401: no access")
    return error


@pytest.mark.parametrize(
    "kind", ["RepositoryNotFoundError", "GatedRepoError", "RevisionNotFoundError"]
)
def test_a_host_that_refuses_is_quoted(model, hub, kind):
    model.save_to_preset(ADDRESS)
    kp.PatchDPM.from_preset(ADDRESS)  # It is in the cache, which is no permission.
    hub.error = error_of_host(getattr(huggingface_hub.errors, kind))
    with pytest.raises(OSError, match=rf"hf auth login.*{kind}.*preset='{ADDRESS}'"):
        kp.PatchDPM.from_preset(ADDRESS)
    with pytest.raises(OSError, match=rf"hf auth login.*{kind}.*folder='{ADDRESS}'"):
        model.save_to_preset(ADDRESS)


def test_repositories_without_a_preset_are_refused(hub):
    (hub.server / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"neither.*\['config.json'\]"):
        kp.PatchDPM.from_preset(ADDRESS)


@pytest.mark.parametrize(
    "address", ["hf://", "hf://name", "hf://a/b/c", "hf://a/b@", "hf://a b/c"]
)
def test_wrong_addresses_are_refused(model, hub, address):
    for call in (kp.PatchDPM.from_preset, model.save_to_preset):
        with pytest.raises(ValueError, match="an address such as 'hf://user/name'"):
            call(address)
    assert not hub.calls


def test_the_library_is_an_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (kp.PatchDPM.from_preset, model.save_to_preset):
        with pytest.raises(ImportError, match=rf"keras-patchdpm\[hub\].*='{ADDRESS}'"):
            call(ADDRESS)


class TestDiffusers:
    """Repositories of `diffusers`, whose configuration is read before the weights."""

    @pytest.fixture
    def theirs(self, hub):
        import diffusers_models as models

        network = models.random_unet(**models.SMALL, sample_size=8)
        scheduler = models.diffusers.DDPMScheduler()
        models.diffusers.DDPMPipeline(network, scheduler).save_pretrained(hub.server)
        (hub.server / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"large")
        return network

    def test_from_preset(self, theirs, hub):
        model = kp.PatchDPM.from_preset(ADDRESS)
        kernel = theirs.conv_in.weight.detach().numpy().transpose(2, 3, 1, 0)
        found = np.asarray(model.network.get_layer("conv_in").kernel)
        np.testing.assert_array_equal(found, kernel)
        assert pathlib.PurePath(hub.downloads[-1]).suffix == ".safetensors"
        assert len(hub.downloads) == 4

    def test_other_networks_are_refused_before_their_weights(self, theirs, hub):
        config = hub.server / "unet" / "config.json"
        text = config.read_text().replace('"UNet2DModel"', '"UNet2DConditionModel"')
        config.write_text(text)
        with pytest.raises(ValueError, match="UNet2DConditionModel"):
            kp.PatchDPM.from_preset(ADDRESS)
        assert not any("pytorch" in name for name in hub.downloads)

    def test_a_training_of_patches_starts_from_it(self, theirs, hub, tmp_path):
        network = presets.read_config(ADDRESS)["network"]
        config = {
            "network": {**network, "image_size": 16},
            "schedule": {"name": "DDPMSchedule", "beta_schedule": "linear"},
            "patching": {"name": "GridPatching", "divisions": 2},
        }
        settings = kp.training.TrainingSettings(
            batch_size=2, steps_per_epoch=1, learning_rate=0.0, start_from=ADDRESS
        )
        images = tiny_images(2, size=16)
        model = kp.train(config, images, tmp_path / "run", epochs=1, settings=settings)
        kernel = np.asarray(model.network.get_layer("conv_in").kernel)
        expected = theirs.conv_in.weight.detach().numpy().transpose(2, 3, 1, 0)
        np.testing.assert_allclose(kernel[..., :3, :], expected, atol=1e-6)
        assert not kernel[..., 3:, :].any()
