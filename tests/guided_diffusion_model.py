"""The network of guided-diffusion in PyTorch, with the names of its state dicts.

Written from Dhariwal & Nichol 2021 (arXiv:2105.05233), section 3, for the tests alone.
"""

import math

import torch
from torch import nn

BASE = {
    "image_size": 16,
    "num_channels": 32,
    "channel_mult": (1, 2),
    "num_res_blocks": 1,
    "attention_resolutions": (8,),
    "resblock_updown": True,
    "use_scale_shift_norm": True,
}


def norm(channels):
    return nn.GroupNorm(32, channels)


def halved(x):
    corners = [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return sum(corners) / 4


def doubled(x):
    return x.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)


class Residual(nn.Module):
    def __init__(self, inner, outer, config, resized=None):
        super().__init__()
        self.resized = resized or nn.Identity()
        self.scales = config["use_scale_shift_norm"]
        embedding = 4 * config["num_channels"]
        self.in_layers = nn.Sequential(
            norm(inner), nn.SiLU(), nn.Conv2d(inner, outer, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(embedding, (1 + self.scales) * outer)
        )
        self.out_layers = nn.Sequential(
            norm(outer), nn.SiLU(), nn.Dropout(), nn.Conv2d(outer, outer, 3, padding=1)
        )
        same = inner == outer
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inner, outer, 1)

    def forward(self, x, embedding):
        y = self.in_layers[2](self.resized(self.in_layers[:2](x)))
        added = self.emb_layers(embedding)[:, :, None, None]
        if self.scales:
            scale, shift = added.chunk(2, dim=1)
            y = self.out_layers[1:](self.out_layers[0](y) * (1 + scale) + shift)
        else:
            y = self.out_layers(y + added)
        return self.skip_connection(self.resized(x)) + y


class Attention(nn.Module):
    def __init__(self, channels, config):
        super().__init__()
        size = config.get("num_head_channels", channels)
        self.heads = config.get("num_heads", channels // size)
        self.new_order = config.get("use_new_attention_order", False)
        self.norm = norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x, embedding):
        parts = self.qkv(self.norm(x).flatten(2)).chunk(3 * self.heads, dim=1)
        results = []
        for head in range(self.heads):
            step, first = (self.heads, head) if self.new_order else (1, 3 * head)
            query, key, value = (parts[first + step * number] for number in range(3))
            products = query.transpose(1, 2) @ key / math.sqrt(query.shape[1])
            results.append(value @ products.softmax(dim=-1).transpose(1, 2))
        return x + self.proj_out(torch.cat(results, dim=1)).reshape(x.shape)


class Plain(nn.Module):
    """A convolution that halves or doubles the image, under the name of theirs."""

    def __init__(self, channels, name):
        super().__init__()
        self.name = name
        stride = 2 if name == "op" else 1
        setattr(self, name, nn.Conv2d(channels, channels, 3, stride, padding=1))

    def forward(self, x, embedding):
        return getattr(self, self.name)(x if self.name == "op" else doubled(x))


class GuidedDiffusion(nn.Module):
    """The network; `config` has the flags of guided-diffusion."""

    def __init__(self, config):
        super().__init__()
        self.width = width = config["num_channels"]
        blocks, updown = config["num_res_blocks"], config["resblock_updown"]
        widths = [int(width * factor) for factor in config["channel_mult"]]
        self.time_embed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width)
        )
        if "num_classes" in config:
            self.label_emb = nn.Embedding(config["num_classes"], 4 * width)

        def attention(depth, channels):
            side = config["image_size"] >> depth
            attends = side in config["attention_resolutions"]
            return [Attention(channels, config)] if attends else []

        now = widths[0]
        self.input_blocks = nn.ModuleList(
            [nn.ModuleList([nn.Conv2d(3, now, 3, padding=1)])]
        )
        joined = [now]
        for depth, outer in enumerate(widths):
            for _ in range(blocks):
                block = [Residual(now, outer, config), *attention(depth, outer)]
                self.input_blocks.append(nn.ModuleList(block))
                now = outer
                joined.append(now)
            if depth < len(widths) - 1:
                block = Residual(now, now, config, halved) if updown else None
                self.input_blocks.append(nn.ModuleList([block or Plain(now, "op")]))
                joined.append(now)
        self.middle_block = nn.ModuleList(
            [
                Residual(now, now, config),
                Attention(now, config),
                Residual(now, now, config),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for depth, outer in reversed([*enumerate(widths)]):
            for number in range(blocks + 1):
                block = [Residual(now + joined.pop(), outer, config)]
                block += attention(depth, outer)
                if depth and number == blocks:
                    last = Residual(outer, outer, config, doubled) if updown else None
                    block.append(last or Plain(outer, "conv"))
                self.output_blocks.append(nn.ModuleList(block))
                now = outer
        outputs = 6 if config.get("learn_sigma") else 3
        self.out = nn.Sequential(
            norm(now), nn.SiLU(), nn.Conv2d(now, outputs, 3, padding=1)
        )

    def forward(self, x, timestep, label=None):
        half = self.width // 2
        angles = timestep[:, None] * 10_000 ** (-torch.arange(half) / half)
        embedding = self.time_embed(torch.cat([angles.cos(), angles.sin()], dim=1))
        if label is not None:
            embedding = embedding + self.label_emb(label)
        x = self.input_blocks[0][0](x)
        joined = [x]
        for block in self.input_blocks[1:]:
            for layer in block:
                x = layer(x, embedding)
            joined.append(x)
        for layer in self.middle_block:
            x = layer(x, embedding)
        for block in self.output_blocks:
            x = torch.cat([x, joined.pop()], dim=1)
            for layer in block:
                x = layer(x, embedding)
        return self.out(x)


def random_network(**changes):
    """A network without a zero or a one among its weights."""
    torch.manual_seed(0)
    network = GuidedDiffusion({**BASE, **changes}).train(False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def predicted(network, noisy, timestep, label=None):
    """What a network predicts for arrays of our layout."""
    images = torch.tensor(noisy.transpose(0, 3, 1, 2))
    label = None if label is None else torch.tensor(label)
    with torch.no_grad():
        prediction = network(images, torch.tensor(timestep), label)
    return prediction.numpy().transpose(0, 2, 3, 1)
