"""What the examples of docstrings use and do not define, at small sizes."""

import functools
import pathlib
import types

import documented
import keras
import numpy as np
from documented import SIZE, tiny_unet, tiny_unet2d
from keras import ops

import keras_patchdpm as kp
import keras_patchdpm_edge

ROOMS = (
    kp,
    kp.callbacks,
    kp.datasets,
    kp.layers,
    kp.memory,
    kp.metrics,
    kp.networks,
    kp.patching,
    kp.schedules,
    kp.solvers,
    kp.testing,
    kp.training,
)


def common():
    """A dict of the names of all examples."""
    public = {name: vars(room)[name] for room in ROOMS for name in room.__all__}
    documents = documented.names()
    package = documents["kp"]
    package.train = short_train
    package.sample = functools.partial(kp.sample, steps=1, preset="tiny")
    images = kp.datasets.synthetic_scenes(66, SIZE)
    crops = kp.RandomPatching(SIZE)
    model = tiny_model(kp.CascadePatching(2))
    return {
        **public,
        **documents,
        "keras_patchdpm": package,
        "keras_patchdpm_edge": keras_patchdpm_edge,
        "functools": functools,
        "ops": ops,
        "rng": np.random.default_rng(0),
        "networks": package.networks,
        "unet": tiny_unet,
        "unet2d": tiny_unet2d,
        "guided_diffusion_arguments": documented.tiny_guided_diffusion,
        "patching": kp.GridPatching(2),
        "images": images,
        "photos": images,
        "photograph": images[0],
        "model": model,
        "models": [model],
        "model_of_crops": tiny_model(crops, schedule=kp.EDMSchedule()),
        "sampler": kp.PatchSampler(model, "ddim", 1),
    }


def tiny_model(patching, schedule=None, size=SIZE, **network):
    """A compiled model of images."""
    schedule = schedule or kp.DDPMSchedule()
    network = tiny_unet(size, patching, schedule=schedule, **network)
    model = kp.PatchDPM(network, schedule, patching)
    model.compile(keras.optimizers.Adam(1e-4, use_ema=True))
    return model


def short_train(config, images, folder, *, minutes, settings):
    """`kp.train` for a moment, with a tiny network."""
    tiny = {"width": 4, "multipliers": [1], "attention_depths": []}
    config = {**config, "network": {**config["network"], **tiny}}
    return kp.train(config, images, folder, minutes=minutes / 1e5, settings=settings)


def features(*shape):
    """Random features of 8 images."""
    return {"features": np.random.default_rng(0).normal(size=(8, *shape))}


def scored():
    """Statistics of two sets of images."""
    extractor = kp.metrics.Extractor(mean_colors, "mean colours", size=8)
    sets = np.split(kp.datasets.synthetic_scenes(40, SIZE), 2)
    generated, reference = (
        kp.metrics.statistics(images, extractor, source="scenes") for images in sets
    )
    return {"generated": generated, "reference": reference}


def mean_colors(images):
    return np.asarray(images, "float32").mean(axis=(1, 2))


def labelled():
    model = tiny_model(kp.CascadePatching(2), num_classes=3)
    return {"model": model, "early": tiny_model(kp.CascadePatching(2))}


def latents():
    patching = kp.GridPatching(2)
    schedule = kp.EDMSchedule()
    network = tiny_unet(SIZE, patching, channels=4, schedule=schedule)
    return {"patching": patching, "network": network}


def authors():
    """A file of the authors' names with random weights."""
    import torch
    from authors_parity import authors_tensors

    tensors = {name: torch.tensor(one) for name, one in authors_tensors().items()}
    torch.save({"ema": tensors}, "model-last.pt")

    def small_network(image_size, divisions, dim):
        return kp.networks.arakawa_unet(image_size=32, divisions=2, dim=16)

    return {"arakawa_unet": small_network}


def diffusers():
    import diffusers
    from diffusers_models import SMALL, random_unet

    pipeline = types.SimpleNamespace(
        unet=random_unet(sample_size=16, **SMALL), scheduler=diffusers.DDPMScheduler()
    )
    loader = types.SimpleNamespace(from_pretrained=lambda name: pipeline)
    return {"diffusers": types.SimpleNamespace(DDPMPipeline=loader)}


def write_preset(folder):
    """A cascade of three stages, as `faces128` is."""
    model = tiny_model(kp.CascadePatching(4), size=128)
    model.save_to_preset(pathlib.Path(folder))


# Names that the examples of one entry use otherwise.
OF_ENTRY = {
    "Guidance": labelled,
    "LatentSpace": latents,
    "Measurement": lambda: {
        "photograph": kp.datasets.synthetic_scenes(1, SIZE)[0, ..., 0]
    },
    "PatchDPM.tiled": lambda: {"model": tiny_model(kp.RandomPatching(SIZE))},
    "PatchGrid": lambda: {"images": kp.datasets.synthetic_scenes(2, 96)[:, :64]},
    "TiledDenoiser": lambda: {
        "my_network": lambda noisy, sigma: noisy,
        "photograph": kp.datasets.synthetic_scenes(1, 16)[0],
    },
    "TiledDenoiser.from_diffusers": diffusers,
    "datasets.celeb_a": lambda: {"model": tiny_model(kp.GridPatching(2), size=128)},
    "datasets.random_crop_and_resize_layer": lambda: {
        "dataset": types.SimpleNamespace(
            map=lambda change: change(kp.datasets.synthetic_scenes(4, SIZE))
        )
    },
    "layers.DepthToSpace": lambda: features(16, 16, 12),
    "layers.GlobalContentConditioning": lambda: {
        "patch": np.ones((8, 32, 32, 3)),
        "image": np.ones((8, 64, 64, 3)),
    },
    "layers.GroupNormalization2D": lambda: features(16, 16, 128),
    "layers.LinearAttention": lambda: features(64, 64, 128),
    "layers.PixelPositionEmbedding": lambda: features(16, 16, 128),
    "layers.SelfAttention2D": lambda: features(16, 16, 128),
    "layers.SpaceToDepth": lambda: {"patches": np.ones((8, 32, 32, 3))},
    "layers.UpsamplingConvolution2D": lambda: features(16, 16, 64),
    "metrics.Extractor": lambda: {"network": mean_colors},
    "metrics.Score": scored,
    "metrics.copies": lambda: {
        "training_images": kp.datasets.synthetic_scenes(8, SIZE // 2)
    },
    "metrics.frechet_distance": scored,
    "metrics.kernel_distance": scored,
    "metrics.load_statistics": lambda: (
        kp.metrics.save_statistics(scored()["reference"], "photos.npz") or {}
    ),
    "metrics.precision_recall": scored,
    "metrics.save_statistics": scored,
    "metrics.seam_ratio": lambda: dict.fromkeys(
        ("samples", "real_images"), kp.datasets.synthetic_scenes(4, SIZE)
    ),
    "metrics.statistics_of_features": lambda: features(16),
    "networks.load_authors_weights": authors,
    "solvers.Heun": lambda: {
        "model": tiny_model(kp.GridPatching(2), schedule=kp.EDMSchedule())
    },
    "sample": lambda: {"small_face": kp.datasets.synthetic_scenes(1, 32)},
}
