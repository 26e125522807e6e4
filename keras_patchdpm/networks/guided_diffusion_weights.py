"""Loads weights of OpenAI's guided-diffusion into `unet2d`."""

import functools

import numpy as np

from keras_patchdpm import _checks
from keras_patchdpm.networks import tensor_files, unet2d_slots
from keras_patchdpm.networks._guided_diffusion_arguments import FIXED
from keras_patchdpm.networks.guided_diffusion_names import module
from keras_patchdpm.networks.unet2d_slots import ALL, TensorNames, kernel_and_bias


def load_guided_diffusion_weights(network, source, *, use_new_attention_order=False):
    """Loads weights of OpenAI's guided-diffusion into a `unet2d`.

    Every weight must be in the source, with its shape, and every tensor must be used.
    This is checked before any weight is assigned. No code in a file is run. The
    variance that a network with `learn_sigma` predicts too is not read: the samplers of
    this package do not use it. The vector of "no label" is 0; the networks of
    guided-diffusion were not trained without labels.

    Args:
        network: Model built by `unet2d` for whole images, with
            `guided_diffusion_arguments`, and with `num_classes=1000` for a network with
            `class_cond`. Into a network of patches, copy the weights with
            `start_from`.
        source: Path of a `.pt`, `.pth` or `.bin` file of PyTorch (needs PyTorch), of a
            `.npz` file or of a `.safetensors` file (needs the extra `hub`) of the same
            names; or a mapping of names to arrays or tensors.
        use_new_attention_order: Bool, that flag of guided-diffusion, which no tensor
            shows. Among the published networks only `64x64_diffusion.pt` has it.
            Default: no.

    Returns:
        `network`.

    Raises:
        TypeError: If `network` is no model, `source` neither a path nor a mapping, or
            `use_new_attention_order` no bool.
        ImportError: If the library that reads the file is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, its tensors do not fit `network`, or
            `network` has other arguments than guided-diffusion.

    Example:

    >>> arguments = guided_diffusion_arguments(128, num_heads=4)
    >>> network = unet2d(128, num_classes=1000, **arguments)
    >>> load_guided_diffusion_weights(network, "128x128_diffusion.pt")

    Source: `openai/guided-diffusion` (MIT), `unet.py` for the names.
    """
    new_order = _checks.boolean("use_new_attention_order", use_new_attention_order)
    arguments = unet2d_slots.check_network(network, "guided-diffusion")
    odd = {name: arguments[name] for name in FIXED if arguments[name] != FIXED[name]}
    if odd:
        raise ValueError(
            "`network` must be built with `guided_diffusion_arguments`. Received: "
            "network with "
            + ", ".join(f"{key}={odd[key]!r}, not {FIXED[key]!r}" for key in odd)
            + "."
        )
    names = tensor_names(arguments, new_order=new_order)
    with tensor_files.opened(source) as tensors:
        unet2d_slots.assign(network, tensors, names)
    return network


def tensor_names(arguments, *, new_order=False):
    """The names of guided-diffusion for a network with these `arguments`."""
    return TensorNames(
        network="guided-diffusion",
        module=functools.partial(module, arguments=arguments),
        attention=functools.partial(_attention, new_order=new_order),
        advice="build the network with the flags of the file in "
        "`guided_diffusion_arguments`",
    )


def _attention(layer, module, *, new_order):
    rows = ALL if new_order else _queries_first(layer.num_heads, layer.head_size)
    qkv, out = [f"{module}.qkv"], [f"{module}.proj_out"]
    yield from kernel_and_bias(layer.to_qkv, qkv, rows=rows, window=(1,))
    yield from kernel_and_bias(layer.to_out, out, window=(1,))


def _queries_first(num_heads, head_size):
    """The channels in the order `(3, heads, size)`; theirs is `(heads, 3, size)`."""
    channels = np.arange(3 * num_heads * head_size).reshape(num_heads, 3, head_size)
    return channels.transpose(1, 0, 2).ravel()
