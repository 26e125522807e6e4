"""The names of the layers of `arakawa_unet` in the authors' PyTorch code."""

_BLOCK = {
    "scale": "mlp.1",
    "shift": "mlp.1",
    "conv1": "block1.proj",
    "norm1": "block1.norm",
    "conv2": "block2.proj",
    "norm2": "block2.norm",
    "skip": "res_conv",
}


def authors_modules(layer_names):
    """The authors' module for each layer of an `arakawa_unet`.

    Args:
        layer_names: Names of the network's layers; they show how many resolutions it
            has.

    Returns:
        Dict of layer names (and `layer/part` inside an attention layer) to the names of
        the authors' modules. It may have layers that the network does not have.

    Source: `ShineiArakawa/patch-based-ddpm` (MIT), `patched_unet.py`, `modules.py`.
    """
    layer_names = set(layer_names)
    encoder, decoder = "_patched_encoder", "_patched_decoder"
    names = {
        "embedding_timestep": "_embedding._time_embedding_layer.1",
        "embedding_place": "_embedding._pos_embedding_layer.0",
        "embedding": "_embedding._mapping.0",
        "first_conv": f"{encoder}._init_conv",
        "output": f"{decoder}.final_conv.1",
        **_block("last_block", f"{decoder}.final_conv.0"),
        **_block("mid_block1", f"{decoder}.mid_block1"),
        **_block("mid_block2", f"{decoder}.mid_block2"),
        **_attention("mid_attention", f"{decoder}.mid_attn", out="to_out"),
    }
    depth = 0
    while f"down{depth}_block1_conv1" in layer_names:
        names.update(_stage(f"down{depth}", f"{encoder}._downsLayers.{depth}"))
        names.update(_stage(f"up{depth}", f"{decoder}.ups.{depth}"))
        depth += 1
    return names


def _stage(ours, theirs):
    return {
        **_block(f"{ours}_block1", f"{theirs}.0"),
        **_block(f"{ours}_block2", f"{theirs}.1"),
        **_attention(f"{ours}_attention", f"{theirs}.2", out="to_out.0"),
        f"{ours}_attention_norm": f"{theirs}.2.fn.fn.to_out.1",
        f"{ours}_resample": f"{theirs}.3",
    }


def _block(ours, theirs):
    return {f"{ours}_{part}": f"{theirs}.{name}" for part, name in _BLOCK.items()}


def _attention(ours, theirs, out):
    return {
        ours: f"{theirs}.fn.fn",
        f"{ours}_prenorm": f"{theirs}.fn.norm",
        f"{ours}/to_qkv": f"{theirs}.fn.fn.to_qkv",
        f"{ours}/to_out": f"{theirs}.fn.fn.{out}",
    }
