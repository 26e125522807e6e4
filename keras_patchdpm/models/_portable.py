"""Saved optimizers that any backend reads.

On PyTorch, Keras saves its optimizers under a module of that backend, which another
backend then tries to train with.
"""

_TORCH_MODULE = "keras.src.backend.torch.optimizers."


def portable(config):
    """`config` with Keras' public module in place of PyTorch's, at any depth.

    Args:
        config: Dict, as Keras serialises an object.

    Returns:
        Dict.
    """
    if isinstance(config, list | tuple):
        return type(config)(portable(value) for value in config)
    if not isinstance(config, dict):
        return config
    config = {key: portable(value) for key, value in config.items()}
    if str(config.get("module")).startswith(_TORCH_MODULE):
        config["module"] = "keras.optimizers"
    return config
