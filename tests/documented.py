"""What the examples of pages and docstrings use and do not define, at small sizes."""

import functools
import json
import os
import re
import types

import keras
import numpy as np
from tiny_models import PRESET
from unet2d_inputs import GUIDED, tensors_of

import keras_patchdpm as kp
from keras_patchdpm.networks import diffusers_weights, guided_diffusion_weights
from keras_patchdpm.networks.recorded import recorded

SIZE = 64
SMALL = {
    "num_images=1000": "num_images=2",
    "num_images=16": "num_images=2",
    "scenes(4096": "scenes(32",
    "scenes(4000": "scenes(32",
    "range(64, 128)": "range(1, 2)",
    '"8GB"': '"20MB"',
    '"300MB"': '"20MB"',
    "steps=50": "steps=2",
    "steps=20": "steps=2",
    "steps=[20, 10]": "steps=[2, 1]",
    "epochs=10": "epochs=1, verbose=0",
    "epochs=20": "epochs=1, verbose=0",
    "hf://google/ddpm-celebahq-256": "theirs",  # No connection in tests.
    "256x256_diffusion_uncond.pt": "guided.npz",
    "128x128_diffusion.pt": "guided_classes.npz",
}
TINY_UNET2D = {
    "block_out_channels": (4,),
    "down_block_types": ("AttnDownBlock2D",),
    "up_block_types": ("AttnUpBlock2D",),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "attention_head_dim": None,
    "norm_eps": 1e-6,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}


def at_small_size(source):
    """The source of an example that trains and samples in a moment."""
    for large, small in SMALL.items():
        source = source.replace(large, small)
    # `names` has a package whose networks are small.
    return re.sub("^import keras_patchdpm as kp.*$", "", source, flags=re.M)


def tiny_unet(*arguments, **options):
    """In the place of `unet`, whose networks take minutes here."""
    tiny = {"width": 4, "multipliers": (1,), "blocks_per_depth": 1}
    return kp.networks.unet(*arguments, **{**options, **tiny, "attention_depths": ()})


def tiny_unet2d(*arguments, **options):
    tiny = {} if "embedding_width" in options else TINY_UNET2D
    return kp.networks.unet2d(*arguments, **{**options, **tiny})


def tiny_guided_diffusion(image_size, **options):
    """The arguments of a small network of guided-diffusion."""
    return kp.networks.guided_diffusion_arguments(image_size, **GUIDED)


def write_diffusers(folder):
    """A small network in the files of `diffusers`, and its weights as `.npz`."""
    from safetensors.numpy import save_file

    tensors = tensors_of(tiny_unet2d(16), diffusers_weights.NAMES, 0.1)
    network = {"_class_name": "UNet2DModel", "_diffusers_version": "0.0.4"}
    files = {
        "config.json": {**network, "sample_size": 16, **TINY_UNET2D},
        "scheduler_config.json": {"_class_name": "DDPMScheduler"},
    }
    (folder / "theirs").mkdir()
    for name, config in files.items():
        (folder / "theirs" / name).write_text(json.dumps(config))
    save_file(tensors, folder / "theirs" / "diffusion_pytorch_model.safetensors")
    np.savez(folder / "weights.npz", **tensors)


def write_guided_diffusion(folder):
    for name, classes in (("guided", None), ("guided_classes", 1000)):
        network = tiny_unet2d(16, num_classes=classes, **tiny_guided_diffusion(16))
        library = guided_diffusion_weights.tensor_names(recorded(network))
        np.savez(folder / f"{name}.npz", **tensors_of(network, library))


def write_folders(folder):
    """The folders of images and weights that the examples read."""
    for number, image in enumerate(kp.datasets.synthetic_scenes(66, 2 * SIZE)):
        for name in (f"photos/{'ab'[number % 2]}", "img_align_celeba", "bedroom"):
            os.makedirs(folder / name, exist_ok=True)
            kp.save_images(image[None], folder / name / f"{number}.bmp")
    write_diffusers(folder)
    write_guided_diffusion(folder)
    for name in ("preset", "early"):  # Of a training.
        model = kp.PatchDPM(**kp.presets.parts(PRESET))
        model.save_to_preset(folder / "runs/photos" / name)


def convolution(channels, filters):
    image = keras.Input((SIZE, SIZE, channels))
    return keras.Sequential([image, keras.layers.Conv2D(filters, 1)])


def names():
    """A dict of them."""
    package = types.SimpleNamespace(**vars(kp))
    package.networks = types.SimpleNamespace(
        **{
            **vars(kp.networks),
            "unet": tiny_unet,
            "unet2d": tiny_unet2d,
            "guided_diffusion_arguments": tiny_guided_diffusion,
        }
    )
    package.sample = functools.partial(kp.sample, steps=1)
    patching = kp.CascadePatching(2)
    model = kp.PatchDPM(tiny_unet(16, patching), kp.DDPMSchedule(), patching)
    model.compile(keras.optimizers.Adam(1e-4, use_ema=True))
    return {
        "kp": package,
        "keras": keras,
        "np": np,
        "images": kp.datasets.synthetic_scenes(4, SIZE),
        "labels": np.arange(4),
        "model": model,
        "encoder": convolution(3, 4),
        "decoder": convolution(4, 3),
    }
