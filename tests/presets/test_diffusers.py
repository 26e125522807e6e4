"""Folders of `diffusers` are loaded as presets; what is not expressed is refused."""

import json

import diffusers_models as models
import numpy as np
import pytest
from tiny_models import tiny_images

import keras_patchdpm as kp

diffusers, torch = models.diffusers, models.torch

SIZE = 8
CONFIG = {**models.SMALL, "sample_size": SIZE}


@pytest.fixture(scope="module")
def theirs():
    return models.random_unet(**CONFIG)


@pytest.fixture
def folder(theirs, tmp_path):
    """As `diffusers` writes it: in the folders `unet` and `scheduler`."""
    pipeline = diffusers.DDPMPipeline(theirs, diffusers.DDPMScheduler())
    pipeline.save_pretrained(tmp_path)
    return tmp_path


def some_noise(count=2):
    shape = (count, SIZE, SIZE, 3)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def check_same(model, theirs, tolerance=1e-4):
    noisy, timestep = some_noise(), np.array([3, 900], "int32")
    predicted = model.network.predict_on_batch({"noisy": noisy, "timestep": timestep})
    expected = models.predicted(theirs, noisy, timestep)
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=tolerance)


def change(folder, path, **values):
    config = {**json.loads((folder / path).read_text()), **values}
    (folder / path).write_text(json.dumps(config))


def refused(folder, *messages):
    with pytest.raises(ValueError) as caught:
        kp.PatchDPM.from_preset(folder)
    for message in (str(folder), *messages):
        assert message in str(caught.value)


UNET, SCHEDULER = "unet/config.json", "scheduler/scheduler_config.json"


def test_a_pipeline_is_a_preset(folder, theirs):
    model = kp.PatchDPM.from_preset(folder)
    assert model.image_shape == (SIZE, SIZE, 3) and not model.latents
    expected = kp.DDPMSchedule("linear", 1000).get_config()
    assert model.schedule.get_config() == expected
    assert model.patching.get_config() == kp.WholeImage().get_config()
    check_same(model, theirs)


@pytest.mark.once
def test_a_pipeline_with_labels_and_a_variance(tmp_path):
    config = {**CONFIG, **models.RESIDUAL}
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range")
    theirs = models.random_unet(**config)
    diffusers.DDPMPipeline(theirs, scheduler).save_pretrained(tmp_path)
    model = kp.PatchDPM.from_preset(tmp_path)
    assert model.num_classes == 5
    values = {"noisy": some_noise(), "timestep": np.array([3, 900], "int32")}
    values["label"] = np.array([0, 4], "int32")
    predicted = model.network.predict_on_batch(values)
    expected = models.predicted(theirs, **values)[..., :3]
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-4)
    model.save_to_preset(tmp_path / "ours")
    again = kp.PatchDPM.from_preset(tmp_path / "ours").network
    np.testing.assert_allclose(again.predict_on_batch(values), predicted, atol=0.03)


@pytest.mark.once
def test_a_pipeline_of_before_has_all_files_side_by_side(folder, theirs):
    for path in (*(folder / "unet").iterdir(), *(folder / "scheduler").iterdir()):
        path.rename(folder / path.name)
    (folder / "unet").rmdir()
    check_same(kp.PatchDPM.from_preset(folder), theirs)
    (folder / "model_index.json").unlink()
    check_same(kp.PatchDPM.from_preset(folder), theirs)


@pytest.mark.once
def test_weights_of_pytorch_are_read_if_there_are_no_others(folder, theirs):
    next((folder / "unet").glob("*.safetensors")).unlink()
    torch.save(theirs.state_dict(), folder / "unet" / "diffusion_pytorch_model.bin")
    check_same(kp.PatchDPM.from_preset(folder), theirs)


@pytest.mark.once
@pytest.mark.parametrize(("storage", "tolerance"), [("float16", 0.03), ("int8", 0.1)])
def test_weights_are_stored_in_less_memory(folder, theirs, storage, tolerance):
    model = kp.PatchDPM.from_preset(folder, storage=storage)
    check_same(model, theirs, tolerance)


@pytest.mark.once
def test_it_is_saved_and_loaded_as_our_preset(folder, theirs, tmp_path):
    kp.PatchDPM.from_preset(folder).save_to_preset(tmp_path / "ours")
    check_same(kp.PatchDPM.from_preset(tmp_path / "ours"), theirs, 0.03)


@pytest.mark.once
@pytest.mark.parametrize(
    "options",
    [
        {"beta_schedule": "linear", "beta_end": 0.01},
        {"beta_schedule": "linear", "num_train_timesteps": 100},
        {"beta_schedule": "scaled_linear"},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"beta_schedule": "sigmoid"},
        {"trained_betas": [0.1, 0.2, 0.3]},
        {"prediction_type": "v_prediction"},
        {"prediction_type": "sample", "clip_sample": False},
    ],
    ids=str,
)
def test_the_schedule_is_that_of_diffusers(folder, options):
    scheduler = diffusers.DDPMScheduler(**options)
    scheduler.save_pretrained(folder / "scheduler")
    model = kp.PatchDPM.from_preset(folder)
    expected = scheduler.alphas_cumprod.numpy()
    np.testing.assert_allclose(model.schedule.alphas**2, expected, rtol=1e-3)
    kinds = {"epsilon": "noise", "v_prediction": "velocity", "sample": "clean"}
    assert model.schedule.prediction == kinds[scheduler.config.prediction_type]
    assert model.latents is not scheduler.config.clip_sample
    model.save_to_preset(folder / "ours")
    again = kp.PatchDPM.from_preset(folder / "ours").schedule
    assert again.get_config() == model.schedule.get_config()


@pytest.mark.once
def test_it_samples_the_images_of_diffusers(folder, theirs):
    scheduler = diffusers.DDIMScheduler(prediction_type="v_prediction")
    scheduler.save_pretrained(folder / "scheduler")
    scheduler.set_timesteps(10)
    images = torch.tensor(some_noise().transpose(0, 3, 1, 2))
    for timestep in scheduler.timesteps:
        with torch.no_grad():
            prediction = theirs(images, timestep).sample
        # `PatchSampler` too computes the noise again from clipped images.
        step = scheduler.step(
            prediction, timestep, images, use_clipped_model_output=True
        )
        images = step.prev_sample
    expected = images.numpy().transpose(0, 2, 3, 1)
    assert expected.std() > 0.2
    model = kp.PatchDPM.from_preset(folder)
    sampler = kp.PatchSampler(model, "ddim", scheduler.timesteps.tolist())
    found = sampler(2, noise=some_noise(), dtype="float32")
    np.testing.assert_allclose(found, expected.clip(-1, 1), rtol=0, atol=1e-3)
    assert kp.sample(preset=folder, steps=2).shape == (2, SIZE, SIZE, 3)


def test_a_patch_model_starts_from_it_and_trains_on(folder, theirs):
    source = kp.PatchDPM.from_preset(folder)
    patching = kp.GridPatching(2)
    options = {name: CONFIG[name] for name in models.OURS}
    network = kp.networks.unet2d(2 * SIZE, patching, **options)
    kp.networks.start_from(network, source.network)
    model = kp.PatchDPM(network, source.schedule, patching)
    noisy = some_noise(4)
    found = model.network.predict_on_batch(
        {
            "noisy": noisy,
            "timestep": np.array([1, 300, 600, 999], "int32"),
            "content": noisy[::-1],
            "patch_index": np.arange(4, dtype="int32"),
        }
    )
    expected = models.predicted(theirs, noisy, [1, 300, 600, 999])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    model.compile("adam")
    loss = model.fit(tiny_images(4, size=2 * SIZE), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(loss).all() and loss[0] != loss[1]
    assert kp.PatchSampler(model, "ddim", 2)(1).shape == (1, 2 * SIZE, 2 * SIZE, 3)


@pytest.mark.once
@pytest.mark.parametrize(
    ("path", "values", "message"),
    [
        (UNET, {"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel"),
        (UNET, {"down_block_types": ["SkipDownBlock2D"] * 2}, "lacks: SkipDownBlock2D"),
        (UNET, {"up_block_types": ["UpBlock2D", "AttnSkipUpBlock2D"]}, "AttnSkipUp"),
        (UNET, {"down_block_types": "DownBlock2D"}, "`down_block_types`"),
        (UNET, {"down_block_types": ["DownBlock2D"]}, "`down_block_types` must have"),
        (UNET, {"time_embedding_type": "fourier"}, "`time_embedding_type`"),
        (UNET, {"act_fn": "gelu"}, "`act_fn` must be one of 'silu', 'swish'"),
        (UNET, {"resnet_time_scale_shift": "spatial"}, "resnet_time_scale_shift"),
        (UNET, {"resnet_time_scale_shift": "scale_shift"}, "`attn_norm_num_groups`"),
        (UNET, {"attn_norm_num_groups": 2}, "`attn_norm_num_groups` must be one of 4"),
        (UNET, {"downsample_type": "fir"}, "`downsample_type` must be one of"),
        (UNET, {"num_class_embeds": 10}, "not conditioned on labels"),
        (UNET, {"num_class_embeds": "10"}, "`num_classes` must be an int"),
        (UNET, {"mid_block_type": None}, "`mid_block_type`"),
        (UNET, {"out_channels": 4}, "out_channels=4"),
        (UNET, {"out_channels": "6"}, "`out_channels` must be an int"),
        (UNET, {"sample_size": None}, "`sample_size`"),
        (UNET, {"sample_size": "8"}, "`sample_size`"),
        (UNET, {"layers_per_block": 10**7}, "`layers_per_block`"),
        (UNET, {"layers_per_block": 2}, "weights"),
        (UNET, {"attention_head_dim": 5}, "`attention_head_dim` must divide"),
        (UNET, {"flip_sin_to_cos": "no"}, "`flip_sin_to_cos`"),
        (UNET, {"kernel": "fir"}, "does not know. Received: ['kernel']"),
        (SCHEDULER, {"_class_name": "ScoreSdeVeScheduler"}, "ScoreSdeVeScheduler"),
        (SCHEDULER, {"beta_schedule": "laplace"}, "`beta_schedule` must be one of"),
        (SCHEDULER, {"beta_start": "0"}, "`beta_start`"),
        (SCHEDULER, {"beta_start": 0.0}, "`beta_schedule`"),
        (SCHEDULER, {"num_train_timesteps": 10**9}, "`num_train_timesteps`"),
        (SCHEDULER, {"trained_betas": [2.0]}, "`beta_schedule`"),
        (SCHEDULER, {"prediction_type": "flow"}, "`prediction_type`"),
        (SCHEDULER, {"thresholding": True}, "`thresholding`"),
        (SCHEDULER, {"rescale_betas_zero_snr": True}, "`rescale_betas_zero_snr`"),
        (SCHEDULER, {"clip_sample_range": 2.0}, "clip_sample_range=2.0"),
        (SCHEDULER, {"variance_type": "none"}, "`variance_type`"),
    ],
    ids=str,
)
def test_what_cannot_be_expressed_is_refused_by_name(folder, path, values, message):
    change(folder, path, **values)
    refused(folder, message)


@pytest.mark.once
def test_damaged_files_are_refused_by_name(folder):
    weights = next((folder / "unet").glob("*.safetensors"))
    content = weights.read_bytes()
    weights.write_bytes(content[:-9])
    refused(folder, "truncated", weights.name)
    weights.write_bytes(content)
    from safetensors.numpy import load_file, save_file

    tensors = load_file(weights)
    tensors["conv_in.weight"] = tensors.pop("conv_in.weight") * np.nan
    save_file(tensors, weights)
    refused(folder, "finite numbers", "conv_in.weight", weights.name)
    del tensors["conv_in.weight"]
    save_file(tensors, weights)
    refused(folder, "Missing: conv_in.weight", weights.name)
    weights.unlink()
    refused(folder, "There is no file of weights", "shards")
    for content in ("", "{", "[]", "[" * 10**5):
        (folder / UNET).write_text(content)
        refused(folder, UNET)
    (folder / UNET).unlink()
    (folder / "unet").rmdir()
    refused(folder, "config.json", "There is no such file")
