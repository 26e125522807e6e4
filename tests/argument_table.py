"""One valid call of every public callable, and what each of its arguments may be.

`python tests/argument_calls.py --report [NAME ...]` says which calls go wrong; a new
public callable, or a new argument of one, needs its line here.
"""

import contextlib
import functools
import operator
import pathlib
import sys
import tempfile
import types
import unittest.mock

import keras_patchdpm as kp

# isort: split
import keras
import numpy as np
from tiny_models import tiny_images, tiny_model
from unet2d_inputs import GUIDED, tensors_of

from keras_patchdpm import networks, presets
from keras_patchdpm.networks import (
    authors_weights,
    diffusers_weights,
    guided_diffusion_weights,
)
from keras_patchdpm.networks.recorded import recorded

# Callables whose accepted calls take long: tests give them a few of the values, and the
# report all of them.
SLOW = {
    "PatchDPM.evaluate",
    "PatchDPM.fit",
    "PatchDPM.from_preset",
    "PatchDPM.save_to_preset",
    "PatchDPM.test_on_batch",
    "PatchDPM.train_on_batch",
    "PatchSampler.__call__",
    "PatchSampler.stream",
    "networks.arakawa_unet",
    "networks.unet",
    "networks.unet2d",
    "sample",
    "train",
}

_folder = tempfile.TemporaryDirectory()


class Lazy:
    """A value that is made when a call needs it, not before."""

    def __init__(self, make):
        self.make = make


class Entry:
    """How to call a callable.

    Args:
        function: What is called, or `Lazy`.
        kinds: String of `argument=kind` for every argument; a kind is one of `KINDS`.
        stub: Function of the name of the argument that is wrong to a context in which
            long work is left out.
        **arguments: Those of a valid call, some of them `Lazy`.
    """

    def __init__(self, function, kinds="", stub=None, /, **arguments):
        self.function, self.arguments = function, arguments
        self.kinds = dict(word.split("=") for word in kinds.split())
        self.stub = stub or (lambda name: contextlib.nullcontext())

    def valid(self):
        """`(function, arguments)` of a valid call."""
        return _made(self.function), {k: _made(v) for k, v in self.arguments.items()}


def _made(value):
    return value.make() if isinstance(value, Lazy) else value


def method(make, name):
    """A method of an object that is made anew for every call."""
    return Lazy(lambda: operator.attrgetter(name)(make()))


@functools.cache
def model():
    made = tiny_model()
    made.compile("sgd")
    return made


@functools.cache
def model_of_classes():
    made = tiny_model(num_classes=3)
    made.compile("sgd")
    return made


@functools.cache
def built_model():
    """Of a network that the package built, as a preset needs it."""
    return kp.PatchDPM(**presets.parts(CONFIG))


@functools.cache
def crops_model():
    patching, schedule = kp.RandomPatching(8, content=True), kp.EDMSchedule()
    return tiny_model(patching, schedule)


@functools.cache
def sampler():
    return kp.PatchSampler(model(), "ddim", 1)


def stream(**arguments):
    return next(sampler().stream(**arguments))


@functools.cache
def folder():
    """With a preset and an array of images."""
    path = pathlib.Path(_folder.name)
    network = presets.parts(CONFIG)["network"]
    presets.save(path / "preset", CONFIG, network, card="A card.")
    np.save(path / "images.npy", np.zeros((4, 8, 8, 3), "uint8"))
    return path


@functools.cache
def pictures():
    """A folder of five images."""
    path = pathlib.Path(_folder.name) / "pictures"
    path.mkdir()
    for number, image in enumerate(kp.datasets.synthetic_scenes(5, 8)):
        kp.save_images(image[None], path / f"{number}.png")
    return path


@functools.cache
def authors_network():
    return networks.arakawa_unet(8, dim=8, multipliers=(1,))


@functools.cache
def authors_tensors():
    """Tensors of the authors' names and shapes."""
    slots = authors_weights._slots(authors_network())
    return {slot.tensor: np.zeros(slot.shape, "float32") for slot in slots}


def small_unet2d():
    return networks.unet2d(
        4, block_out_channels=(4,), layers_per_block=1, norm_num_groups=2
    )


@functools.cache
def whole_images_network():
    return small_unet2d()


@functools.cache
def diffusers_tensors():
    return tensors_of(whole_images_network(), diffusers_weights.NAMES)


@functools.cache
def guided_diffusion_network():
    arguments = networks.guided_diffusion_arguments(8, **GUIDED)
    return networks.unet2d(8, **arguments)


@functools.cache
def guided_diffusion_tensors():
    network = guided_diffusion_network()
    library = guided_diffusion_weights.tensor_names(recorded(network))
    return tensors_of(network, library)


def colours(images):
    return images.mean(axis=(1, 2))


def extractor():
    return kp.metrics.Extractor(colours, "mean colour", 8)


def statistics():
    return kp.metrics.statistics_of_features(np.eye(4), "mean colour")


def stored_statistics():
    path = folder() / "stored.npz"
    kp.metrics.save_statistics(statistics(), path)
    return path


def report():
    found = kp.memory.MemoryReport(1, "none", "CPU:0", "none", True, "none")
    return kp.memory.ProfileReport(1, 1, 1.0, (2, 2), 1, 1, found)


def settings():
    return kp.training.TrainingSettings(batch_size=2, steps_per_epoch=1)


def no_keras_cv(name):
    """keras-cv takes seconds to import, and needs TensorFlow."""
    layers = types.SimpleNamespace(RandomCropAndResize=lambda **arguments: arguments)
    fake = types.SimpleNamespace(layers=layers)
    return unittest.mock.patch.dict(sys.modules, {"keras_cv": fake})


def no_tfds(name):
    """TensorFlow Datasets would ask the network."""
    return unittest.mock.patch.dict(sys.modules, {"tensorflow_datasets": None})


def no_measurement(name):
    """A measurement takes seconds, and some environments have none."""
    fake = types.SimpleNamespace(
        peak=lambda *arguments: report().measured,
        needs_own_process=lambda: True,
        environment=dict,
    )
    stack = contextlib.ExitStack()
    for module in ("_peak", "_profile"):
        name = f"keras_patchdpm.memory.{module}"
        patch = unittest.mock.patch.object
        stack.enter_context(patch(sys.modules[name], "backend_module", lambda: fake))
    process = "keras_patchdpm.memory._own_process.profile"
    stack.enter_context(unittest.mock.patch(process, lambda *arguments: report()))
    return stack


def no_export(name):
    """Arguments are checked, and no file of a network is written."""
    stack = contextlib.ExitStack()
    networks = "keras_patchdpm.export._networks"
    for function in ("check_route", "write"):
        patch = unittest.mock.patch(f"{networks}.{function}", lambda *a, **k: None)
        stack.enter_context(patch)
    return stack


def no_training(name):
    """Arguments are checked, and nothing is trained."""
    step = "keras_patchdpm.models._fitting.TrainStep.fit"
    return unittest.mock.patch(step, lambda *arguments, **options: None)


def tiny_preset(name):
    """The tiny model, unless the preset is what is wrong."""
    if name in ("preset", "precision"):
        return unittest.mock.patch(
            "keras_patchdpm.sampling._preset_of", lambda n: folder() / "preset"
        )
    stack = no_measurement(name)
    patch = unittest.mock.patch.object(kp.PatchDPM, "from_preset", lambda *a: model())
    stack.enter_context(patch)
    return stack


EXPORT = (
    "model=object folder=path precision=choice steps=counts patches_per_call=count "
    "card=text",
    no_export,
)
EXPORTED = {
    "model": Lazy(lambda: model()),
    "folder": Lazy(tempfile.mkdtemp),
    "solver": "ddim",
}

TINY = {"width": 8, "multipliers": (1,), "blocks_per_depth": 1, "attention_depths": ()}
CONFIG = {
    "network": {"name": "unet", "image_size": 8, **TINY},
    "schedule": {"name": "DDPMSchedule"},
    "patching": {"name": "GridPatching", "divisions": 2},
}
IMAGES = Lazy(lambda: np.zeros((2, 8, 8, 3), "float32"))
PICTURES = Lazy(lambda: np.zeros((2, 8, 8, 3), "uint8"))
SHAPE = (8, 8, 3)
STEP = "x=finite y=labels sample_weight=weights return_dict=bool"
SAMPLING = (
    "num_images=count seed=seed indices=indices batch_size=count noise=finite "
    "dtype=choice callback=function verbose=flag checkpoint=path labels=labels "
    "init_images=finite strength=small mask=finite repeats=count thumbnails=finite "
    "measurement=object"
)
grid = functools.partial(kp.PatchGrid, 2)
grid_patching = functools.partial(kp.GridPatching, 2)
cascade = functools.partial(kp.CascadePatching, 2)
crops = functools.partial(kp.RandomPatching, 8)
space = functools.partial(kp.LatentSpace, np.negative, np.negative)

ENTRIES = {
    # The grid and what is cut.
    "PatchGrid": Entry(kp.PatchGrid, "divisions=size", divisions=2),
    "PatchGrid.patch_size": Entry(
        method(grid, "patch_size"), "image_size=ints", image_size=(8, 8)
    ),
    "PatchGrid.cell": Entry(
        method(grid, "cell"),
        "patch_index=index image_size=ints",
        patch_index=1,
        image_size=(8, 8),
    ),
    "PatchGrid.split": Entry(method(grid, "split"), "images=images", images=IMAGES),
    "PatchGrid.content": Entry(method(grid, "content"), "images=images", images=IMAGES),
    "PatchGrid.merge": Entry(
        method(grid, "merge"),
        "patches=finite",
        patches=Lazy(lambda: np.zeros((2, 4, 4, 4, 3), "float32")),
    ),
    "GridPatching": Entry(
        kp.GridPatching,
        "divisions=size position=choice content=bool patches_per_image=count "
        "halo=index shift=bool",
        divisions=2,
        position="coordinates",
    ),
    "GridPatching.input_specs": Entry(
        method(grid_patching, "input_specs"), "image_shape=ints", image_shape=SHAPE
    ),
    "GridPatching.image_shape": Entry(
        method(grid_patching, "image_shape"), "window_shape=ints", window_shape=SHAPE
    ),
    "CascadePatching": Entry(
        kp.CascadePatching,
        "divisions=count shift=bool shift_below=positive content_noise=non-negative "
        "sampling_noise=non-negative stage_shares=floats detail_scale=positive",
        divisions=2,
    ),
    "patching.detail_scales": Entry(
        kp.patching.detail_scales,
        "images=finite divisions=count",
        images=Lazy(lambda: kp.datasets.synthetic_scenes(2, 8)),
        divisions=2,
    ),
    "CascadePatching.input_specs": Entry(
        method(cascade, "input_specs"), "image_shape=ints", image_shape=SHAPE
    ),
    "CascadePatching.image_shape": Entry(
        method(cascade, "image_shape"), "window_shape=ints", window_shape=SHAPE
    ),
    "RandomPatching": Entry(
        kp.RandomPatching,
        "image_size=size fractions=object probabilities=object coordinates=bool "
        "full_size_probability=fraction batch_multipliers=ints content=bool "
        "progressive=bool",
        image_size=8,
        fractions=(0.5, 1.0),
    ),
    "RandomPatching.input_specs": Entry(
        method(crops, "input_specs"), "image_shape=ints", image_shape=SHAPE
    ),
    "RandomPatching.image_shape": Entry(
        method(crops, "image_shape"), "window_shape=ints", window_shape=SHAPE
    ),
    "RandomPatching.tiled": Entry(
        method(crops, "tiled"),
        "image_shape=ints divisions=size shift=bool overlap=fraction image_size=size "
        "whole_above=anything",
        image_shape=SHAPE,
        divisions=2,
        overlap=0.25,
    ),
    "CascadePatching.tiled": Entry(
        method(cascade, "tiled"),
        "image_shape=ints divisions=count",
        image_shape=SHAPE,
        divisions=2,
    ),
    "patching.Tiling": Entry(
        kp.patching.Tiling,
        "image_size=size divisions=size halo=index shift=bool overlap=fraction",
        image_size=8,
        divisions=2,
    ),
    "RandomPatching.batches": Entry(
        method(crops, "batches"),
        "images=images batch_size=count seed=seed sample_weight=weights epochs=count "
        "labels=labels whole=bool shard=seed",
        images=IMAGES,
        batch_size=2,
        seed=0,
    ),
    "WholeImage": Entry(kp.WholeImage),
    "WholeImage.input_specs": Entry(
        method(kp.WholeImage, "input_specs"), "image_shape=ints", image_shape=SHAPE
    ),
    "WholeImage.image_shape": Entry(
        method(kp.WholeImage, "image_shape"), "window_shape=ints", window_shape=SHAPE
    ),
    "GeometricAugmentation": Entry(
        kp.GeometricAugmentation,
        "probability=fraction mirror_probability=fraction vertical_flip=bool "
        "scale=fraction rotation=angle stretch=fraction translation=fraction",
    ),
    "GeometricAugmentation.__call__": Entry(
        kp.GeometricAugmentation(),
        "images=images seed_generator=object",
        images=IMAGES,
        seed_generator=Lazy(lambda: keras.random.SeedGenerator(0)),
    ),
    # Solvers.
    "solvers.DDPM": Entry(kp.solvers.DDPM, "variance=choice"),
    "solvers.DDIM": Entry(kp.solvers.DDIM, "eta=fraction"),
    "solvers.DPMSolver2M": Entry(kp.solvers.DPMSolver2M),
    "solvers.DPMSolver2MSDE": Entry(kp.solvers.DPMSolver2MSDE),
    "solvers.Heun": Entry(kp.solvers.Heun, "churn=non-negative"),
    # Layers.
    "layers.DepthToSpace": Entry(
        kp.layers.DepthToSpace, "block_size=count", block_size=2
    ),
    "layers.SpaceToDepth": Entry(
        kp.layers.SpaceToDepth, "block_size=count", block_size=2
    ),
    "layers.GlobalContentConditioning": Entry(kp.layers.GlobalContentConditioning),
    "layers.LabelEmbedding": Entry(
        kp.layers.LabelEmbedding,
        "num_classes=count units=count initializer=function",
        num_classes=3,
        units=4,
    ),
    "layers.UpsamplingConvolution2D": Entry(
        kp.layers.UpsamplingConvolution2D, "filters=count", filters=2
    ),
    "layers.LinearAttention": Entry(
        kp.layers.LinearAttention, "num_heads=count head_size=count use_bias=bool"
    ),
    "layers.GroupNormalization2D": Entry(
        kp.layers.GroupNormalization2D, "groups=count epsilon=positive"
    ),
    "layers.SelfAttention2D": Entry(
        kp.layers.SelfAttention2D, "num_heads=count head_size=count use_bias=bool"
    ),
    "layers.PixelPositionEmbedding": Entry(
        kp.layers.PixelPositionEmbedding, "initializer=function"
    ),
    "layers.PositionOneHotEmbedding": Entry(
        kp.layers.PositionOneHotEmbedding,
        "num_patches=count units=count use_bias=bool",
        num_patches=4,
        units=4,
    ),
    "layers.TimestepEmbedding": Entry(
        kp.layers.TimestepEmbedding,
        "dim=count max_period=positive freq_shift=fraction flip_sin_to_cos=bool",
        dim=4,
    ),
    # Networks.
    "networks.unet": Entry(
        kp.networks.unet,
        "image_size=size patching=object channels=count width=count multipliers=ints "
        "blocks_per_depth=count attention_depths=indices stem=count dropout=fraction "
        "schedule=object num_classes=count augmented=bool name=text",
        image_size=8,
        patching=kp.GridPatching(2),
        **TINY,
    ),
    "networks.arakawa_unet": Entry(
        kp.networks.arakawa_unet,
        "image_size=size divisions=size dim=count channels=count multipliers=ints "
        "num_classes=count name=text",
        image_size=8,
        dim=8,
        multipliers=(1,),
    ),
    "networks.unet2d": Entry(
        kp.networks.unet2d,
        "image_size=size patching=object channels=count block_out_channels=ints "
        "down_block_types=choice up_block_types=choice layers_per_block=count "
        "downsample_type=choice upsample_type=choice resnet_time_scale_shift=choice "
        "attention_head_dim=count num_attention_heads=count add_attention=bool "
        "norm_num_groups=count norm_eps=positive flip_sin_to_cos=bool "
        "freq_shift=fraction embedding_width=count downsample_padding=index "
        "mid_block_scale_factor=positive center_input_sample=bool dropout=fraction "
        "schedule=object num_classes=count name=text",
        image_size=8,
        patching=kp.GridPatching(2),
        block_out_channels=(4,),
        layers_per_block=1,
        norm_num_groups=2,
    ),
    "networks.load_diffusers_weights": Entry(
        kp.networks.load_diffusers_weights,
        "network=object source=object",
        network=Lazy(whole_images_network),
        source=Lazy(diffusers_tensors),
    ),
    "networks.guided_diffusion_arguments": Entry(
        kp.networks.guided_diffusion_arguments,
        "image_size=count num_channels=count channel_mult=floats num_res_blocks=count "
        "attention_resolutions=indices num_heads=count num_head_channels=count "
        "resblock_updown=bool use_scale_shift_norm=bool",
        image_size=64,
    ),
    "networks.load_guided_diffusion_weights": Entry(
        kp.networks.load_guided_diffusion_weights,
        "network=object source=object use_new_attention_order=bool",
        network=Lazy(guided_diffusion_network),
        source=Lazy(guided_diffusion_tensors),
    ),
    "networks.start_from": Entry(
        kp.networks.start_from,
        "network=object source=object",
        network=Lazy(small_unet2d),
        source=Lazy(whole_images_network),
    ),
    "networks.load_authors_weights": Entry(
        kp.networks.load_authors_weights,
        "network=object source=object which=choice",
        network=Lazy(authors_network),
        source=Lazy(authors_tensors),
    ),
    # Data and metrics.
    "datasets.synthetic_scenes": Entry(
        kp.datasets.synthetic_scenes,
        "count=count image_size=size seed=seed",
        count=2,
        image_size=8,
    ),
    "datasets.random_crop_and_resize": Entry(
        kp.datasets.random_crop_and_resize,
        "images=images rng=object area=range aspect=range size=size",
        images=IMAGES,
        rng=Lazy(np.random.default_rng),
    ),
    "datasets.random_crop_and_resize_layer": Entry(
        kp.datasets.random_crop_and_resize_layer,
        "size=size area=range aspect=range seed=seed",
        no_keras_cv,
        size=8,
    ),
    "datasets.ImageBatches": Entry(
        kp.datasets.ImageBatches,
        "images=images batch_size=count flip=bool steps=count seed=seed "
        "augment=function workers=count labels=labels num_shards=object shard=object "
        "images_on=choice",
        images=IMAGES,
        batch_size=2,
    ),
    "datasets.ImageFolder": Entry(
        kp.datasets.ImageFolder,
        "folder=object image_size=size labels=choice strict=bool smallest=size "
        "crop=choice resample=choice cache=path",
        folder=Lazy(pictures),
        image_size=8,
    ),
    "datasets.celeb_a": Entry(
        kp.datasets.celeb_a,
        "split=choice image_size=size folder=object cache=path limit=count",
        no_tfds,
        split="test",
        image_size=8,
        folder=Lazy(pictures),
        cache="celeb_a",
    ),
    "datasets.lsun_bedroom": Entry(
        kp.datasets.lsun_bedroom,
        "split=choice image_size=size folder=object cache=path limit=count",
        no_tfds,
        split="test",
        image_size=8,
        folder=Lazy(pictures),
        cache="lsun",
    ),
    "datasets.load_images": Entry(
        kp.datasets.load_images,
        "source=object image_size=size split=text limit=count strict=bool "
        "smallest=size crop=choice resample=choice cache=path",
        source=Lazy(lambda: folder() / "images.npy"),
        image_size=8,
    ),
    "datasets.save_images": Entry(
        kp.save_images,
        "images=finite path=path columns=count",
        images=PICTURES,
        path=Lazy(lambda: folder() / "images.png"),
    ),
    "datasets.tile": Entry(
        kp.datasets.tile,
        "images=finite columns=count margin=index",
        images=PICTURES,
    ),
    "metrics.copies": Entry(
        kp.metrics.copies,
        "samples=finite training_images=finite",
        samples=IMAGES,
        training_images=IMAGES,
    ),
    "metrics.Extractor": Entry(
        kp.metrics.Extractor,
        "network=object name=text size=size resizing=choice",
        network=colours,
        name="mean colour",
        size=8,
    ),
    "metrics.Extractor.__call__": Entry(
        method(extractor, "__call__"),
        "images=finite batch_size=count",
        images=PICTURES,
    ),
    "metrics.load_extractor": Entry(
        kp.metrics.load_extractor,
        "name=choice weights=object",
        name="mobilenet_v2",
    ),
    "metrics.statistics": Entry(
        kp.metrics.statistics,
        "images=finite extractor=object source=text batch_size=count "
        "most_features=index seed=seed verbose=flag",
        images=PICTURES,
        extractor=Lazy(extractor),
    ),
    "metrics.statistics_of_features": Entry(
        kp.metrics.statistics_of_features,
        "features=matrix name=text source=text",
        features=np.eye(4),
        name="mean colour",
    ),
    "metrics.frechet_distance": Entry(
        kp.metrics.frechet_distance,
        "generated=object reference=object",
        generated=Lazy(statistics),
        reference=Lazy(statistics),
    ),
    "metrics.kernel_distance": Entry(
        kp.metrics.kernel_distance,
        "generated=object reference=object subsets=count subset_size=small seed=seed",
        generated=Lazy(statistics),
        reference=Lazy(statistics),
    ),
    "metrics.precision_recall": Entry(
        kp.metrics.precision_recall,
        "generated=object reference=object neighbours=count",
        generated=Lazy(statistics),
        reference=Lazy(statistics),
    ),
    "metrics.save_statistics": Entry(
        kp.metrics.save_statistics,
        "statistics=object path=object",
        statistics=Lazy(statistics),
        path=Lazy(lambda: folder() / "statistics.npz"),
    ),
    "metrics.load_statistics": Entry(
        kp.metrics.load_statistics, "path=object", path=Lazy(stored_statistics)
    ),
    "metrics.seam_ratio": Entry(
        kp.metrics.seam_ratio,
        "images=finite divisions=size",
        images=np.arange(384.0).reshape(2, 8, 8, 3),
        divisions=2,
    ),
    # Schedules.
    "DDPMSchedule": Entry(
        kp.DDPMSchedule,
        "beta_schedule=choice num_timesteps=count prediction=choice loss=choice "
        "min_snr_gamma=positive logit_normal_share=fraction",
    ),
    "DDPMSchedule.levels": Entry(
        method(kp.DDPMSchedule, "levels"), "steps=count spacing=choice"
    ),
    "DDPMSchedule.level": Entry(
        method(kp.DDPMSchedule, "level"), "timestep=index", timestep=3
    ),
    "EDMSchedule": Entry(
        kp.EDMSchedule,
        "sigma_min=positive sigma_max=positive sigma_data=positive log_mean=real "
        "log_std=positive rho=positive",
    ),
    "EDMSchedule.levels": Entry(
        method(kp.EDMSchedule, "levels"), "steps=count spacing=choice"
    ),
    # The model.
    "PatchDPM": Entry(
        kp.PatchDPM,
        "network=object schedule=object patching=object seed=index test_seed=index "
        "label_dropout=fraction latents=bool augmentation=object",
        network=Lazy(lambda: model().network),
        schedule=Lazy(lambda: model().schedule),
        patching=Lazy(lambda: model().patching),
    ),
    "PatchDPM.from_preset": Entry(
        kp.PatchDPM.from_preset,
        "preset=object precision=choice storage=choice",
        preset=Lazy(lambda: folder() / "preset"),
    ),
    "PatchDPM.presets": Entry(kp.PatchDPM.presets),
    "PatchDPM.save_to_preset": Entry(
        method(built_model, "save_to_preset"),
        "folder=path card=text storage=choice format=choice",
        folder=Lazy(tempfile.mkdtemp),
    ),
    "PatchDPM.sampler": Entry(
        method(built_model, "sampler"), "model=object", solver="ddim", steps=2
    ),
    "PatchDPM.tiled": Entry(
        method(crops_model, "tiled"),
        "divisions=size shift=bool overlap=fraction image_size=size "
        "whole_above=non-negative",
    ),
    "PatchDPM.set_sampling": Entry(
        method(built_model, "set_sampling"), solver="ddim", steps=2
    ),
    "PatchDPM.ema_weights": Entry(method(model, "ema_weights")),
    "PatchDPM.fit": Entry(
        method(model_of_classes, "fit"),
        "x=finite y=labels batch_size=count epochs=count verbose=flag "
        "callbacks=several validation_split=fraction validation_data=data "
        "shuffle=bool class_weight=dict sample_weight=weights initial_epoch=index "
        "steps_per_epoch=count validation_steps=count validation_batch_size=count "
        "validation_freq=epochs",
        no_training,
        x=IMAGES,
        y=[0, 2],
    ),
    "PatchDPM.evaluate": Entry(
        method(model_of_classes, "evaluate"),
        "x=finite y=labels batch_size=count verbose=flag sample_weight=weights "
        "steps=count callbacks=several return_dict=bool",
        x=IMAGES,
        y=[0, 2],
        verbose=0,
    ),
    "PatchDPM.train_on_batch": Entry(
        method(model_of_classes, "train_on_batch"),
        STEP + " class_weight=dict",
        x=IMAGES,
        y=[0, 2],
    ),
    "PatchDPM.test_on_batch": Entry(
        method(model_of_classes, "test_on_batch"), STEP, x=IMAGES, y=[0, 2]
    ),
    "LatentSpace": Entry(
        kp.LatentSpace,
        "encode=function decode=function mean=per-channel std=per-channel",
        encode=np.negative,
        decode=np.negative,
    ),
    "LatentSpace.fit": Entry(
        method(space, "fit"),
        "images=finite batch_size=count",
        images=Lazy(tiny_images),
    ),
    "LatentSpace.encode": Entry(
        method(space, "encode"),
        "images=finite batch_size=count",
        images=Lazy(tiny_images),
    ),
    "LatentSpace.decode": Entry(
        method(space, "decode"), "latents=images", latents=IMAGES
    ),
    # Sampling.
    "export.onnx": Entry(kp.export.onnx, *EXPORT, **EXPORTED),
    "export.litert": Entry(kp.export.litert, *EXPORT, **EXPORTED),
    "Guidance": Entry(
        kp.Guidance,
        "by=object scale=non-negative interval=range stages=ints",
        by="label",
        scale=2.0,
    ),
    "Measurement": Entry(
        kp.Measurement,
        "function=function values=numbers noise=non-negative scale=non-negative",
        function=np.negative,
        values=IMAGES,
    ),
    "TiledDenoiser": Entry(
        kp.TiledDenoiser,
        "denoise=function image_shape=object patch=size overlap=fraction shift=bool "
        "schedule=object latents=bool",
        denoise=np.negative,
        image_shape=(8, 8, 3),
        patch=4,
    ),
    "TiledDenoiser.from_diffusers": Entry(
        kp.TiledDenoiser.from_diffusers,
        "network=object scheduler=object image_shape=object",
        network=Lazy(
            lambda: types.SimpleNamespace(parameters=0, forward=0, train=bool)
        ),
        scheduler=types.SimpleNamespace(betas=[0.1], config={}),
        image_shape=(8, 8, 3),
        patch=4,
    ),
    "slerp": Entry(
        kp.slerp,
        "one=finite other=finite share=fraction",
        one=np.ones((1, 4, 4, 3)),
        other=np.ones((1, 4, 4, 3)),
        share=0.25,
    ),
    "PatchSampler": Entry(
        kp.PatchSampler,
        "model=object solver=choice steps=count patches_per_call=count "
        "spacing=choice memory_budget=bytes guidance=object decode=object "
        "images_on=choice",
        model=Lazy(model),
        solver="ddim",
        steps=2,
    ),
    "PatchSampler.__call__": Entry(
        method(sampler, "__call__"),
        "num_images=count seed=seed indices=indices dtype=choice",
    ),
    "PatchSampler.stream": Entry(stream, SAMPLING),
    "PatchSampler.draw_noise": Entry(
        method(sampler, "draw_noise"), "num_images=count seed=seed"
    ),
    "sample": Entry(
        kp.sample,
        "n=count num_images=count indices=indices solver=choice steps=steps seed=seed "
        "patches_per_call=count preset=object verbose=flag memory_budget=bytes "
        "precision=choice batch_size=count checkpoint=path labels=labels",
        tiny_preset,
        preset=Lazy(lambda: folder() / "preset"),
        steps=1,
        num_images=1,
    ),
    # Memory.
    "memory.current": Entry(kp.memory.current),
    "memory.parse_bytes": Entry(
        kp.memory.parse_bytes, "name=anything amount=bytes", name="amount", amount=3
    ),
    "memory.peak": Entry(kp.memory.peak, "fn=function", no_measurement, fn=np.ones),
    "memory.plan": Entry(
        kp.memory.plan,
        "model=object budget=bytes num_images=count training=bool optimizer=object "
        "images_held=count verbose=flag "
        "guides=several images_on=choice gradients=bool",
        no_measurement,
        model=Lazy(model),
        budget="10GB",
    ),
    "memory.profile": Entry(
        kp.memory.profile,
        "model=object batch_size=count patches_per_call=count training=bool "
        "optimizer=object isolated=bool "
        "divisions=size gradients=bool timed=bool",
        no_measurement,
        model=Lazy(model),
        isolated=True,
    ),
    "memory.table": Entry(
        kp.memory.table, "reports=object", reports=Lazy(lambda: [report()])
    ),
    # Training.
    "callbacks.BackupAndRestore": Entry(
        kp.callbacks.BackupAndRestore,
        "folder=path every_epochs=count keep=count settings=dict",
        folder="backup",
    ),
    "callbacks.BackupAndRestore.release": Entry(
        method(functools.partial(kp.callbacks.BackupAndRestore, "backup"), "release")
    ),
    "training.TrainingSettings": Entry(
        kp.training.TrainingSettings,
        "batch_size=count learning_rate=non-negative warmup_steps=index "
        "cooldown=fraction ema_share=small steps_per_epoch=count "
        "precision=choice flip=bool seed=seed start_from=path",
    ),
    "training.AveragingAdam": Entry(
        kp.training.AveragingAdam, "learning_rate=rate ema_share=small"
    ),
    "training.images_per_step": Entry(
        kp.training.images_per_step,
        "model=object batch_size=count",
        model=Lazy(model),
        batch_size=2,
    ),
    "training.ema_momentum": Entry(
        kp.training.ema_momentum,
        "half_life=positive images_per_step=positive",
        half_life=1000,
        images_per_step=2,
    ),
    "training.StopAfter": Entry(
        kp.training.StopAfter, "minutes=non-negative", minutes=1
    ),
    "train": Entry(
        kp.training.train,
        "config=object images=finite folder=path minutes=non-negative epochs=count "
        "settings=object",
        no_training,
        config=CONFIG,
        images=Lazy(lambda: np.zeros((64, 8, 8, 3), "uint8")),
        folder="run",
        epochs=1,
        settings=Lazy(settings),
    ),
}
