"""What the network is conditioned on, the same in training and in sampling."""

from keras import ops

from keras_patchdpm.windows import coordinates


def pooled(noisy, tiling):
    """The whole noisy image in the size of a window (GCC).

    Args:
        noisy: Tensor or array of shape `(B, H, W, C)`.
        tiling: `Tiling`.

    Returns:
        Tensor of shape `(B, h, w, C)`.
    """
    content = tiling.grid.content(noisy)
    if not tiling.halo:
        return content
    return ops.image.resize(
        content, tiling.window_size, "bilinear", data_format="channels_last"
    )


def content_input(noisy, previous, tiling):
    """`image_inputs` of a stage with the pooled image."""
    return {"content": pooled(noisy, tiling)}


def index_input(index, corners):
    """`tile_inputs` of a stage whose network is conditioned on the patch's index."""
    return {"patch_index": index}


def coordinates_input(index, corners, tiling):
    """`tile_inputs` of a stage whose network is conditioned on coordinates."""
    size, image_size = tiling.window_size, tiling.image_size
    return {"coordinates": coordinates(corners, size, image_size)}
