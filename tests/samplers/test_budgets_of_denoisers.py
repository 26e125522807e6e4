"""Memory plans of functions and of networks of another library."""

import diffusers
import numpy as np
import pytest
import torch
from diffusers_models import SMALL, random_unet

import keras_patchdpm as kp

pytestmark = pytest.mark.once


def widened(noisy, level):
    """A denoiser in PyTorch that needs 64 channels for each pixel."""
    wide = torch.tensor(noisy).repeat(1, 1, 1, 64).tanh()
    return wide.mean(-1, keepdim=True)


def test_a_budget_limits_the_patches_of_a_function():
    model = kp.TiledDenoiser(widened, (64, 64, 1), patch=16, overlap=None)
    patch = 2 * 64 * 16 * 16 * 4  # Bytes: `tanh` has an input and an output.
    pixels = 64 * 64 * 4
    sampler = kp.PatchSampler(model, "ddim", 2, memory_budget=5 * patch + 8 * pixels)
    images = sampler(1, dtype="float32")
    assert sampler.plan.weights == 0
    assert 3 <= sampler.plan.patches_per_call <= 5
    assert sampler.plan.activations >= sampler.plan.patches_per_call * patch
    expected = kp.PatchSampler(model, "ddim", 2)(1, dtype="float32")
    np.testing.assert_allclose(images, expected, atol=1e-5)
    with pytest.raises(ValueError, match="smallest budget that works"):
        kp.PatchSampler(model, "ddim", 2, memory_budget=patch)(1)


def test_a_budget_counts_the_weights_of_diffusers():
    network = random_unet(sample_size=16, **SMALL)
    model = kp.TiledDenoiser.from_diffusers(
        network, diffusers.DDPMScheduler(), (32, 32, 3), patch=16, overlap=None
    )
    plan = kp.memory.plan(model, "50MB", images_on="host")
    assert plan.weights == sum(4 * one.numel() for one in network.parameters())
    assert plan.patches_per_call == 4
    assert plan.activations > 4 * 16 * 16 * 8 * 4  # The first convolution alone.


def test_a_function_of_numpy_has_no_plan():
    model = kp.TiledDenoiser(lambda noisy, level: noisy, (8, 8, 1), patch=4)
    with pytest.raises(ValueError, match="needs no memory of torch.*`memory_budget`"):
        kp.PatchSampler(model, "ddim", 2, memory_budget="1GB")(1)
