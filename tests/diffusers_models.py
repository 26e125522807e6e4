"""Networks and pipelines of `diffusers` with random weights."""

import diffusers
import torch

# google/ddpm-celebahq-256, ddpm-church-256 and ddpm-cat-256, at a small width.
DEEP = {
    "block_out_channels": (8, 8, 8, 16, 16, 16),
    "down_block_types": (*("DownBlock2D",) * 4, "AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D", *("UpBlock2D",) * 4),
    "layers_per_block": 1,
    "attention_head_dim": None,
    "norm_num_groups": 4,
    "norm_eps": 1e-6,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "downsample_padding": 0,
    "center_input_sample": False,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "time_embedding_type": "positional",
}
SMALL = {
    **DEEP,
    "block_out_channels": (8, 16),
    "down_block_types": ("AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D"),
}
# Blocks and options of guided-diffusion.
RESIDUAL = {
    "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "block_out_channels": (8, 16),
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "resnet_time_scale_shift": "scale_shift",
    "attn_norm_num_groups": 4,
    "num_class_embeds": 5,
    "out_channels": 6,
}
# Those that are arguments of `unet2d`.
OURS = [name for name in SMALL if name not in ("act_fn", "time_embedding_type")]


def random_unet(seed=0, **config):
    """A `UNet2DModel` without a zero or a one among its weights."""
    torch.manual_seed(seed)
    network = diffusers.UNet2DModel(**config).train(False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def arrays(network):
    """The state of a PyTorch module, as arrays by name."""
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def predicted(network, noisy, timestep, label=None):
    """What a `UNet2DModel` predicts for arrays of our layout."""
    images = torch.tensor(noisy.transpose(0, 3, 1, 2))
    label = None if label is None else torch.tensor(label)
    with torch.no_grad():
        prediction = network(images, torch.tensor(timestep), label).sample
    return prediction.numpy().transpose(0, 2, 3, 1)
