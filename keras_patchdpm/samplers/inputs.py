"""Builds the network's inputs for some patches of all images."""

import numpy as np
from keras import ops


def join(xp, windows, *, of_images, of_tiles):
    """Joins all inputs on one batch axis: first all patches of the first image.

    Args:
        xp: `numpy`, or `keras.ops` for tensors.
        windows: Dict of arrays `(B, K, h, w, C)`, which differ between images and
            between patches.
        of_images: Dict of arrays `(B, ...)`, the same for all patches of an image.
        of_tiles: Dict of arrays `(K, ...)`, the same for all images.

    Returns:
        Dict of arrays of length `B * K`.
    """
    batch, count = windows["noisy"].shape[:2]
    inputs = {
        name: xp.reshape(values, (batch * count, *values.shape[2:]))
        for name, values in windows.items()
    }
    for name, values in of_images.items():
        inputs[name] = xp.repeat(values, count, axis=0)
    for name, values in of_tiles.items():
        inputs[name] = xp.tile(values, (batch, *[1] * (len(values.shape) - 1)))
    return inputs


class HostInputs:
    """Cuts the inputs of a network out of images in the host's memory.

    Args:
        stage: `Stage` that is sampled.
        noisy: Float32 array of shape `(B, H, W, C)`.
        previous: Result of `stage.previous`.
        tiles: `Tiles` of the step.
        of_images: Dict of further arrays `(B, ...)`, such as the noise level. Default:
            none.
    """

    def __init__(self, stage, noisy, *, previous, tiles, of_images=()):
        self.stage, self.noisy, self.tiles = stage, noisy, tiles
        self.maps = stage.maps(previous)
        conditions = stage.conditions(noisy, previous)
        self.of_images = _arrays(conditions) | dict(of_images)

    def __call__(self, indices):
        """The network's inputs for a list of patch indices: see `join`."""
        cuts = [self.tiles.window(index) for index in indices]
        windows = {"noisy": [self.noisy[:, rows, cols] for rows, cols in cuts]}
        for name, enlarged in self.maps.items():
            windows[name] = [enlarged.part(window) for window in cuts]
        of_tiles = self.stage.tile_conditions(
            np.asarray(indices, "int32"), self.tiles.corners[indices]
        )
        windows = {name: np.stack(each, axis=1) for name, each in windows.items()}
        return join(np, windows, of_images=self.of_images, of_tiles=_arrays(of_tiles))


def _arrays(tensors):
    return {name: ops.convert_to_numpy(value) for name, value in tensors.items()}
