"""Reads folders of the library `diffusers`: a `UNet2DModel` and its scheduler."""

import contextlib
import math

from keras_patchdpm import _checks
from keras_patchdpm.networks import diffusers_weights, tensor_files, unet2d_arguments
from keras_patchdpm.presets import _config, _diffusers_schedule

INDEX = "model_index.json"
NETWORK = "config.json"
SCHEDULER = "scheduler_config.json"
WEIGHTS = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
)
# Arguments of `unet2d` of the same name, with the defaults of `UNet2DModel`.
_SAME = {
    "block_out_channels": [224, 448, 672, 896],
    "down_block_types": ["DownBlock2D", *["AttnDownBlock2D"] * 3],
    "up_block_types": [*["AttnUpBlock2D"] * 3, "UpBlock2D"],
    "layers_per_block": 2,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "resnet_time_scale_shift": "default",
    "attention_head_dim": 8,
    "add_attention": True,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "center_input_sample": False,
    "dropout": 0.0,
}
# Arguments of `UNet2DModel` that must have one of these values, the default first.
_FIXED = {
    "time_embedding_type": ("positional",),
    "act_fn": ("silu", "swish"),
    "mid_block_type": ("UNetMidBlock2D",),
    "time_embedding_dim": (None,),
    "class_embed_type": (None,),
}
_OTHERS = (
    "sample_size",
    "in_channels",
    "out_channels",
    "num_train_timesteps",
    "num_class_embeds",
    "attn_norm_num_groups",
)
_BLOCKS = {
    "down_block_types": unet2d_arguments.DOWN,
    "up_block_types": unet2d_arguments.UP,
}
_FORMER = "UNetRes"  # Prefix of the types of blocks in the first files of `diffusers`.


def network_folder(folder):
    """The folder with the network of a folder of `diffusers`, or `None`.

    Args:
        folder: `Path`. The files of a pipeline are in the folders `unet` and
            `scheduler`; those of early pipelines, and of a network alone, are side by
            side.
    """
    if (folder / "unet" / NETWORK).is_file():
        return folder / "unet"
    if (folder / INDEX).is_file():
        return folder
    path = folder / NETWORK
    if not path.is_file():
        return None
    try:
        config = _config.read_json(path)
    except ValueError:  # Damaged, and so not known to be of `diffusers`.
        return None
    known = isinstance(config, dict) and "_diffusers_version" in config
    return folder if known else None


def read(folder):
    """The configuration of a preset from a folder of `diffusers`, a dict.

    Args:
        folder: `Path` with a `network_folder`.

    Raises:
        ValueError: If a file is missing or damaged, or has settings that this package
            cannot express; the message names the file and the settings.
    """
    path = network_folder(folder) / NETWORK
    try:
        network = _network(_json(path))
        path = _scheduler_file(folder)
        schedule, clips = _diffusers_schedule.read(_json(path))
        config = {
            "network": network,
            "schedule": schedule,
            "patching": {"name": "WholeImage"},
            "latents": not clips,
        }
        _config.check(config)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not describe a model that this package has. The error is: "
            f"{error}"
        ) from error
    return config


def weights_file(folder):
    """The `Path` of the weights of a folder of `diffusers`.

    Raises:
        ValueError: If there is none.
    """
    place = network_folder(folder)
    for name in WEIGHTS:
        if (place / name).is_file():
            return place / name
    raise ValueError(
        f"There is no file of weights in {place}. Copy the folder again; it needs "
        f"one of the files {', '.join(WEIGHTS)}. Weights in several files (shards) "
        "cannot be read: save them again with `diffusers`, in one file. "
        f"Received: preset='{folder}'."
    )


class DiffusersWeights:
    """The weights of a folder of `diffusers`, open for reading.

    Args:
        path: `Path` of the file.

    Raises:
        ImportError, ValueError: As `networks.load_diffusers_weights`.
    """

    def __init__(self, path):
        self.path = path
        self._stack = contextlib.ExitStack()
        self._tensors = self._stack.enter_context(tensor_files.opened(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def count(self):
        """Int. Number of weights in the file."""
        return sum(map(math.prod, self._tensors.shapes.values()))

    def assign(self, network):
        """Loads the weights into `network`: all of them, or none after an error."""
        try:
            diffusers_weights.assign(network, self._tensors)
        except ValueError as error:
            raise ValueError(
                f"The weights in {self.path} cannot be loaded: {error}"
            ) from error


def _json(path):
    if not path.is_file():
        raise ValueError("There is no such file. Copy the folder again.")
    config = _config.read_json(path)
    return _checks.instance(path.stem, config, dict)


def _scheduler_file(folder):
    inner = folder / "scheduler" / SCHEDULER
    return inner if inner.is_file() else folder / SCHEDULER


def _network(config):
    """The arguments of `unet2d`, with its name."""
    _checks.one_of("_class_name", config.get("_class_name"), ("UNet2DModel",))
    config = {key: value for key, value in config.items() if not key.startswith("_")}
    unknown = [key for key in config if key not in {*_SAME, *_FIXED, *_OTHERS}]
    if unknown:
        raise ValueError(
            "The network has settings that this package does not know. Received: "
            f"{unknown[:20]}."
        )
    for key, values in _FIXED.items():
        _checks.one_of(key, config.get(key, values[0]), values)
    network = {key: config.get(key, default) for key, default in _SAME.items()}
    for key, known in _BLOCKS.items():
        kinds = _checks.sequence(key, network[key], _checks.string)
        network[key] = [kind.removeprefix(_FORMER) for kind in kinds]
        lacking = sorted({kind for kind in network[key] if kind not in known})
        if lacking:
            raise ValueError(
                f"The network has blocks that this package lacks: {', '.join(lacking)}"
                f". It has {', '.join(known)}. Received: {key}={network[key]!r}."
            )
    _check_middle(config, network)
    inputs, outputs = (
        _checks.positive_int(f"{end}_channels", config.get(f"{end}_channels", 3))
        for end in ("in", "out")
    )
    if outputs not in (inputs, 2 * inputs):  # Twice as many with a variance.
        raise ValueError(
            "The network must predict as many channels as it sees, or twice as many "
            "with a variance. Networks that are conditioned on an image cannot be "
            f"loaded. Received: in_channels={inputs!r}, out_channels={outputs!r}."
        )
    size = config.get("sample_size")
    if size is None:
        raise ValueError(
            "The file must state the size of the images. Add `sample_size`, pixels of "
            "a side. Received: sample_size=None."
        )
    size = _checks.pair("sample_size", size)
    return {
        "name": "unet2d",
        "image_size": list(size),
        "channels": inputs,
        "num_classes": config.get("num_class_embeds"),
        **network,
    }


def _check_middle(config, network):
    """Refuses attention in the middle that is not normalised as elsewhere."""
    name, shift = "attn_norm_num_groups", "resnet_time_scale_shift"
    groups, chosen = network["norm_num_groups"], config.get(name)
    _checks.one_of(shift, network[shift], unet2d_arguments.TIME_SCALE_SHIFT)
    is_default = chosen is None and network[shift] == "default"
    if network["add_attention"] and not is_default:
        _checks.one_of(name, chosen, (groups,))
