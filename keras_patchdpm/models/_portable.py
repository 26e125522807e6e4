"""Saved optimizers that every backend can load.

On PyTorch, Keras saves an optimizer as a class of that backend. Another backend would
load that class, and fail in training.
"""

_TORCH_MODULE = "keras.src.backend.torch.optimizers."


def portable(config):
    """Replaces PyTorch's module by Keras' public one, at any depth of `config`.

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
