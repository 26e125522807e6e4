"""The samplers that `throughput.py` compares, each a function: its `Contestant`.

Other libraries are not copied: `diffusers` is installed with the tests, the others are
imported from a checkout whose folder is given. Only their sampling is needed: a package
that their training imports and that is not installed is replaced by a mock.
"""

import contextlib
import dataclasses
import importlib.util
import sys
import types
from collections.abc import Callable
from unittest import mock

import keras
import numpy as np

from benchmarks import measuring

ONLY_TRAINING = (
    "accelerate",
    "dataclasses_json",
    "ema_pytorch",
    "loguru",
    "torchvision",
    "torchvision.transforms",
    "torchvision.transforms.functional",
    "torchvision.utils",
    "wandb",
)


@dataclasses.dataclass(frozen=True)
class Contestant:
    """`run()` samples a batch; `parameters` is the number in its network."""

    run: Callable
    parameters: int


def ours(options, model, patches_per_call):
    """This library."""
    sampler = measuring.build_sampler(
        model, "ddim", options.steps, patches_per_call=patches_per_call
    )

    def run():
        sampler(options.batch, batch_size=options.batch)

    return Contestant(run, model.network.count_params())


def diffusers(options, parameters):
    """`UNet2DModel` of about as many parameters, in `DDIMPipeline`."""
    import diffusers

    def network(width):
        return diffusers.UNet2DModel(
            sample_size=options.image_size,
            block_out_channels=(width, 2 * width, 2 * width),
            layers_per_block=2,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            attention_head_dim=None,
            norm_num_groups=4,
        )

    network = _nearest(network, parameters).to(_device())
    pipeline = diffusers.DDIMPipeline(network, diffusers.DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)

    def run():
        found = pipeline(
            batch_size=options.batch,
            num_inference_steps=options.steps,
            output_type="np",
        )
        np.rint(found.images * 255).astype("uint8")

    return Contestant(run, _parameters(network))


def denoising_diffusion_pytorch(options, parameters, checkout):
    """Its `Unet` of about as many parameters, with DDIM."""
    with _importable(checkout):
        theirs = importlib.import_module(
            "denoising_diffusion_pytorch.denoising_diffusion_pytorch"
        )
    network = _nearest(lambda dim: theirs.Unet(dim, dim_mults=(1, 2, 2)), parameters)
    diffusion = theirs.GaussianDiffusion(
        network, image_size=options.image_size, sampling_timesteps=options.steps
    )

    def run():
        with mock.patch.object(theirs, "tqdm", lambda steps, **_: steps):
            diffusion.sample(options.batch).mul(255).round().byte().numpy()

    return Contestant(run, _parameters(network))


def authors(options, n, checkout):
    """The network and the loop of Arakawa et al., with the same number of steps."""
    with _importable(checkout):
        folder = "patch_based_ddpm.denoising_diffusion_pytorch"
        unet = importlib.import_module(f"{folder}.patched_unet")
        process = importlib.import_module(f"{folder}.diffusion")
    settings = types.SimpleNamespace(
        dim=options.width,
        init_dim=None,
        out_dim=3,
        dim_mults=(1, 2, 4, 8),
        channels=3,
        resnet_block_groups=8,
        learned_variance=False,
        patch_divider=n,
        image_size=options.image_size,
    )
    loop = types.SimpleNamespace(
        timesteps=options.steps, loss_type="l1", objective="pred_noise"
    )
    network = unet.PatchedUnetWithGlobalEncoding(settings)
    diffusion = process.GaussianDiffusion(
        types.SimpleNamespace(model=settings, diffusion=loop), network
    )

    def run():
        images = diffusion.sample(options.batch, disable_pbar=True)
        images.mul(255).round().byte().numpy()

    return Contestant(run, _parameters(network))


def _nearest(build, parameters):
    """The network of a width divisible by 4 whose size is nearest to `parameters`."""
    sizes = {width: _parameters(build(width)) for width in range(8, 97, 4)}
    return build(min(sizes, key=lambda width: abs(sizes[width] - parameters)))


def _device():
    """Where Keras' backend computes, if it is PyTorch; else the CPU."""
    import torch

    is_torch = keras.backend.backend() == "torch"
    return "cuda" if is_torch and torch.cuda.is_available() else "cpu"


def _parameters(network):
    return sum(weight.numel() for weight in network.parameters())


@contextlib.contextmanager
def _importable(checkout):
    """A context in which a checkout can be imported."""
    mocks = {name: mock.MagicMock() for name in ONLY_TRAINING if _is_absent(name)}
    mocks["dataclasses_json"] = types.SimpleNamespace(dataclass_json=lambda cls: cls)
    before = {name: sys.modules.get(name) for name in mocks}
    sys.modules.update(mocks)
    sys.path.insert(0, str(checkout))
    yield
    sys.path.remove(str(checkout))
    for name, module in before.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module


def _is_absent(name):
    try:
        return importlib.util.find_spec(name) is None
    except ModuleNotFoundError:  # The package around it is absent.
        return True
